//! Answers that a provider has given and that could not be stored yet. Losing one can cost a refresh token, so it is
//! kept until it is stored, or until somebody else has written the session. Empty as long as the API server works.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use super::pass::{Stored, Version};
use crate::token::session::Session;

#[derive(Default)]
pub struct Unsaved {
    /// By the ApiToken's uid: what the answer was built on, and the session with the answer in it.
    inner: Mutex<HashMap<String, (Option<Version>, Session)>>,
}

impl Unsaved {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Option<Version>, Session)>> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn keep(&self, uid: &str, base: Option<Version>, session: Session) {
        self.lock().insert(uid.to_owned(), (base, session));
    }

    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    #[must_use]
    pub fn has(&self, uid: &str) -> bool {
        self.lock().contains_key(uid)
    }

    /// The unsaved answer to what was read, while it still follows from it.
    #[must_use]
    pub fn answer_to(&self, uid: &str, read: &Stored) -> Option<Session> {
        let mut all = self.lock();
        let (base, session) = all.get(uid)?;
        if *base == read.at {
            return Some(session.clone());
        }
        // Somebody else wrote the session since: theirs counts.
        all.remove(uid);
        None
    }
}
