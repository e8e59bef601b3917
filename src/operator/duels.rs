//! Who writes into our outputs again and again. Giving way for a while costs less than a duel without an end.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::token::observation::{Observation, Seen};

/// So many restorations of the same output within [`WITHIN`] are a duel.
const MOST: usize = 3;
const WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// When outputs were last restored, by the ApiToken's uid. Empty while nobody interferes.
#[derive(Debug, Default)]
pub struct Duels {
    restored: Mutex<HashMap<String, Vec<Timestamp>>>,
}

impl Duels {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Timestamp>>> {
        self.restored.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Until when the output is left to whoever fights for it; `None`: write it.
    #[must_use]
    pub fn is_contested(&self, uid: &str, now: Timestamp) -> Option<Timestamp> {
        let mut all = self.lock();
        let times = all.get_mut(uid)?;
        times.retain(|at| now < *at + WITHIN);
        (times.len() >= MOST).then(|| times[0] + WITHIN)
    }

    /// Notes that somebody has written into an output that held the session's token.
    pub fn note(&self, seen: &Observation, now: Timestamp) {
        let Seen::There(secret) = &seen.output.secret else { return };
        let current = seen.facts().and_then(|facts| facts.issued.as_ref());
        let same_grant =
            secret.revision.as_ref().map(|revision| &revision.grant) == current.map(|issued| &issued.grant);
        if secret.drifted && same_grant {
            self.lock().entry(seen.token.uid.clone()).or_default().push(now);
        }
    }

    /// Forgets an ApiToken that is gone.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }
}
