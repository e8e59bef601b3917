//! Answers that a provider has given and that could not be stored yet. Losing one can cost a refresh token, so it is
//! kept until it is stored, or until somebody else has dealt with the provider. And intents that were perhaps stored, but
//! whose requests this process never sent. Empty as long as the API server works.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use super::{
    entry::Key,
    pass::{Stored, Version},
};
use crate::token::{facts::Facts, session::Session};

#[derive(Default)]
pub struct Unsaved {
    /// By the ApiToken's uid.
    inner: Mutex<HashMap<String, Answer>>,
    /// Ids of intents, by the ApiToken's uid.
    unsent: Mutex<HashMap<String, String>>,
}

/// An answer that is not stored.
#[derive(Clone)]
pub struct Answer {
    /// The ApiToken.
    pub key: Key,
    /// What the answer was built on, and what that said.
    pub base: Option<Version>,
    pub basis: Basis,
    /// The session with the answer in it.
    pub session: Session,
}

/// What of a session changes whenever somebody deals with its provider. A label or a note on the Secret leaves it alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    grant: Option<String>,
    intent: Option<String>,
}

impl Basis {
    #[must_use]
    pub fn of(facts: &Facts) -> Self {
        let grant = facts.issued.as_ref().map(|issued| issued.grant.clone());
        Self { grant, intent: facts.intent.as_ref().map(|intent| intent.id.clone()) }
    }
}

impl Answer {
    fn follows_from(&self, read: &Stored) -> bool {
        let uid = |version: &Option<Version>| version.as_ref().map(|version| version.uid.clone());
        self.base == read.at || uid(&self.base) == uid(&read.at) && self.basis == Basis::of(&read.session.facts)
    }
}

impl Unsaved {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Answer>> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn keep(&self, uid: &str, answer: Answer) {
        self.lock().insert(uid.to_owned(), answer);
    }

    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
        self.unsent().remove(uid);
    }

    #[must_use]
    pub fn has(&self, uid: &str) -> bool {
        self.lock().contains_key(uid)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// All of them, by the ApiToken's uid.
    #[must_use]
    pub fn all(&self) -> Vec<(String, Answer)> {
        self.lock().iter().map(|(uid, answer)| (uid.clone(), answer.clone())).collect()
    }

    /// The intent could not be stored, or nobody said that it was: its request was not sent.
    pub fn never_sent(&self, uid: &str, intent: &str) {
        self.unsent().insert(uid.to_owned(), intent.to_owned());
    }

    /// Takes an intent away that is known to have led to nothing. Whoever else finds it has to take it for a request.
    pub fn drop_unsent(&self, uid: &str, facts: &mut Facts) {
        if facts.intent.as_ref().is_some_and(|intent| self.unsent().get(uid) == Some(&intent.id)) {
            facts.intent = None;
        }
    }

    fn unsent(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.unsent.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Lets the answer follow from what was read. `false`: it does not, and is dropped.
    #[must_use]
    pub fn rebase(&self, uid: &str, read: &Stored) -> bool {
        let follows = self.answer_to(uid, read).is_some();
        if let Some(answer) = self.lock().get_mut(uid) {
            answer.base.clone_from(&read.at);
        }
        follows
    }

    /// The unsaved answer to what was read, while it still follows from it.
    #[must_use]
    pub fn answer_to(&self, uid: &str, read: &Stored) -> Option<Session> {
        let mut all = self.lock();
        let answer = all.get(uid)?;
        if answer.follows_from(read) {
            return Some(answer.session.clone());
        }
        // Somebody else asked the provider since: what they have counts.
        all.remove(uid);
        None
    }
}
