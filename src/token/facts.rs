//! The part of a session that may be seen: times, fingerprints, failures; never a token.
//!
//! The same facts stand in the session's document and, as one annotation, in its metadata. So a metadata watch alone
//! tells whether a token is due, after a restart too, and every rule of `decide` works on facts alone.

#[cfg(test)]
mod tests;

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::errand::{Refusal, Replaced};
use crate::api::http::{FailureClass, Operation};

/// How many spent refresh tokens of the credentials are remembered; each is a consent that somebody gave.
const MOST_SPENT: usize = 512;

/// Annotation of the session Secret that carries the facts, as JSON.
pub const ANNOTATION: &str = "apitoken.dev/facts";

/// All that decisions need to know of a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// What the provider gave; absent until a login has succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued: Option<Issued>,
    /// The credentials as they were last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<SeenCredentials>,
    /// A request that was about to be made when this was written, and whose outcome is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_failure: Option<Box<FailureRecord>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_failure: Option<Box<FailureRecord>>,
    /// The probe's refusal that no probe has taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Box<Refusal>>,
    /// There exactly when the material has the token before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Box<Replaced>>,
    /// Text of the refresh-requested annotation that was acted upon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled_request: Option<String>,
    /// The ApiToken that uses it, where the session belongs to its credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// Keyed hashes of the refresh tokens of the credentials that were presented, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spent: Vec<String>,
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// An ApiToken of the session's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub name: String,
    pub uid: String,
}

/// One grant, and the session that it is part of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Issued {
    /// Names this grant in annotations; says nothing about the token.
    pub grant: String,
    pub operation: Operation,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
    /// The grant before it expired no earlier: renew at half of what remains, do not spin.
    #[serde(default, skip_serializing_if = "is_false")]
    pub no_progress: bool,
    /// Issued at another time than planned: at the first request, on somebody's wish, after an outage. So may thousands
    /// of others have been in the same minute; they must not all be renewed in the same minute, too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unplanned: bool,
    /// The session's login.
    pub started_at: Timestamp,
    /// When the session ends for good, where the provider or its definition says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_expires_at: Option<Timestamp>,
    /// The session's end as a reply gave it, before the definition's own limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_session_expires_at: Option<Timestamp>,
    /// Lifetime of the session's first access token, in seconds.
    pub first_lifetime: i64,
    /// Whose session it is: login request and parameters, hashed.
    pub provider_fingerprint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_fingerprint: Option<String>,
    /// Fingerprint of only those keys that the refresh request sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_fingerprint: Option<String>,
    pub has_refresh_token: bool,
    /// The provider has refused to refresh this session.
    #[serde(default, skip_serializing_if = "is_false")]
    pub over: bool,
    /// Its refreshes add almost no life any more: log in while it still works.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ending: bool,
}

/// Which content of the credentials Secret was read last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenCredentials {
    pub uid: String,
    pub resource_version: String,
    /// Keyed hash over the values of all declared keys.
    pub fingerprint: String,
    /// Keyed hash over only those that the refresh request sends.
    pub refresh_fingerprint: String,
    /// Keyed hash of the refresh token that is good for one login, where they hold one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
}

/// Written before a request whose double would do harm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    pub id: String,
    pub operation: Operation,
    pub at: Timestamp,
    /// How many in a row, this one included, were made for the same content without an answer.
    pub count: u32,
    pub provider_fingerprint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_fingerprint: Option<String>,
    /// Keyed hash of the refresh token of the credentials that the request was to present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
}

/// A failure that holds back the next attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailureRecord {
    pub class: FailureClass,
    pub count: u32,
    pub at: Timestamp,
    pub next_at: Timestamp,
    /// Reason of the Ready condition that this failure leads to.
    pub reason: String,
    pub message: String,
    pub provider_fingerprint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_fingerprint: Option<String>,
    /// Where the request went: scheme, host and port.
    pub origin: String,
    /// The specs that the attempt was made with; another mark waives the wait.
    pub spec_mark: String,
}

impl Facts {
    /// The failure slot of an operation: an early login that fails must not hold back refreshes.
    #[must_use]
    pub fn failure(&self, operation: Operation) -> Option<&FailureRecord> {
        match operation {
            Operation::Login => self.login_failure.as_deref(),
            Operation::Refresh => self.refresh_failure.as_deref(),
        }
    }

    pub fn set_failure(&mut self, operation: Operation, record: Option<FailureRecord>) {
        let record = record.map(Box::new);
        match operation {
            Operation::Login => self.login_failure = record,
            Operation::Refresh => self.refresh_failure = record,
        }
    }

    /// Whether this refresh token of the credentials was presented, or perhaps was: then it never is again.
    #[must_use]
    pub fn has_spent(&self, seed: &str) -> bool {
        let intended = self.intent.as_ref().and_then(|intent| intent.seed.as_deref());
        intended == Some(seed) || self.spent.iter().any(|spent| spent == seed)
    }

    /// The request was made, or nobody knows whether it was: what it was to present counts as spent.
    pub fn settle_intent(&mut self) {
        if let Some(seed) = self.intent.take().and_then(|intent| intent.seed) {
            self.spend(seed);
        }
    }

    /// It is known that the request was not sent: nothing was presented.
    pub fn drop_intent(&mut self) {
        self.intent = None;
    }

    /// The credentials as they were just read. The same version with another hash is the same refresh token: the
    /// operator has got another key.
    pub fn see_credentials(&mut self, seen: SeenCredentials) {
        let same = self.credentials.take().filter(|old| old.is_same_version(&seen.uid, &seen.resource_version));
        if let (Some(old), Some(new)) = (same.and_then(|old| old.seed), &seen.seed)
            && self.has_spent(&old)
        {
            self.spend(new.clone());
        }
        self.credentials = Some(seen);
    }

    fn spend(&mut self, seed: String) {
        if !self.spent.contains(&seed) {
            self.spent.push(seed);
        }
        let too_many = self.spent.len().saturating_sub(MOST_SPENT);
        self.spent.drain(..too_many);
    }

    /// The facts that an annotation carries; `None` when it is absent or not understood (then the document tells).
    #[must_use]
    pub fn from_annotation(text: Option<&str>) -> Option<Self> {
        serde_json::from_str(text?).ok()
    }

    #[must_use]
    pub fn to_annotation(&self) -> String {
        serde_json::to_string(self).expect("invariant: facts have only string keys and whole numbers")
    }
}

impl SeenCredentials {
    #[must_use]
    pub fn is_same_version(&self, uid: &str, resource_version: &str) -> bool {
        self.uid == uid && self.resource_version == resource_version
    }
}

impl Issued {
    /// Seconds from issue to expiry.
    #[must_use]
    pub fn lifetime(&self) -> i64 {
        self.expires_at.as_second() - self.issued_at.as_second()
    }

    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if gives a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
