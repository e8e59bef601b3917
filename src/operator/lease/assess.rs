//! What to do about a Lease that was seen. Pure: the time is an argument.
//!
//! No time that stands in the Lease is compared with any clock: other machines wrote it. What counts is how long this
//! process has seen the same record.

use std::time::Duration;

use k8s_openapi::{api::coordination::v1::LeaseSpec, apimachinery::pkg::apis::meta::v1::MicroTime, jiff::Timestamp};
use tokio::time::Instant;

use crate::operator::settings::MAX_LEASE;

/// A Lease's content, and since when this process has seen it unchanged.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    pub spec: LeaseSpec,
    pub since: Instant,
}

/// What a candidate does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is no Lease.
    Create,
    /// It is nobody's, our own, or of somebody who was silent for too long.
    Take,
    /// Somebody holds it, for so long at most unless it is renewed.
    Wait(Duration),
}

/// The record as it was seen before, with its age, if it is still the same.
#[must_use]
pub fn observe(before: Option<Observed>, found: Option<LeaseSpec>, now: Instant) -> Option<Observed> {
    let spec = found?;
    match before {
        Some(before) if before.spec == spec => Some(before),
        _ => Some(Observed { spec, since: now }),
    }
}

/// What the candidate `me` does about what it has seen. `lease`: how long a record counts that does not say.
#[must_use]
pub fn assess(seen: Option<&Observed>, me: &str, now: Instant, lease: Duration) -> Step {
    let Some(Observed { spec, since }) = seen else { return Step::Create };
    match holder(spec) {
        None => Step::Take,
        Some(holder) if holder == me => Step::Take,
        Some(_) => {
            let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
            let holds_for = seconds.map_or(lease, Duration::from_secs).min(MAX_LEASE);
            match (*since + holds_for).saturating_duration_since(now) {
                Duration::ZERO => Step::Take,
                rest => Step::Wait(rest),
            }
        }
    }
}

/// Who holds the Lease, if anybody.
#[must_use]
pub fn holder(spec: &LeaseSpec) -> Option<&str> {
    spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

/// Whether the leader `me`, who wrote `ours`, may go on renewing what it finds now. Whatever else was edited, nobody
/// has held it in between.
#[must_use]
pub fn goes_on(ours: &LeaseSpec, found: &LeaseSpec, me: &str) -> bool {
    holder(found) == Some(me)
        && found.lease_transitions == ours.lease_transitions
        && found.acquire_time == ours.acquire_time
}

/// The record by which `me` takes or renews the Lease. `wall` is for people to read.
#[must_use]
pub fn held(before: Option<&LeaseSpec>, me: &str, wall: Timestamp, lease: Duration) -> LeaseSpec {
    let mut spec = before.cloned().unwrap_or_default();
    if holder(&spec) != Some(me) {
        spec.lease_transitions = Some(before.map_or(0, |old| old.lease_transitions.unwrap_or(0).saturating_add(1)));
        spec.acquire_time = Some(MicroTime(wall));
        spec.holder_identity = Some(me.to_owned());
    }
    spec.lease_duration_seconds = i32::try_from(lease.as_secs()).ok();
    spec.renew_time = Some(MicroTime(wall));
    spec
}

/// The record by which its holder gives the Lease up.
#[must_use]
pub fn released(ours: &LeaseSpec, wall: Timestamp) -> LeaseSpec {
    LeaseSpec { holder_identity: None, renew_time: Some(MicroTime(wall)), ..ours.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(15);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_763_640_000 + seconds).unwrap()
    }

    fn of(holder: &str) -> LeaseSpec {
        held(None, holder, at(0), LEASE)
    }

    #[test]
    fn a_candidate_takes_what_is_nobodys_and_waits_for_what_is_anothers() {
        let since = Instant::now();
        let seconds = Duration::from_secs;
        let lasting = |seconds| LeaseSpec { lease_duration_seconds: seconds, ..of("other") };
        let long_ago = LeaseSpec { renew_time: Some(MicroTime(Timestamp::MIN)), ..of("other") };
        let to_come = LeaseSpec { renew_time: Some(MicroTime(Timestamp::MAX)), ..of("other") };
        for (what, spec, age, step) in [
            ("there is none", None, 0, Step::Create),
            ("nobody holds it", Some(released(&of("other"), at(0))), 0, Step::Take),
            ("an empty name is nobody", Some(of("")), 0, Step::Take),
            ("an empty record is nobody's", Some(LeaseSpec::default()), 0, Step::Take),
            ("a write of ours was not answered", Some(of("me")), 0, Step::Take),
            ("just seen", Some(of("other")), 0, Step::Wait(LEASE)),
            ("seen for a while", Some(of("other")), 14, Step::Wait(seconds(1))),
            ("seen for its whole time", Some(of("other")), 15, Step::Take),
            ("its clock is behind", Some(long_ago), 0, Step::Wait(LEASE)),
            ("its clock is ahead", Some(to_come), 15, Step::Take),
            ("its own duration counts", Some(lasting(Some(60))), 15, Step::Wait(seconds(45))),
            ("none is said", Some(lasting(None)), 5, Step::Wait(seconds(10))),
            ("nonsense is said", Some(lasting(Some(-1))), 5, Step::Wait(seconds(10))),
            ("somebody wants it for ever", Some(lasting(Some(i32::MAX))), 0, Step::Wait(MAX_LEASE)),
        ] {
            let seen = spec.map(|spec| Observed { spec, since });
            assert_eq!(assess(seen.as_ref(), "me", since + seconds(age), LEASE), step, "{what}");
        }
    }

    #[test]
    fn a_record_counts_from_when_it_was_first_seen_and_anew_when_it_changes() {
        let (first, later) = (Instant::now(), Instant::now() + LEASE);
        let seen = observe(None, Some(of("other")), first);
        let again = observe(seen.clone(), Some(of("other")), later);
        assert_eq!(again.as_ref().map(|seen| seen.since), Some(first));
        let renewed = held(Some(&of("other")), "other", at(2), LEASE);
        assert_eq!(observe(seen.clone(), Some(renewed), later).map(|seen| seen.since), Some(later));
        assert_eq!(observe(seen, None, later), None);
    }

    #[test]
    fn the_record_tells_who_holds_it_since_when_and_how_often_it_changed_hands() {
        let first = held(None, "a", at(0), LEASE);
        assert_eq!((first.lease_transitions, first.lease_duration_seconds), (Some(0), Some(15)));
        let renewed = held(Some(&first), "a", at(2), LEASE);
        assert_eq!((&renewed.acquire_time, renewed.lease_transitions), (&Some(MicroTime(at(0))), Some(0)));
        assert_eq!(renewed.renew_time, Some(MicroTime(at(2))));
        let given_up = released(&renewed, at(4));
        assert_eq!((holder(&given_up), given_up.lease_transitions), (None, Some(0)));
        let taken = held(Some(&given_up), "b", at(5), LEASE);
        assert_eq!((holder(&taken), taken.lease_transitions), (Some("b"), Some(1)));
        assert_eq!(taken.acquire_time, Some(MicroTime(at(5))));
    }

    #[test]
    fn a_leader_goes_on_only_if_nobody_can_have_led_in_between() {
        let ours = of("me");
        assert!(goes_on(&ours, &held(Some(&ours), "me", at(2), LEASE), "me"), "a renewal that was not answered");
        assert!(goes_on(&ours, &LeaseSpec { lease_duration_seconds: Some(99), ..ours.clone() }, "me"));
        assert!(!goes_on(&ours, &released(&ours, at(2)), "me"));
        assert!(!goes_on(&ours, &held(Some(&ours), "other", at(2), LEASE), "me"));
        let back = held(Some(&held(Some(&ours), "other", at(2), LEASE)), "me", at(3), LEASE);
        assert!(!goes_on(&ours, &back, "me"));
    }
}
