//! What a pass knows. Gathered by `operator::observe`, judged by `decide` and `status`.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::jiff::Timestamp;

use super::{
    facts::{Facts, Intent, SeenCredentials},
    output::{OutputPlan, Ownership, Revision},
};
use crate::{api::ApiTokenSpec, provider::definition::Definition};

/// Something of the cluster, as far as it is known. *Not in the store* is `Unknown`: only a GET makes it `Absent`.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen<T> {
    Unknown,
    Absent,
    There(T),
}

/// All that one pass decides from.
#[derive(Clone, Debug)]
pub struct Observation {
    pub token: TokenView,
    pub provider: Result<ProviderView, Block>,
    pub credentials: CredentialsView,
    pub session: Seen<Facts>,
    pub output: OutputView,
    /// What is remembered of these credentials at this provider, by whichever ApiToken they were tried.
    pub rejection: Option<Rejection>,
    /// A login with these credentials has succeeded at this origin since the process started.
    pub accepted: bool,
    /// A login with these credentials, by whichever ApiToken, that a crash has interrupted.
    pub interrupted: Option<Intent>,
    /// The refresh token of the credentials was presented for the session of another Secret that holds it too.
    pub spent_elsewhere: bool,
    /// When this process last made, or put off, a request about the token that brings none; else since when it acts.
    pub last_errand: Timestamp,
}

/// The ApiToken itself.
#[derive(Clone, Debug)]
pub struct TokenView {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub generation: i64,
    pub created_at: Timestamp,
    pub deleting: bool,
    pub spec: Arc<ApiTokenSpec>,
    /// Text of the refresh-requested annotation.
    pub refresh_requested: Option<String>,
    /// Names the generations of the ApiToken and its provider: another mark means that somebody edited one of them.
    pub spec_mark: String,
    /// When the newer of those generations came into sight of this process.
    pub spec_seen_at: Timestamp,
}

/// A provider that may be used.
#[derive(Clone, Debug)]
pub struct ProviderView {
    pub definition: Arc<Definition>,
    /// The ApiToken's parameters, with the provider's defaults filled in.
    pub parameters: BTreeMap<String, String>,
    /// Whose session it is: login request and parameters, hashed.
    pub fingerprint: String,
}

/// A reason why nothing may be asked of the provider before somebody acts, with the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// One of `api::reasons`.
    pub reason: &'static str,
    pub message: String,
    /// The ApiToken's own spec asks for what cannot be: no token is one of this spec.
    pub by_spec: bool,
}

/// The credentials Secret.
#[derive(Clone, Debug, PartialEq)]
pub enum CredentialsView {
    /// The provider wants no credentials, and none are named.
    NotNeeded,
    Unknown,
    Blocked(Block),
    There {
        uid: String,
        resource_version: String,
        /// Known once its content was read.
        content: Option<SeenCredentials>,
        /// Declared keys whose value ends in white space: the commonest mistake.
        untrimmed: Vec<String>,
    },
}

/// The Secret under the output's name, and what it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputView {
    /// `None` when the provider is not known and the spec names no data itself: then what is there is kept.
    pub plan: Option<OutputPlan>,
    pub secret: Seen<OutputSecret>,
    /// Outputs of this ApiToken under other names, left from before a rename.
    pub leftovers: Vec<String>,
}

/// What metadata tells of an output Secret.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputSecret {
    pub ownership: Ownership,
    pub resource_version: String,
    pub revision: Option<Revision>,
    pub expires_at: Option<Timestamp>,
    /// When we last wrote its data, by the API server's clock.
    pub written_at: Option<Timestamp>,
    /// Somebody else wrote into its data, or its keys are not those that we wrote.
    pub drifted: bool,
    /// It carries the role label, so that the watch sees it.
    pub labelled: bool,
}

/// Credentials that a provider has refused, for all ApiTokens that use the same values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// When it was told, in whole seconds.
    pub at: Timestamp,
    /// When what was asked for was looked up, as exactly as is known: an edit that was seen by then is spent.
    pub asked_at: Timestamp,
    pub count: u32,
    /// The slow probe.
    pub next_at: Timestamp,
    pub reason: String,
    pub message: String,
}

impl Observation {
    /// The facts of the session, where one is known to be there.
    #[must_use]
    pub fn facts(&self) -> Option<&Facts> {
        match &self.session {
            Seen::There(facts) => Some(facts),
            Seen::Unknown | Seen::Absent => None,
        }
    }

    /// The content of the credentials that is known to be current: read now, or read before and not changed since.
    #[must_use]
    pub fn credentials_content(&self) -> Option<&SeenCredentials> {
        let CredentialsView::There { uid, resource_version, content, .. } = &self.credentials else { return None };
        content.as_ref().or_else(|| {
            let seen = self.facts()?.credentials.as_ref()?;
            seen.is_same_version(uid, resource_version).then_some(seen)
        })
    }
}

impl OutputSecret {
    /// Whether it holds this grant, unharmed, as this plan wants it.
    #[must_use]
    pub fn holds(&self, grant: &str, plan: Option<&OutputPlan>) -> bool {
        self.labelled
            && !self.drifted
            && self.revision.as_ref().is_some_and(|revision| {
                revision.grant == grant && plan.is_none_or(|plan| plan.fingerprint() == revision.plan)
            })
    }
}

impl Block {
    #[must_use]
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), by_spec: false }
    }

    /// A block that the ApiToken's own spec is the cause of.
    #[must_use]
    pub fn by_spec(reason: &'static str, message: impl Into<String>) -> Self {
        Self { by_spec: true, ..Self::new(reason, message) }
    }
}
