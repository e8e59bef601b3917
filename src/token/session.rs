//! The session: what one login yields, and everything that must outlive the process.
//!
//! Kept as one versioned JSON document in the session Secret: the facts, which may be seen, and the material, which
//! may not. Fields that this version does not know survive a rewrite, so that an older operator can run after a newer
//! one. Secrets are `SecretString` and leave their type only in [`Session::to_document`].

mod secrets;
mod replaced;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, time::Duration};

use k8s_openapi::jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::secrets::{optional_secret_text, secret_text, secret_texts};
use super::facts::{Facts, FailureRecord, Intent, Issued, SeenCredentials};
use crate::{
    api::http::Operation,
    provider::{grant::Grant, values::SessionValues},
};

pub use replaced::ReplacedToken;

/// Key of the document in the session Secret's data.
pub const DOCUMENT_KEY: &str = "session.json";
/// Version of the document that this code writes. A higher one is still read: fields are only ever added.
pub const VERSION: u32 = 1;
/// A refresh that gives less than this share of the session's first lifetime tells that the session is ending.
const ENDING_PERCENT: i64 = 10;

/// All that is stored about one ApiToken's dealings with its provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    pub version: u32,
    #[serde(default)]
    pub facts: Facts,
    /// There exactly when `facts.issued` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub material: Option<Material>,
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// The secret part of a session.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Material {
    #[serde(with = "secret_text")]
    pub access_token: SecretString,
    #[serde(default, with = "optional_secret_text", skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<SecretString>,
    #[serde(default, with = "secret_texts", skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, SecretString>,
    /// The output that the provider suggested, so that it can be written again when the provider object is gone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub suggested_output: BTreeMap<String, String>,
    /// The token before, while it is to be revoked. There exactly when `facts.replaced` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<ReplacedToken>,
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// What is known about a grant besides the grant itself.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// Fresh, random; names the grant.
    pub id: String,
    pub operation: Operation,
    pub occasion: Occasion,
    pub provider_fingerprint: String,
    pub credentials: Option<SeenCredentials>,
    pub session_limit: Option<Duration>,
    pub suggested_output: BTreeMap<String, String>,
}

/// How a request stands to the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The renewal that was planned for this moment.
    Planned,
    /// It was planned for earlier: the provider or the operator was away.
    Overdue,
    /// The first request, or somebody asked for it, or edited something.
    Unplanned,
}

/// Why a session Secret's content cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("it has no key {DOCUMENT_KEY:?}")]
    Missing,
    /// Line and column only: serde's own message may quote the content.
    #[error("its document is not understood at line {line}, column {column}")]
    Malformed { line: usize, column: usize },
}

impl Default for Session {
    fn default() -> Self {
        Self { version: VERSION, facts: Facts::default(), material: None, unknown: Map::new() }
    }
}

impl Session {
    /// Reads the document.
    ///
    /// # Errors
    /// When the key is missing or its content is not a document of this kind; the content is never quoted.
    pub fn from_document(document: Option<&[u8]>) -> Result<Self, Unreadable> {
        let document = document.ok_or(Unreadable::Missing)?;
        let mut session: Self = serde_json::from_slice(document)
            .map_err(|error| Unreadable::Malformed { line: error.line(), column: error.column() })?;
        if session.material.is_none() || session.facts.issued.is_none() {
            session.material = None;
            session.facts.issued = None;
        }
        Ok(session)
    }

    /// The document as it is stored: the one place where the session's secrets leave their types.
    #[must_use]
    pub fn to_document(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("invariant: a session has only string keys and whole numbers")
    }

    /// The session after an intent was recorded: the next thing that happens to it is a request.
    #[must_use]
    pub fn intending(mut self, intent: Intent) -> Self {
        if self.intends(Operation::Refresh) {
            // From before a crash: after this request nothing else would tell that it may have been made.
            self = self.ended();
        }
        self.facts.settle_intent();
        self.facts.intent = Some(intent);
        self
    }

    /// The session after its provider answered with tokens.
    #[must_use]
    pub fn granted(mut self, grant: Grant, of: Circumstances) -> Self {
        let before = self.facts.issued.take();
        let old = self.material.take();
        let issued = match (of.operation, before) {
            (Operation::Refresh, Some(before)) => refreshed(before, &grant, old.as_ref(), &of),
            (_, before) => logged_in(before.as_ref(), &grant, old.as_ref(), &of),
        };
        let carried = old.filter(|_| of.operation == Operation::Refresh);
        self.facts.set_failure(Operation::Refresh, None);
        if of.operation == Operation::Login {
            self.facts.set_failure(Operation::Login, None);
        }
        self.settle_intent(of.operation);
        if let Some(seen) = of.credentials {
            self.facts.see_credentials(seen);
        }
        self.facts.issued = Some(issued);
        self.facts.replaced = None;
        self.material = Some(renewed_material(carried, grant, of.suggested_output));
        self
    }

    /// The session after a request that brought no tokens. What it held stays.
    #[must_use]
    pub fn failed(mut self, operation: Operation, record: FailureRecord, credentials: Option<SeenCredentials>) -> Self {
        if operation == Operation::Login && self.intends(Operation::Refresh) {
            // The intent is from before a crash: what it would have spent stays spent.
            self = self.ended();
        }
        self.settle_intent(operation);
        if let Some(seen) = credentials {
            self.facts.see_credentials(seen);
        }
        self.facts.set_failure(operation, Some(record));
        self
    }

    /// The session after an attempt that got as far as nobody: what is not known of an earlier request stays so.
    #[must_use]
    pub fn not_asked(mut self, operation: Operation, record: FailureRecord) -> Self {
        self.facts.set_failure(operation, Some(record));
        self
    }

    /// The session after its provider refused to refresh it: only a login helps.
    #[must_use]
    pub fn ended(mut self) -> Self {
        self.settle_intent(Operation::Refresh);
        self.facts.set_failure(Operation::Refresh, None);
        if let Some(issued) = &mut self.facts.issued {
            issued.over = true;
        }
        self
    }

    /// The session of credentials that are good for one login, after its provider refused to refresh it, or perhaps has
    /// spent its refresh token: no login follows, and the record says why.
    #[must_use]
    pub fn ended_for_good(mut self, record: FailureRecord) -> Self {
        self = self.ended();
        self.facts.set_failure(Operation::Refresh, Some(record));
        self
    }

    fn intends(&self, operation: Operation) -> bool {
        self.facts.intent.as_ref().is_some_and(|intent| intent.operation == operation)
    }

    /// An answer to a login settles every intent; one to a refresh says nothing of a login whose outcome is not known.
    fn settle_intent(&mut self, answered: Operation) {
        if answered == Operation::Login || self.intends(Operation::Refresh) {
            self.facts.settle_intent();
        }
    }
}

fn logged_in(before: Option<&Issued>, grant: &Grant, old: Option<&Material>, of: &Circumstances) -> Issued {
    let given = grant.session_expires_at;
    Issued {
        grant: of.id.clone(),
        operation: Operation::Login,
        issued_at: grant.issued_at,
        expires_at: grant.expires_at,
        no_progress: before.is_some_and(|before| {
            before.provider_fingerprint == of.provider_fingerprint && made_no_progress(before, grant, old)
        }),
        unplanned: of.occasion != Occasion::Planned,
        started_at: grant.issued_at,
        session_expires_at: session_end(grant.issued_at, of.session_limit, given),
        given_session_expires_at: given,
        first_lifetime: grant.expires_at.as_second() - grant.issued_at.as_second(),
        provider_fingerprint: of.provider_fingerprint.clone(),
        credentials_fingerprint: of.credentials.as_ref().map(|seen| seen.fingerprint.clone()),
        refresh_fingerprint: of.credentials.as_ref().map(|seen| seen.refresh_fingerprint.clone()),
        has_refresh_token: grant.refresh_token.is_some(),
        over: false,
        ending: false,
    }
}

fn refreshed(before: Issued, grant: &Grant, old: Option<&Material>, of: &Circumstances) -> Issued {
    let given = grant.session_expires_at.or(before.given_session_expires_at);
    let lifetime = grant.expires_at.as_second() - grant.issued_at.as_second();
    let sent = of.credentials.as_ref().map(|seen| seen.refresh_fingerprint.clone());
    Issued {
        grant: of.id.clone(),
        operation: Operation::Refresh,
        no_progress: made_no_progress(&before, grant, old),
        unplanned: of.occasion != Occasion::Planned,
        issued_at: grant.issued_at,
        expires_at: grant.expires_at,
        session_expires_at: session_end(before.started_at, of.session_limit, given),
        given_session_expires_at: given,
        has_refresh_token: before.has_refresh_token || grant.refresh_token.is_some(),
        refresh_fingerprint: sent.or_else(|| before.refresh_fingerprint.clone()),
        // Only a refresh that was due tells of the session's end. Whoever may write the Secret may have written any number.
        ending: of.occasion != Occasion::Unplanned
            && lifetime * 100 < before.first_lifetime.saturating_mul(ENDING_PERCENT),
        ..before
    }
}

fn made_no_progress(before: &Issued, grant: &Grant, old: Option<&Material>) -> bool {
    let same_token = old.is_some_and(|old| old.access_token.expose_secret() == grant.access_token.expose_secret());
    same_token || grant.expires_at <= before.expires_at && !before.is_expired(grant.issued_at)
}

fn session_end(started_at: Timestamp, limit: Option<Duration>, given: Option<Timestamp>) -> Option<Timestamp> {
    let limit = limit.and_then(|limit| started_at.checked_add(limit).ok());
    limit.into_iter().chain(given).min()
}

/// On a refresh, what the reply lacks is kept (RFC 6749 section 6: a new refresh token is optional).
fn renewed_material(old: Option<Material>, grant: Grant, suggested_output: BTreeMap<String, String>) -> Material {
    let (refresh_token, mut outputs, unknown) =
        old.map_or_else(Default::default, |old| (old.refresh_token, old.outputs, old.unknown));
    outputs.extend(grant.outputs);
    Material {
        access_token: grant.access_token,
        refresh_token: grant.refresh_token.or(refresh_token),
        outputs,
        suggested_output,
        replaced: None,
        unknown,
    }
}

/// Nothing of it: what a newer version has added may be secret too.
impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Material").finish_non_exhaustive()
    }
}

impl Material {
    /// What a refresh request may use of the session.
    #[must_use]
    pub fn values(&self) -> SessionValues<'_> {
        SessionValues {
            access_token: &self.access_token,
            refresh_token: self.refresh_token.as_ref(),
            outputs: &self.outputs,
        }
    }
}
