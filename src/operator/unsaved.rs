//! Answers that a provider has given and that could not be stored yet. Losing one can cost a refresh token, so it is
//! kept until it is stored, or until somebody else has written the session. Empty as long as the API server works.

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
use crate::token::session::Session;

#[derive(Default)]
pub struct Unsaved {
    /// By the ApiToken's uid.
    inner: Mutex<HashMap<String, Answer>>,
}

/// An answer that is not stored.
#[derive(Clone)]
pub struct Answer {
    /// The ApiToken.
    pub key: Key,
    /// What the answer was built on.
    pub base: Option<Version>,
    /// The session with the answer in it.
    pub session: Session,
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

    /// The unsaved answer to what was read, while it still follows from it.
    #[must_use]
    pub fn answer_to(&self, uid: &str, read: &Stored) -> Option<Session> {
        let mut all = self.lock();
        let answer = all.get(uid)?;
        if answer.base == read.at {
            return Some(answer.session.clone());
        }
        // Somebody else wrote the session since: theirs counts.
        all.remove(uid);
        None
    }
}
