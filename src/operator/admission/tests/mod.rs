//! Stories of admission; time is made up.

mod failing;
mod properties;
mod ramp;

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::*;
use crate::provider::definition::Scheme;

const SECOND: Duration = Duration::from_secs(1);

/// Limits that are in nobody's way.
const WIDE: Limits =
    Limits { requests_per_second: 10_000, burst: 10_000, concurrency: 10_000, timeout: Duration::from_secs(30) };
const WIDE_ORIGINS: OriginLimits = OriginLimits { requests_per_second: 1_000_000, concurrency: 1_000_000 };

fn origin(host: &str) -> Origin {
    Origin { scheme: Scheme::Https, host: host.to_owned(), port: 443 }
}

/// A provider with an origin of its own.
fn ask(provider: &str) -> Ask {
    Ask {
        provider: provider.to_owned(),
        origin: origin(provider),
        limits: WIDE,
        namespace: "web".to_owned(),
        deadline: Timestamp::UNIX_EPOCH,
        locks: Vec::new(),
    }
}

fn with_lock(ask: Ask, lock: &str) -> Ask {
    Ask { locks: vec![lock.to_owned()], ..ask }
}

fn until(ask: Ask, deadline: i64) -> Ask {
    Ask { deadline: Timestamp::from_second(deadline).unwrap(), ..ask }
}

fn limited(ask: Ask, requests_per_second: u32, burst: u32, concurrency: u32) -> Ask {
    Ask { limits: Limits { requests_per_second, burst, concurrency, ..WIDE }, ..ask }
}

fn wide() -> (Admission, Instant) {
    (Admission::new(WIDE_ORIGINS), Instant::now())
}

#[test]
fn a_ticket_covers_what_needs_no_other_provider_no_other_origin_and_no_other_lock() {
    let (mut admission, now) = wide();
    let locks = ["secret".to_owned(), "values".to_owned()];
    let id = admission.enqueue(Ask { locks: locks.to_vec(), ..ask("a") }, now);
    assert!(admission.covers(id, &Ask { locks: locks.to_vec(), ..until(ask("a"), 7) }));
    assert!(admission.covers(id, &with_lock(ask("a"), "values")));
    assert!(!admission.covers(id, &with_lock(ask("a"), "other values")));
    assert!(!admission.covers(id, &with_lock(ask("b"), "values")));
    assert!(!admission.covers(id, &Ask { origin: origin("elsewhere"), ..with_lock(ask("a"), "values") }));
    admission.leave(id, now);
    assert!(!admission.covers(id, &with_lock(ask("a"), "values")), "it is over");
}

#[test]
fn the_earliest_deadline_goes_first_whoever_came_first() {
    let (mut admission, now) = wide();
    let [late, early, middle] =
        [30, 10, 20].map(|deadline| admission.enqueue(until(limited(ask("a"), 1, 1, 1), deadline), now));
    let mut order = Vec::new();
    for step in 0..3 {
        let now = now + step * SECOND;
        let admitted = admission.poll(now).admitted;
        for id in &admitted {
            admission.leave(*id, now);
        }
        order.extend(admitted);
    }
    assert_eq!(order, [early, middle, late]);
}

#[test]
fn a_burst_goes_at_once_and_the_others_at_the_rate() {
    let (mut admission, now) = wide();
    for _ in 0..5 {
        admission.enqueue(limited(ask("a"), 2, 3, 10), now);
    }
    let poll = admission.poll(now);
    assert_eq!((poll.admitted.len(), poll.next), (3, Some(now + SECOND / 2)));
    assert!(admission.poll(now + SECOND * 2 / 5).admitted.is_empty());
    assert_eq!(admission.poll(now + SECOND / 2).admitted.len(), 1);
    assert_eq!(admission.poll(now + SECOND).admitted.len(), 1);
}

#[test]
fn one_hanging_provider_delays_no_other() {
    let (mut admission, now) = wide();
    for _ in 0..100 {
        admission.enqueue(limited(ask("hangs"), 100, 100, 4), now);
    }
    assert_eq!(admission.poll(now).admitted.len(), 4);
    let other = admission.enqueue(until(ask("works"), 1_000_000), now);
    assert_eq!(admission.poll(now).admitted, [other]);
}

#[test]
fn an_origin_bounds_all_its_providers_together_and_no_other_origin() {
    let mut admission = Admission::new(OriginLimits { requests_per_second: 100, concurrency: 2 });
    let now = Instant::now();
    let [first, second, third] = [30, 10, 20]
        .map(|deadline| until(Ask { origin: origin("shared"), ..ask(&format!("provider-{deadline}")) }, deadline))
        .map(|ask| admission.enqueue(ask, now));
    let elsewhere = admission.enqueue(until(ask("elsewhere"), 1_000), now);
    let mut admitted = admission.poll(now).admitted;
    admitted.sort_unstable();
    assert_eq!(admitted, [second, third, elsewhere]);
    admission.leave(second, now);
    assert_eq!(admission.poll(now).admitted, [first]);
}

#[test]
fn a_lock_has_one_holder_and_stops_nobody_who_does_not_need_it() {
    let (mut admission, now) = wide();
    let holder = admission.enqueue(with_lock(ask("a"), "secret"), now);
    let waits = admission.enqueue(with_lock(until(ask("a"), 1), "secret"), now);
    let waits_elsewhere = admission.enqueue(with_lock(until(ask("b"), 2), "secret"), now);
    let free = admission.enqueue(until(ask("a"), 1_000), now);
    assert_eq!(admission.poll(now).admitted, [holder, free]);
    admission.leave(holder, now);
    assert_eq!(admission.poll(now).admitted, [waits]);
    admission.leave(waits, now);
    assert_eq!(admission.poll(now).admitted, [waits_elsewhere]);
}

#[test]
fn a_free_lock_is_handed_on_when_the_one_it_called_goes_away_or_waits_for_another_lock() {
    let (mut admission, now) = wide();
    let both = |ask: Ask| Ask { locks: vec!["one".to_owned(), "two".to_owned()], ..ask };
    let one = admission.enqueue(with_lock(ask("a"), "one"), now);
    let two = admission.enqueue(with_lock(ask("a"), "two"), now);
    assert_eq!(admission.poll(now).admitted, [one, two]);
    let wants_both = admission.enqueue(both(until(ask("a"), 1)), now);
    let cancelled = admission.enqueue(with_lock(until(ask("a"), 2), "one"), now);
    let patient = admission.enqueue(with_lock(until(ask("a"), 3), "one"), now);
    assert!(admission.poll(now).admitted.is_empty());

    admission.leave(one, now);
    assert_eq!(admission.poll(now).admitted, [cancelled], "`wants_both` was called and now waits for `two`");
    admission.leave(cancelled, now);
    assert_eq!(admission.poll(now).admitted, [patient]);
    let next = admission.enqueue(with_lock(until(ask("a"), 4), "one"), now);
    let last = admission.enqueue(with_lock(until(ask("a"), 5), "one"), now);
    assert!(admission.poll(now).admitted.is_empty());
    admission.leave(patient, now);
    admission.leave(next, now);
    assert_eq!(admission.poll(now).admitted, [last], "`next` was called and went away before it was admitted");
    admission.leave(last, now);
    admission.leave(two, now);
    assert_eq!(admission.poll(now).admitted, [wants_both]);
    admission.leave(wants_both, now);
    assert_eq!((admission.locks.len(), admission.tickets.len()), (0, 0));
}

#[test]
fn namespaces_take_turns_and_a_late_one_neither_waits_behind_all_nor_overtakes_all() {
    let (mut admission, now) = wide();
    let enqueue = |admission: &mut Admission, namespace: &str, count: usize| -> Vec<TicketId> {
        let ask = limited(Ask { namespace: namespace.to_owned(), ..ask("a") }, 1_000, 1_000, 1);
        (0..count).map(|_| admission.enqueue(ask.clone(), now)).collect()
    };
    let serve = |admission: &mut Admission| {
        let [id] = admission.poll(now).admitted[..] else { panic!("one at a time") };
        admission.leave(id, now);
        id
    };
    let big = enqueue(&mut admission, "big", 100);
    let served: Vec<TicketId> = (0..50).map(|_| serve(&mut admission)).collect();
    assert_eq!(served, big[..50]);
    let late = enqueue(&mut admission, "late", 20);
    let next: Vec<TicketId> = (0..40).map(|_| serve(&mut admission)).collect();
    for served in 2..=next.len() {
        let of_late = next[..served].iter().filter(|id| late.contains(id)).count();
        assert!(of_late.abs_diff(served - of_late) <= 2, "{of_late} of {served} went to the late one");
    }
}

#[test]
fn a_paused_provider_admits_none_then_one_and_then_its_rate() {
    let (mut admission, now) = wide();
    for _ in 0..50 {
        admission.enqueue(limited(ask("a"), 10, 20, 50), now);
    }
    admission.pause("a", now + 5 * SECOND, now);
    let poll = admission.poll(now);
    assert_eq!((poll.admitted.len(), poll.next), (0, Some(now + 5 * SECOND)));
    assert_eq!(admission.poll(now + 5 * SECOND).admitted.len(), 1, "no burst after a pause");
    assert_eq!(admission.poll(now + 5 * SECOND + SECOND / 10).admitted.len(), 1);
    assert_eq!(admission.poll(now + 6 * SECOND).admitted.len(), 9);
}

#[test]
fn a_provider_that_is_moved_to_another_origin_takes_its_pause_along() {
    let (mut admission, now) = wide();
    admission.enqueue(ask("a"), now);
    admission.pause("a", now + 5 * SECOND, now);
    for _ in 0..10 {
        admission.enqueue(limited(Ask { origin: origin("elsewhere"), ..ask("a") }, 10, 10, 10), now);
    }
    assert!(admission.poll(now).admitted.is_empty());
    assert_eq!(admission.poll(now + 5 * SECOND).admitted.len(), 2, "one at each origin");
}

#[test]
fn a_second_credential_that_is_refused_in_time_pauses_the_provider_and_one_alone_does_not() {
    let (mut admission, now) = wide();
    let used = admission.enqueue(ask("a"), now);
    assert_eq!(admission.poll(now).admitted, [used]);
    let wait = Some(20 * SECOND);
    assert!(!admission.rate_limited("a", "first", wait, now));
    assert!(!admission.rate_limited("a", "first", wait, now + SECOND), "the same again");
    assert!(!admission.rate_limited("a", "second", wait, now + 12 * SECOND), "too late after the first");
    assert!(admission.rate_limited("a", "first", wait, now + 13 * SECOND));
    admission.enqueue(ask("a"), now);
    assert_eq!(admission.poll(now + 13 * SECOND).next, Some(now + 33 * SECOND));
    assert_eq!(admission.poll(now + 33 * SECOND).admitted.len(), 1);
}

#[test]
fn no_provider_can_ask_for_more_than_a_minute_of_rest() {
    let (mut admission, now) = wide();
    admission.enqueue(ask("a"), now);
    admission.rate_limited("a", "first", None, now);
    assert!(admission.rate_limited("a", "second", Some(Duration::MAX), now));
    assert_eq!(admission.poll(now).next, Some(now + MAX_PAUSE));
}

#[test]
fn new_limits_count_for_those_who_wait_already() {
    let (mut admission, now) = wide();
    for _ in 0..10 {
        admission.enqueue(limited(ask("a"), 1, 1, 1), now);
    }
    assert_eq!(admission.poll(now).admitted.len(), 1);
    admission.enqueue(limited(ask("a"), 1_000, 1_000, 100), now);
    assert_eq!(admission.poll(now + SECOND).admitted.len(), 10);
}

#[test]
fn what_nobody_uses_any_more_is_forgotten() {
    let (mut admission, start) = wide();
    for number in 0..10_000 {
        let now = start + number * SECOND;
        let id = admission.enqueue(with_lock(ask(&format!("provider-{number}")), "lock"), now);
        assert_eq!(admission.poll(now).admitted, [id]);
        admission.leave(id, now);
    }
    assert!(admission.lanes.len() <= 2 * SWEEP_ABOVE, "{}", admission.lanes.len());
    assert!(admission.providers.len() <= 2 * SWEEP_ABOVE && admission.origins.len() <= 2 * SWEEP_ABOVE);
    assert_eq!((admission.locks.len(), admission.tickets.len(), admission.timers.len()), (0, 0, 0));
}

#[test]
fn ten_thousand_who_wait_are_each_looked_at_a_few_times_only() {
    const TICKETS: usize = 10_000;
    let (mut admission, mut now) = wide();
    for number in 0..TICKETS {
        // Ten share each lock; all have the same deadline and come from a hundred namespaces.
        let ask = with_lock(limited(ask("a"), 50, 100, 32), &format!("secret-{}", number / 10));
        admission.enqueue(Ask { namespace: format!("team-{}", number % 100), ..ask }, now);
    }
    assert_eq!(admission.waiting(), BTreeMap::from([("a".to_owned(), TICKETS)]));
    let mut served = 0;
    while served < TICKETS {
        let poll = admission.poll(now);
        served += poll.admitted.len();
        for id in &poll.admitted {
            admission.leave(*id, now);
        }
        now = poll.next.filter(|next| poll.admitted.is_empty() && *next > now).unwrap_or(now);
    }
    assert!(admission.looked_at <= 3 * TICKETS, "{} looks for {TICKETS} tickets", admission.looked_at);
}
