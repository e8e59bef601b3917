//! What a reply gave, or how it failed. Types only.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use crate::api::http::FailureClass;

/// What a good reply gave.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Visible ASCII, at most 16 KiB.
    pub access_token: SecretString,
    /// `None`: the reply had none; a session keeps the one it has.
    pub refresh_token: Option<SecretString>,
    /// Those that the reply had; a session keeps the others.
    pub outputs: BTreeMap<String, SecretString>,
    /// When the request was sent, in whole seconds.
    pub issued_at: Timestamp,
    /// In whole seconds, rounded down. May lie in the past: then the token was expired on arrival.
    pub expires_at: Timestamp,
    /// `None`: the reply said none; a session keeps the one it has.
    pub session_expires_at: Option<Timestamp>,
    /// How far the provider's clock is ahead of ours by its `Date` header, if that is over 5 s and under a day.
    /// Absolute times of the reply have been moved by it already.
    pub clock_offset: Option<SignedDuration>,
}

/// How a request failed. Safe to show: it holds no byte of a body, a header's value, a URL's path or query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub class: FailureClass,
    /// The `reason` of the rule that matched.
    pub reason: Option<String>,
    /// HTTP status, if there was a reply.
    pub status: Option<u16>,
    /// One sentence for the user.
    pub message: String,
    /// How long the provider asked us to wait, in whole seconds: at most a day.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// Of a request that had no answer, or was never sent.
    #[must_use]
    pub const fn without_answer(class: FailureClass, message: String) -> Self {
        Self { class, reason: None, status: None, message, retry_after: None }
    }
}
