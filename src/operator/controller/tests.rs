//! When the loop counts as alive. What it does is shown by stories, and in the simulator.

use super::*;
use crate::operator::entry::Key;

fn subject() -> Subject {
    Subject::Token(Key::new("web", "assets"))
}

fn size_of_future<A, B, F: Future>(_: fn(A, B) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn it_is_not_alive_once_a_due_pass_was_not_started_for_a_minute() {
    let (schedule, due) = (Schedule::default(), Timestamp::UNIX_EPOCH);
    assert!(schedule.alive(due).is_ok(), "nothing is due");
    schedule.lock().wake(subject(), due);
    assert!(schedule.alive(due - STUCK_AFTER).is_ok(), "it is due later");
    assert!(schedule.alive(due + STUCK_AFTER).is_ok());
    let told = schedule.alive(due + STUCK_AFTER + SignedDuration::from_secs(1)).expect_err("nothing moves");
    assert!(told.contains("was not started"), "{told}");
}

#[test]
fn the_wall_clock_is_looked_at_every_15_s_however_far_the_next_pass_is() {
    let (schedule, now) = (Schedule::default(), Timestamp::UNIX_EPOCH);
    let most = Duration::from_secs(15);
    assert!(until_due(&schedule, now) <= most, "nobody is due");
    schedule.lock().wake(subject(), now + SignedDuration::from_hours(720));
    assert!(until_due(&schedule, now) <= most);
    schedule.lock().wake(subject(), now + SignedDuration::from_secs(3));
    assert!(until_due(&schedule, now) <= Duration::from_secs(3));
    assert_eq!(until_due(&schedule, now + SignedDuration::from_secs(60)), Duration::ZERO, "overdue");
}

#[test]
fn a_pass_that_has_begun_and_takes_long_is_alive() {
    let (schedule, due) = (Schedule::default(), Timestamp::UNIX_EPOCH);
    schedule.lock().wake(subject(), due);
    assert_eq!(schedule.lock().take_due(due), [subject()]);
    assert!(schedule.alive(due + STUCK_AFTER * 100).is_ok());
    schedule.lock().ended(subject(), Ended::Failed(Duration::ZERO), due + STUCK_AFTER * 100);
    assert!(schedule.alive(due + STUCK_AFTER * 100).is_ok(), "it backs off");
}

#[test]
fn a_pass_that_waits_for_its_turn_is_small_enough_for_ten_thousands_of_them() {
    let size = size_of_future(pass);
    assert!(size <= 2048, "{size} bytes");
}
