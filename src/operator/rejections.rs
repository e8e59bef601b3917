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
        schedule::fraction,
    },
};

/// An entry that nobody has renewed for this long after its probe was due is of no use to anybody.
const FORGET_AFTER: SignedDuration = SignedDuration::from_hours(24 * 7);

/// Who waits for an acceptance is woken with all whose credentials share a bell: with one bell, thousands of first logins
/// would wake thousands each.
const BELLS: u16 = 1024;

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
    accepted: HashSet<Tried>,
    /// Logins that an earlier process began and nobody knows the outcome of, by provider and credentials fingerprint.
    interrupted: HashMap<(String, String), Intent>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Tried {
    origin: String,
    fingerprint: String,
}

#[derive(Debug)]
struct Entry {
    rejection: Rejection,
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

    /// Takes in a failure of now. What was asked for was looked up at `asked_at`.
    pub fn refused(&self, record: &FailureRecord, asked_at: Timestamp, key: &Key) {
        self.take_in(record, asked_at, key);
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
        let entry =
            inner.refused.entry(tried).or_insert_with(|| Entry { rejection: rejection.clone(), held: BTreeSet::new() });
        entry.held.insert(key.clone());
        if entry.rejection.at < rejection.at {
            entry.rejection = rejection;
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
