//! When a token is probed, renewed because its probe was refused, and revoked when it was replaced.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::{fraction, whole_seconds};
use crate::{
    provider::definition::Probe,
    token::{
        errand::{Refusal, Replaced},
        facts::Issued,
    },
};

/// A token is not probed before it is this old: some providers need a moment until all of their servers know it.
const SETTLED_AFTER: Duration = Duration::from_secs(30);
/// A probe whose time has passed by more than this is left out: a machine that slept must not ask for all at once. More
/// than the shortest interval, or a slow pass could leave out one after the other.
const MISSED_AFTER: Duration = Duration::from_secs(90);
/// The first renewal follows a refusal at once; between the next ones there is at least this, doubling.
const LEAST_PAUSE: Duration = Duration::from_secs(10 * 60);
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);
/// From the moment the output holds a new token to the revocation of the old one. The kubelet shows a changed Secret
/// after 60 to 90 s, and programs read it when they like.
pub const REVOKED_AFTER: Duration = Duration::from_secs(5 * 60);
/// So many requests at most to revoke one token.
const MOST_TRIES: u32 = 3;
const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// When the token is probed: at the same seconds of each interval for the same uid, whatever happened before, so that a
/// thousand tokens are probed one after the other, after a restart too. `last`: up to when all is settled. A time that
/// has passed is now.
#[must_use]
pub fn probe_at(issued: &Issued, probe: &Probe, last: Timestamp, uid: &str, now: Timestamp) -> Timestamp {
    let after = last.max(issued.issued_at + SETTLED_AFTER).max(now - MISSED_AFTER).as_second();
    let interval = i64::try_from(probe.interval.as_secs()).unwrap_or(i64::MAX).max(1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a day has few seconds")]
    let phase = (fraction(uid, "probe") * interval as f64) as i64;
    let next = (after - phase).div_euclid(interval).saturating_add(1).saturating_mul(interval).saturating_add(phase);
    Timestamp::from_second(next).unwrap_or(Timestamp::MAX)
}

/// What is remembered when the provider refuses this token, after what was remembered `before`.
#[must_use]
pub fn refused(issued: &Issued, before: Option<&Refusal>, probe: &Probe, now: Timestamp) -> Refusal {
    if let Some(known) = before.filter(|before| before.grant == issued.grant) {
        return known.clone();
    }
    let at = whole_seconds(now);
    let count = before.map_or(0, |before| before.count).saturating_add(1);
    Refusal { grant: issued.grant.clone(), at, count, next_at: at + pause(count, probe.interval) }
}

fn pause(count: u32, interval: Duration) -> Duration {
    let Some(doublings) = count.checked_sub(2) else { return Duration::ZERO };
    interval.max(LEAST_PAUSE).saturating_mul(2u32.saturating_pow(doublings.min(16))).min(LONGEST_PAUSE)
}

/// What is remembered after a request that may have revoked nothing; `None`: it was the last.
#[must_use]
pub fn tried(replaced: &Replaced, now: Timestamp) -> Option<Replaced> {
    let tries = replaced.tries.saturating_add(1);
    let next_at = Some(whole_seconds(now) + TRIED_AGAIN_AFTER);
    (tries < MOST_TRIES).then_some(Replaced { expires_at: replaced.expires_at, tries, next_at })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use k8s_openapi::jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;
    use crate::token::fixtures::{DAY, HOUR, MINUTE, Scene, UID, at, probed};

    fn probe(interval: i64) -> Probe {
        let mut probe = *probed().probe.unwrap();
        probe.interval = Duration::from_secs(interval.unsigned_abs());
        probe
    }

    fn issued(age: i64) -> Issued {
        Scene::issued(probed()).aged(age, DAY).0.facts().unwrap().issued.clone().unwrap()
    }

    fn at_of(uid: &str, last: i64, now: i64) -> Timestamp {
        probe_at(&issued(HOUR), &probe(5 * MINUTE), at(last), uid, at(now))
    }

    #[test]
    fn a_thousand_tokens_are_probed_one_after_the_other_after_a_restart_too() {
        let times: Vec<_> = (0..1000).map(|n| at_of(&format!("uid-{n}"), 0, 0)).collect();
        for minute in 0..5 {
            let within = |time: &&Timestamp| at(minute * MINUTE) < **time && **time <= at((minute + 1) * MINUTE);
            let share = times.iter().filter(within).count();
            assert!((150..=250).contains(&share), "{share} of 1000 in minute {minute} of 5");
        }
        assert!(times.iter().collect::<BTreeSet<_>>().len() > 200);
    }

    #[test]
    fn a_token_is_probed_once_each_interval_and_not_when_it_is_new() {
        let first = at_of(UID, 0, 0);
        let next = at_of(UID, first.as_second() - at(0).as_second(), first.as_second() - at(0).as_second());
        assert_eq!(next.duration_since(first), SignedDuration::from_mins(5));
        let new = probe_at(&issued(0), &probe(MINUTE), at(-DAY), UID, at(0));
        assert!(new > at(30) && new <= at(91), "{new}");
    }

    #[test]
    fn what_a_machine_has_slept_through_is_left_out() {
        let late = at_of(UID, -DAY, 0);
        assert!(late > at(-90) && late <= at(4 * MINUTE), "{late}");
    }

    #[test]
    fn renewals_for_a_refusal_keep_pauses_that_double_up_to_a_day() {
        let mut issued = issued(HOUR);
        let mut known: Option<Refusal> = None;
        let mut pauses = Vec::new();
        for grant in 1..=10 {
            issued.grant = format!("grant-{grant}");
            let refusal = refused(&issued, known.as_ref(), &probe(MINUTE), at(0));
            assert_eq!(refused(&issued, Some(&refusal), &probe(MINUTE), at(HOUR)), refusal, "it is no news twice");
            pauses.push(refusal.next_at.duration_since(refusal.at).as_secs() / MINUTE);
            known = Some(refusal);
        }
        assert_eq!(pauses, [0, 10, 20, 40, 80, 160, 320, 640, 1280, 1440]);
        let slow =
            refused(&issued, Some(&Refusal { count: 1, grant: "x".to_owned(), ..known.unwrap() }), &probe(HOUR), at(0));
        assert_eq!(slow.next_at, at(HOUR), "no sooner than its probe");
    }

    #[test]
    fn a_token_is_asked_to_be_revoked_three_times_at_most() {
        let mut replaced = Some(Replaced { expires_at: at(DAY), tries: 0, next_at: None });
        let mut requests = 0;
        while let Some(now) = &replaced {
            replaced = tried(now, at(requests * MINUTE));
            requests += 1;
        }
        assert_eq!(requests, 3);
    }

    proptest! {
        #[test]
        fn the_next_probe_lies_within_an_interval_of_what_is_settled(
            uid in "[a-f0-9]{8}", interval in 60..DAY, last in -DAY..DAY, now in -DAY..DAY,
        ) {
            let next = probe_at(&issued(HOUR), &probe(interval), at(last), &uid, at(now));
            let from = at(last).max(at(-HOUR + 30)).max(at(now - 90));
            prop_assert!(next > from && next <= from + SignedDuration::from_secs(interval));
        }
    }
}
