use proptest::{prelude::*, sample::select};

use super::*;
use crate::operator::entry::Key;

fn subject(name: &str) -> Subject {
    Subject::Token(Key::new("web", name))
}

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_763_640_000_000 + milliseconds).unwrap()
}

/// A queue in which the subject has just been taken for a pass.
fn running(name: &str) -> Queue {
    let mut queue = Queue::default();
    queue.wake(subject(name), at(0));
    assert_eq!(queue.take_due(at(0)), [subject(name)]);
    queue
}

#[test]
fn the_longest_overdue_comes_first() {
    let mut queue = Queue::default();
    for (name, due) in [("c", 30), ("a", 10), ("b", 20), ("later", 41)] {
        queue.wake(subject(name), at(due));
    }
    assert_eq!(queue.take_due(at(40)), ["a", "b", "c"].map(subject));
    assert_eq!(queue.next_due(), Some(at(41)));
}

#[test]
fn a_subject_never_runs_twice_at_once() {
    let mut queue = running("a");
    queue.wake(subject("a"), at(1));
    queue.wake(subject("a"), at(2));
    assert_eq!(queue.take_due(at(1_000)), []);
    queue.ended(subject("a"), Ended::Until(None), at(3));
    assert_eq!(queue.take_due(at(3)), [subject("a")], "what happened during the pass makes it due once more");
    queue.ended(subject("a"), Ended::Until(None), at(4));
    assert_eq!(queue.take_due(at(1_000_000)), []);
}

#[test]
fn a_pass_says_when_to_look_again() {
    let mut queue = running("a");
    queue.ended(subject("a"), Ended::Until(Some(at(500))), at(1));
    assert_eq!(queue.take_due(at(499)), []);
    assert_eq!(queue.take_due(at(500)), [subject("a")]);
}

#[test]
fn an_event_comes_before_the_time_that_was_waited_for() {
    let mut queue = running("a");
    queue.ended(subject("a"), Ended::Until(Some(at(500))), at(1));
    queue.wake(subject("a"), at(100));
    assert_eq!(queue.next_due(), Some(at(100)));
    assert_eq!(queue.take_due(at(100)), [subject("a")]);
    assert_eq!(queue.next_due(), None, "the old time is forgotten");
}

#[test]
fn what_is_gone_is_forgotten_unless_it_has_come_again() {
    let mut queue = running("a");
    queue.ended(subject("a"), Ended::Gone, at(1));
    assert!(queue.is_empty());
    let mut queue = running("a");
    queue.wake(subject("a"), at(1));
    queue.ended(subject("a"), Ended::Gone, at(2));
    assert_eq!(queue.take_due(at(2)), [subject("a")]);
}

/// How long the queue waits after each of so many passes that end in the same way.
fn waits(how: Ended, passes: usize) -> Vec<f64> {
    let mut queue = running("a");
    let mut now = at(0);
    let mut waits = Vec::new();
    for _ in 0..passes {
        queue.ended(subject("a"), how, now);
        let due = queue.next_due().unwrap();
        waits.push((due - now).total(jiff::Unit::Second).unwrap());
        now = due;
        assert_eq!(queue.take_due(now), [subject("a")]);
    }
    waits
}

#[test]
fn a_pass_that_fails_waits_twice_as_long_each_time_up_to_a_minute() {
    let waits = waits(Ended::Failed(Duration::ZERO), 20);
    for (n, wait) in waits.iter().enumerate() {
        let most = (0.5 * 2f64.powi(i32::try_from(n).unwrap())).min(60.0);
        assert!((most / 2.0..=most).contains(wait), "{n}: {wait} s of {most}");
    }
}

#[test]
fn an_api_server_that_wants_to_be_left_alone_is_asked_by_nobody_before_or_a_minute_later() {
    for (told, least) in [(5, 5.0), (3600, 60.0)] {
        let waits = waits(Ended::Failed(Duration::from_secs(told)), 8);
        assert!((waits[0] - least).abs() < 0.001, "{waits:?}");
        assert!(waits.iter().all(|&wait| (least..=60.0).contains(&wait)), "{waits:?}");
    }
}

#[test]
fn a_lost_race_is_run_again_at_once_but_never_in_a_spin() {
    let waits = waits(Ended::Raced, 20);
    assert!(waits[0] < 0.05);
    assert!(waits.iter().sum::<f64>() > 20.0, "{waits:?}");
    assert!(waits.iter().all(|&wait| wait <= 2.0));
}

#[test]
fn a_pass_that_ends_well_forgives_all_failures() {
    let mut queue = running("a");
    for _ in 0..10 {
        queue.ended(subject("a"), Ended::Failed(Duration::ZERO), at(0));
        queue.take_due(at(100_000));
    }
    queue.ended(subject("a"), Ended::Until(Some(at(1))), at(0));
    queue.take_due(at(1));
    queue.ended(subject("a"), Ended::Failed(Duration::ZERO), at(2));
    assert!(queue.next_due().unwrap() <= at(502));
}

#[test]
fn an_event_ends_a_back_off() {
    let mut queue = running("a");
    queue.ended(subject("a"), Ended::Failed(Duration::ZERO), at(0));
    queue.wake(subject("a"), at(1));
    assert_eq!(queue.take_due(at(1)), [subject("a")]);
}

proptest! {
    /// Whatever happens, nobody runs twice at once, and what happened is followed by a pass that began after it.
    #[test]
    fn no_event_is_lost(
        steps in prop::collection::vec((select(&["a", "b", "c"][..]), 0..4, 0i64..50), 1..60),
    ) {
        let mut queue = Queue::default();
        let mut running = BTreeSet::new();
        let mut owed = BTreeSet::new();
        let mut now = 0;
        for (name, step, passes) in steps {
            now += passes;
            match step {
                0 | 1 => {
                    queue.wake(subject(name), at(now));
                    owed.insert(name);
                }
                2 => for taken in queue.take_due(at(now)) {
                    let name = ["a", "b", "c"].into_iter().find(|name| subject(name) == taken).unwrap();
                    prop_assert!(running.insert(name), "{name} runs twice");
                    owed.remove(name);
                },
                _ => if running.remove(name) {
                    queue.ended(subject(name), Ended::Until(None), at(now));
                },
            }
        }
        for name in std::mem::take(&mut running) {
            queue.ended(subject(name), Ended::Until(None), at(now));
        }
        let taken = queue.take_due(at(now));
        for name in owed {
            prop_assert!(taken.contains(&subject(name)), "{name} is owed a pass");
        }
    }
}
