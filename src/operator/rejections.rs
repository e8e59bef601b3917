//! Which credentials a provider has refused, which it has accepted, and of which a crash has left that open: in all
//! namespaces together.
//!
//! Keyed by where they are sent and by the keyed hash of their values, so that a wrong password is tried once, however
//! many ApiTokens and Secrets repeat it. The sessions remember it across restarts; this is their sum in memory.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Mutex, MutexGuard},
};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, futures::Notified};

use super::entry::Key;
use crate::{
    api::http::{FailureClass, Operation},
    token::{
        facts::{FailureRecord, Intent},
        observation::Rejection,
        schedule::{self, fraction},
    },
};

/// An entry that nobody has renewed for this long after its probe was due is of no use to anybody.
const FORGET_AFTER: SignedDuration = SignedDuration::from_hours(24 * 7);

/// Who waits for an acceptance is woken with all whose credentials share a bell: with one bell, thousands of first logins
/// would wake thousands each.
const BELLS: u16 = 1024;

/// Twice as many accepted credentials are remembered at most: some 20 MiB.
const MOST_ACCEPTED: usize = 50_000;

#[derive(Debug)]
pub struct Rejections {
    inner: Mutex<Inner>,
    bells: Box<[Notify]>,
}

impl Default for Rejections {
    fn default() -> Self {
        Self { inner: Mutex::default(), bells: std::iter::repeat_with(Notify::new).take(BELLS.into()).collect() }
    }
}

#[derive(Debug, Default)]
struct Inner {
    refused: HashMap<Tried, Entry>,
    accepted: Accepted,
    /// Logins that an earlier process began and nobody knows the outcome of, by provider and credentials fingerprint.
    interrupted: HashMap<(String, String), Intent>,
}

/// Which credentials somebody was let in with. One that is forgotten costs an intent before its next login; values that
/// are changed every hour must not fill the memory.
#[derive(Debug, Default)]
struct Accepted {
    lately: HashSet<Tried>,
    before: HashSet<Tried>,
}

impl Accepted {
    /// Whether it was not known yet.
    fn insert(&mut self, tried: Tried) -> bool {
        if self.lately.len() >= MOST_ACCEPTED {
            self.before = std::mem::take(&mut self.lately);
        }
        let known = self.before.remove(&tried);
        self.lately.insert(tried) && !known
    }

    /// What is asked for is kept longest.
    fn contains(&mut self, tried: &Tried) -> bool {
        if self.lately.contains(tried) {
            return true;
        }
        let known = self.before.take(tried);
        known.map(|tried| self.insert(tried)).is_some()
    }

    fn remove(&mut self, tried: &Tried) {
        self.lately.remove(tried);
        self.before.remove(tried);
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Tried {
    origin: String,
    fingerprint: String,
}

#[derive(Debug)]
struct Entry {
    rejection: Rejection,
    /// Probes in a row that have shown nothing.
    undecided: u32,
    /// Who waits for the probe, to be told when somebody else's attempt is accepted.
    held: BTreeSet<Key>,
}

impl Rejections {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What is remembered of these credentials; `key` is noted as waiting.
    #[must_use]
    pub fn of(&self, origin: &str, fingerprint: &str, key: &Key) -> Option<Rejection> {
        let tried = Tried { origin: origin.to_owned(), fingerprint: fingerprint.to_owned() };
        let mut inner = self.lock();
        let entry = inner.refused.get_mut(&tried)?;
        entry.held.insert(key.clone());
        Some(entry.rejection.clone())
    }

    /// The last login with these credentials of which nobody knows the outcome.
    #[must_use]
    pub fn interrupted(&self, provider: &str, fingerprint: &str) -> Option<Intent> {
        self.lock().interrupted.get(&(provider.to_owned(), fingerprint.to_owned())).cloned()
    }

    /// Takes in an intent that was found at the start; of several with the same credentials the newest counts.
    pub fn remember_interrupted(&self, intent: &Intent) {
        let Intent { operation: Operation::Login, credentials_fingerprint: Some(fingerprint), .. } = intent else {
            return;
        };
        let tried = (intent.provider_fingerprint.clone(), fingerprint.clone());
        let mut inner = self.lock();
        let newest = inner.interrupted.entry(tried).or_insert_with(|| intent.clone());
        if newest.at < intent.at {
            *newest = intent.clone();
        }
    }

    /// The provider has answered a login with these credentials, whatever it said.
    pub fn forget_interrupted(&self, provider: &str, fingerprint: &str) {
        self.lock().interrupted.remove(&(provider.to_owned(), fingerprint.to_owned()));
    }

    /// Whether a login with these credentials has succeeded since this process started.
    #[must_use]
    pub fn is_accepted(&self, origin: &str, fingerprint: &str) -> bool {
        self.lock().accepted.contains(&Tried { origin: origin.to_owned(), fingerprint: fingerprint.to_owned() })
    }

    /// Resolves when these credentials, or some others, are accepted: who waits to try the same ones need not try them
    /// one by one. To be asked for before [`is_accepted`](Self::is_accepted).
    pub fn next_acceptance(&self, fingerprint: &str) -> Notified<'_> {
        self.bell(fingerprint).notified()
    }

    fn bell(&self, fingerprint: &str) -> &Notify {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to below the number of bells"
        )]
        let number = (fraction(fingerprint, "bell") * f64::from(BELLS)) as usize;
        &self.bells[number]
    }

    /// Takes in a login that has failed now. What was asked for was looked up at `asked_at`.
    pub fn failed(&self, record: &FailureRecord, asked_at: Timestamp, key: &Key) {
        match record.class {
            FailureClass::Rejected => self.take_in(record, asked_at, key),
            _ => self.put_off(record, asked_at),
        }
    }

    /// The probe of refused credentials has shown nothing. The provider may have counted it all the same, and all who hold
    /// these credentials would make another: the next one is later.
    fn put_off(&self, record: &FailureRecord, asked_at: Timestamp) {
        let Some(fingerprint) = record.credentials_fingerprint.clone() else { return };
        let mut inner = self.lock();
        let Some(entry) = inner.refused.get_mut(&Tried { origin: record.origin.clone(), fingerprint }) else { return };
        entry.undecided = entry.undecided.saturating_add(1);
        let next_at = schedule::after_probe_without_verdict(record.at, entry.undecided).max(record.next_at);
        let rejection = &mut entry.rejection;
        (rejection.at, rejection.asked_at) = (rejection.at.max(record.at), rejection.asked_at.max(asked_at));
        rejection.next_at = rejection.next_at.max(next_at);
    }

    /// Takes in a session's record of a failure, of one before a restart perhaps; the newer counts.
    pub fn remember(&self, record: &FailureRecord, key: &Key) {
        self.take_in(record, record.at, key);
    }

    fn take_in(&self, record: &FailureRecord, asked_at: Timestamp, key: &Key) {
        let FailureRecord { class: FailureClass::Rejected, credentials_fingerprint: Some(fingerprint), .. } = record
        else {
            return;
        };
        let tried = Tried { origin: record.origin.clone(), fingerprint: fingerprint.clone() };
        let rejection = Rejection {
            at: record.at,
            asked_at,
            count: record.count,
            next_at: record.next_at,
            reason: record.reason.clone(),
            message: record.message.clone(),
        };
        let mut inner = self.lock();
        inner.refused.retain(|_, entry| entry.rejection.next_at + FORGET_AFTER > record.at);
        inner.accepted.remove(&tried);
        let entry = inner.refused.entry(tried).or_insert_with(|| Entry {
            rejection: rejection.clone(),
            undecided: 0,
            held: BTreeSet::new(),
        });
        entry.held.insert(key.clone());
        if entry.rejection.at < rejection.at {
            (entry.rejection, entry.undecided) = (rejection, 0);
        }
    }

    /// As [`remember`](Self::remember), of a record that was read: since it was written they may have been accepted.
    pub fn recall(&self, record: &FailureRecord, key: &Key) {
        let accepted = |fingerprint: &String| self.is_accepted(&record.origin, fingerprint);
        if !record.credentials_fingerprint.as_ref().is_some_and(accepted) {
            self.remember(record, key);
        }
    }

    /// A login with these credentials has succeeded; returns who was held back and may go on.
    pub fn accept(&self, origin: &str, fingerprint: &str) -> BTreeSet<Key> {
        let tried = Tried { origin: origin.to_owned(), fingerprint: fingerprint.to_owned() };
        let mut inner = self.lock();
        let held = inner.refused.remove(&tried).map(|entry| entry.held).unwrap_or_default();
        if inner.accepted.insert(tried) {
            self.bell(fingerprint).notify_waiters();
        }
        held
    }
}
