//! When each token was last probed, or its predecessor revoked. In memory only: after a restart each token waits for its
//! own time of the interval, and nobody is asked at once.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// The longest interval of a probe, and a little more: what is older says nothing.
const KEPT: SignedDuration = SignedDuration::from_hours(25);
/// What is older is thrown away whenever so many have come.
const SWEPT_AT: usize = 1024;

/// Shared by all passes.
#[derive(Debug, Default)]
pub struct Errands(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// What was due before is left out.
    since: Timestamp,
    /// By the ApiToken's uid.
    last: HashMap<String, Timestamp>,
}

impl Errands {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// From now on this process acts.
    pub fn begin(&self, now: Timestamp) {
        self.lock().since = now;
    }

    /// Up to when all is settled for this ApiToken.
    #[must_use]
    pub fn last(&self, uid: &str) -> Timestamp {
        let inner = self.lock();
        inner.last.get(uid).map_or(inner.since, |last| (*last).max(inner.since))
    }

    /// Nothing is due for this ApiToken up to `until`.
    pub fn settle(&self, uid: &str, until: Timestamp) {
        let mut inner = self.lock();
        inner.last.insert(uid.to_owned(), until);
        if inner.last.len().is_multiple_of(SWEPT_AT) {
            inner.last.retain(|_, last| until.duration_since(*last) < KEPT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn what_was_due_before_a_process_acts_is_left_out() {
        let errands = Errands::default();
        errands.begin(at(100));
        assert_eq!(errands.last("a"), at(100));
        errands.settle("a", at(150));
        errands.begin(at(200));
        assert_eq!((errands.last("a"), errands.last("b")), (at(200), at(200)));
        errands.settle("a", at(300));
        assert_eq!((errands.last("a"), errands.last("b")), (at(300), at(200)));
    }

    #[test]
    fn what_nobody_asks_about_any_more_is_thrown_away() {
        let errands = Errands::default();
        for number in 0..10 * SWEPT_AT {
            errands.settle(&number.to_string(), at(i64::try_from(number).unwrap() * 3600));
        }
        assert!(errands.lock().last.len() <= SWEPT_AT + 25);
    }
}
