use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::SignedDuration;
use proptest::{prelude::*, sample::select};

use super::*;
use crate::{
    api::duration::HumanDuration,
    token::fixtures::{DAY, HOUR, MINUTE, Scene, UID, at, now, virtana},
};

/// A token issued now, for so many seconds.
fn issued(lifetime: i64) -> Issued {
    Scene::issued(virtana()).aged(0, lifetime).0.facts().unwrap().issued.clone().unwrap()
}

fn after(time: Timestamp) -> i64 {
    time.as_second() - now().as_second()
}

fn before(seconds: u64) -> RefreshPolicy {
    RefreshPolicy { before: Some(HumanDuration::from_secs(seconds)), at_percent: None }
}

fn at_percent(percent: i32) -> RefreshPolicy {
    RefreshPolicy { before: None, at_percent: Some(percent) }
}

fn attempt(class: FailureClass, count: u32) -> Attempt<'static> {
    Attempt { class, count, now: now(), expires_at: None, retry_after: None, uid: UID }
}

fn any_class() -> impl Strategy<Value = FailureClass> {
    use FailureClass::*;
    select(&[Rejected, SessionOver, RateLimited, Transient, Misconfigured][..])
}

#[test]
fn a_token_is_renewed_when_its_owner_wishes_and_a_little_earlier() {
    for (policy, lifetime, latest) in [
        (None, HOUR, HOUR * 67 / 100),
        (Some(before(600)), HOUR, 50 * MINUTE),
        (Some(at_percent(90)), HOUR, 54 * MINUTE),
        (Some(RefreshPolicy::default()), HOUR, HOUR * 67 / 100),
        // Kept between 10 and 95 percent.
        (Some(before(1)), HOUR, HOUR * 95 / 100),
        (Some(before(7200)), HOUR, HOUR * 10 / 100),
    ] {
        let times: BTreeSet<_> =
            (0..200).map(|n| after(renew_at(&issued(lifetime), policy.as_ref(), &format!("uid-{n}")))).collect();
        let (first, last) = (*times.first().unwrap(), *times.last().unwrap());
        assert!(last <= latest && first >= latest * 9 / 10 - 1, "{policy:?}: {first} to {last}, wanted {latest}");
    }
}

#[test]
fn a_token_is_wanted_by_its_expiry_and_a_first_one_within_a_minute() {
    let created = at(-10);
    assert_eq!(deadline(created, None, None, now()), at(50));
    assert_eq!(deadline(created, Some(&issued(HOUR)), None, now()), at(HOUR));
}

#[test]
fn a_token_whose_renewal_fails_gives_way_ever_more_up_to_sixteen_minutes_and_never_goes_before_its_expiry() {
    let failed = |count, ago| {
        let failure = Scene::issued(virtana()).failure(FailureClass::Transient, ago, 0);
        FailureRecord { count, ..failure }
    };
    let expired = issued(-HOUR);
    let deadlines = [1, 2, 3, 4, 5, 6, 1_000].map(|count| {
        let failure = failed(count, 30);
        assert_eq!(
            deadline(at(-HOUR), None, Some(&failure), now()),
            deadline(at(0), Some(&expired), Some(&failure), now())
        );
        after(deadline(at(-HOUR), None, Some(&failure), now())) + 30
    });
    assert_eq!(deadlines, [60, 120, 240, 480, 960, 960, 960]);
    assert_eq!(deadline(at(0), Some(&issued(HOUR)), Some(&failed(1_000, 0)), now()), at(HOUR), "it still lives");
    let to_come = deadline(at(0), Some(&expired), Some(&failed(1, -DAY)), now());
    assert_eq!(to_come, at(MINUTE), "a clock that was set back puts nobody behind all others");
}

#[test]
fn a_token_that_cannot_be_kept_valid_is_asked_for_once_a_minute() {
    for lifetime in [-HOUR, -1, 0, 1, 5] {
        assert_eq!(after(renew_at(&issued(lifetime), None, UID)), 60, "{lifetime} s");
    }
    assert_eq!(after(renew_at(&issued(6), None, UID)), 5, "the shortest that can be");
}

#[test]
fn a_token_that_did_not_get_younger_is_renewed_at_half_of_what_remains() {
    let no_progress = |lifetime| Issued { no_progress: true, ..issued(lifetime) };
    assert_eq!(after(renew_at(&no_progress(HOUR), Some(&at_percent(95)), UID)), 30 * MINUTE);
    assert_eq!(after(renew_at(&no_progress(4), None, UID)), 5);
    assert_eq!(after(renew_at(&no_progress(-4), None, UID)), 60);
}

/// Calls of ten thousand that were made at once and are renewed again and again, counted in fiftieths of a round.
fn calls_of_ten_thousand(lifetime: i64, rounds: i64) -> (BTreeMap<i64, i64>, i64) {
    // Up to 10 % earlier than at 67 %.
    let round = lifetime * 67 / 100 * 95 / 100;
    let slot = round / 50;
    let mut calls = BTreeMap::new();
    for number in 0..10_000 {
        // As many logins a second as a provider is asked for where nobody says otherwise.
        let first = now() + SignedDuration::from_secs(number / 50);
        let mut token = Issued { issued_at: first, unplanned: true, ..issued(lifetime) };
        while after(token.issued_at) < round * (rounds + 1) {
            *calls.entry(after(token.issued_at) / slot).or_default() += 1;
            token.expires_at = token.issued_at + SignedDuration::from_secs(lifetime);
            token.issued_at = renew_at(&token, None, &format!("uid-{number}"));
            token.unplanned = false;
        }
    }
    (calls, 10_000 * slot / round)
}

#[test]
fn ten_thousand_that_were_made_at_once_come_evenly_after_two_rounds_and_for_ever() {
    for lifetime in [15 * MINUTE, HOUR, 12 * HOUR, 30 * DAY] {
        let (calls, mean) = calls_of_ten_thousand(lifetime, 30);
        let busiest = calls.range(2 * 50..30 * 50).max_by_key(|(_, calls)| **calls).unwrap();
        assert!(
            2 * busiest.1 <= 3 * mean,
            "{lifetime} s: {} calls in slot {}, {mean} on average",
            busiest.1,
            busiest.0
        );
    }
}

#[test]
fn only_a_token_that_was_issued_unplanned_and_without_a_wish_is_renewed_much_earlier() {
    let unplanned = Issued { unplanned: true, ..issued(HOUR) };
    let times = |policy: Option<RefreshPolicy>| -> BTreeSet<_> {
        (0..500).map(|n| after(renew_at(&unplanned, policy.as_ref(), &format!("uid-{n}")))).collect()
    };
    for evenly in [times(None), times(Some(RefreshPolicy::default()))] {
        let (first, last) = (*evenly.first().unwrap(), *evenly.last().unwrap());
        assert!((HOUR * 15 / 100..HOUR * 16 / 100).contains(&first) && last <= HOUR * 67 / 100, "{first} to {last}");
        assert!(last > HOUR * 66 / 100, "{last}");
    }
    assert!(*times(Some(at_percent(67))).first().unwrap() >= HOUR * 60 / 100, "who names a time has it");
}

#[test]
fn a_renewal_is_late_by_a_share_of_the_lifetime_and_by_some_seconds_at_least() {
    for (lifetime, late) in [(HOUR, 3 * MINUTE), (20, 5), (12 * HOUR, 36 * MINUTE)] {
        let planned = renew_at(&issued(lifetime), None, UID);
        let at = |seconds| planned + SignedDuration::from_secs(seconds);
        assert!(!is_late(&issued(lifetime), planned, at(late)), "{lifetime} s");
        assert!(is_late(&issued(lifetime), planned, at(late + 1)), "{lifetime} s");
    }
    let issued = issued(HOUR);
    assert!(is_late(&issued, issued.expires_at, issued.expires_at), "what has expired was not renewed in time");
}

#[test]
fn a_login_comes_at_80_to_95_percent_of_the_sessions_limit() {
    let session = |ends_in| Issued { session_expires_at: Some(at(ends_in)), ..issued(HOUR) };
    let start = Issued { started_at: now(), ..session(30 * DAY) };
    let times: Vec<_> = (0..500).filter_map(|n| early_login_at(&start, &format!("uid-{n}"))).map(after).collect();
    assert!(times.iter().all(|&at| (24 * DAY..=30 * DAY * 95 / 100).contains(&at)));
    assert!(times.iter().max().unwrap() - times.iter().min().unwrap() > 4 * DAY, "they do not end together");
    assert_eq!(early_login_at(&Issued { session_expires_at: None, ..start.clone() }, UID), None);
    for ends_in in [-DAY, 0, 1, 5] {
        let stillborn = Issued { started_at: now(), ..session(ends_in) };
        assert_eq!(early_login_at(&stillborn, UID), None, "a session of {ends_in} s is no reason to hurry");
    }
}

#[test]
fn each_class_of_failure_has_its_own_patience() {
    use FailureClass::*;
    // Class, failures in a row, least and most seconds.
    for (class, count, least, most) in [
        (Rejected, 1, HOUR, HOUR),
        (Rejected, 2, 2 * HOUR, 2 * HOUR),
        (Rejected, 6, 32 * HOUR, 32 * HOUR),
        (Rejected, u32::MAX, 32 * HOUR, 32 * HOUR),
        (Misconfigured, 1, MINUTE, MINUTE),
        (Misconfigured, 3, 4 * MINUTE, 4 * MINUTE),
        (Misconfigured, 9, 15 * MINUTE, 15 * MINUTE),
        (RateLimited, 1, 2, 3),
        (RateLimited, 30, 2 * MINUTE, 2 * MINUTE + 3),
        (Transient, 1, 1, 1),
        (Transient, 4, 4, 8),
        (Transient, 30, MINUTE / 2, MINUTE),
        (SessionOver, 30, MINUTE / 2, MINUTE),
    ] {
        let waited = after(next_attempt(&attempt(class, count)));
        assert!((least..=most).contains(&waited), "{class:?} {count}: {waited} s");
    }
}

#[test]
fn what_a_provider_tells_is_honoured_as_long_as_one_try_fits_before_expiry() {
    let told = |told, left: Option<i64>| {
        let attempt = attempt(FailureClass::RateLimited, 1);
        after(next_attempt(&Attempt { retry_after: Some(told), expires_at: left.map(at), ..attempt }))
    };
    assert!((100..=103).contains(&told(100, None)), "spread after it, never before");
    assert!((100..=103).contains(&told(100, Some(HOUR))));
    assert_eq!(told(100, Some(50)), 45, "one try fits in");
    assert!((HOUR..=HOUR + 3).contains(&told(1_000_000_000, None)), "nobody waits for ever");
    assert_eq!(told(0, None), 1);
    let transient = Attempt { retry_after: Some(70), ..attempt(FailureClass::Transient, 1) };
    assert_eq!(after(next_attempt(&transient)), 70);
}

#[test]
fn a_login_of_unknown_outcome_is_tried_three_times_and_then_as_if_refused() {
    let waits: Vec<_> = (1..=9).map(|count| after(after_unknown_outcome(now(), count))).collect();
    assert_eq!(waits, [30, 60, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 16 * HOUR, 32 * HOUR, 32 * HOUR]);
}

#[test]
fn fractions_are_spread_evenly_over_uids_and_over_purposes() {
    for salt in ["renew", "early-login", "1", "2"] {
        let mut buckets = [0; 10];
        for n in 0..10_000 {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 10")]
            let bucket = (fraction(&format!("6d0e8f0a-1c5b-4a53-9a4b-{n:012x}"), salt) * 10.0) as usize;
            buckets[bucket] += 1;
        }
        assert!(buckets.iter().all(|count| (850..=1150).contains(count)), "{salt}: {buckets:?}");
    }
    let together = (0..1000).filter(|n| {
        let uid = format!("uid-{n}");
        (fraction(&uid, "renew") < 0.5) == (fraction(&uid, "early-login") < 0.5)
    });
    assert!((400..=600).contains(&together.count()), "one purpose tells nothing of the other");
}

proptest! {
    #[test]
    fn a_renewal_lies_within_the_lifetime_and_never_before_5_seconds(
        lifetime in 6i64..10_000_000,
        policy in prop_oneof![
            Just(None),
            (1u64..20_000_000).prop_map(|seconds| Some(before(seconds))),
            (10i32..=95).prop_map(|percent| Some(at_percent(percent))),
        ],
        (no_progress, unplanned) in any::<(bool, bool)>(),
        uid in "[0-9a-f]{8}",
    ) {
        let issued = Issued { no_progress, unplanned, ..issued(lifetime) };
        let at = after(renew_at(&issued, policy.as_ref(), &uid));
        prop_assert!(at >= 5 && at * 100 <= lifetime * 95, "{at} of {lifetime}");
        prop_assert!(at == 5 || (at + 1) * 100 >= lifetime * 10, "{at} of {lifetime}");
        prop_assert_eq!(at, after(renew_at(&issued, policy.as_ref(), &uid)), "the same after a restart");
    }

    #[test]
    fn a_renewal_never_lies_before_the_issue(lifetime in any::<i32>(), no_progress in any::<bool>()) {
        let issued = Issued { no_progress, ..issued(i64::from(lifetime)) };
        prop_assert!(after(renew_at(&issued, None, UID)) >= 5);
    }

    #[test]
    fn patience_grows_until_it_is_exhausted(class in any_class(), uid in "[0-9a-f]{8}", count in 1u32..100) {
        let wait = |count| after(next_attempt(&Attempt { uid: &uid, ..attempt(class, count) }));
        let cap = match class {
            FailureClass::Rejected => 32 * HOUR,
            FailureClass::Misconfigured => 15 * MINUTE,
            FailureClass::RateLimited => 2 * MINUTE,
            // With jitter the longest wait is half of its base at least.
            FailureClass::Transient | FailureClass::SessionOver => MINUTE / 2,
        };
        prop_assert!(wait(count + 1) >= wait(count).min(cap));
    }

    #[test]
    fn the_next_attempt_comes_later_and_while_a_living_token_still_lives(
        class in any_class(),
        count in 1u32..100,
        left in -100i64..1_000_000,
        told in prop::option::of(any::<u64>()),
    ) {
        let attempt = Attempt { expires_at: Some(at(left)), retry_after: told, ..attempt(class, count) };
        let waited = after(next_attempt(&attempt));
        prop_assert!(waited >= 1);
        if left > 1 && class != FailureClass::Rejected {
            prop_assert!(waited < left, "{waited} of {left}");
        }
    }
}
