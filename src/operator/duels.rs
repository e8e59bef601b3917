//! Who writes into our outputs again and again. Giving way for a while costs less than a duel without an end.

#[cfg(test)]
mod tests;

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

    /// Until when the output is left to whoever fights for it; `None`: write it. A new token is always written.
    #[must_use]
    pub fn is_contested(&self, seen: &Observation, now: Timestamp) -> Option<Timestamp> {
        if !is_restoration(seen) {
            return None;
        }
        let mut all = self.lock();
        let times = all.get_mut(&seen.token.uid)?;
        times.retain(|at| now < *at + WITHIN);
        (times.len() >= MOST).then(|| times[0] + WITHIN)
    }

    /// Notes that an output is about to be restored.
    pub fn note(&self, seen: &Observation, now: Timestamp) {
        if is_restoration(seen) {
            self.lock().entry(seen.token.uid.clone()).or_default().push(now);
        }
    }

    /// Forgets an ApiToken that is gone.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }
}

/// Somebody has written into an output that held the session's token, or has taken our label off it.
fn is_restoration(seen: &Observation) -> bool {
    let Seen::There(secret) = &seen.output.secret else { return false };
    let current = seen.facts().and_then(|facts| facts.issued.as_ref()).map(|issued| &issued.grant);
    let same_grant = secret.revision.as_ref().map(|revision| &revision.grant) == current;
    same_grant && (secret.drifted || !secret.labelled)
}
