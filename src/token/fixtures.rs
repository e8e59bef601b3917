//! What the tests of this room start from: one ApiToken, and what is seen of it, told sentence by sentence.

mod definitions;

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::{
    errand::{Refusal, Replaced},
    facts::{Facts, FailureRecord, Intent, Issued, SeenCredentials},
    observation::{
        Block, CredentialsView, Observation, OutputSecret, OutputView, ProviderView, Rejection, Seen, TokenView,
    },
    output::{OutputPlan, Ownership},
};
use crate::{
    api::{
        ApiTokenSpec,
        http::{FailureClass, Operation},
        reasons,
        token::ProviderRef,
    },
    provider::{definition::Definition, template::Template},
};

pub use self::definitions::*;

pub const UID: &str = "6d0e8f0a-1c5b-4a53-9a4b-0f6f3c1f7f10";
pub const MINUTE: i64 = 60;
pub const HOUR: i64 = 3600;
pub const DAY: i64 = 24 * HOUR;

/// The time of these tests.
pub fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

/// So many seconds from now; a negative number has passed.
pub fn at(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

/// What is seen of one ApiToken.
#[derive(Clone, Debug)]
pub struct Scene(pub Observation);

impl Scene {
    /// A new ApiToken: credentials labelled and read, no session, no output; and nobody else has tried.
    pub fn new(definition: Definition) -> Self {
        let needs_credentials = definition.needs_credentials();
        let spec = spec();
        let data = BTreeMap::from([("token".to_owned(), Template::parse("${accessToken}").unwrap())]);
        let plan = OutputPlan::new("assets", &spec, data);
        let parameters = BTreeMap::new();
        let token = TokenView {
            namespace: "web".to_owned(),
            name: "assets".to_owned(),
            uid: UID.to_owned(),
            generation: 3,
            created_at: at(-DAY),
            deleting: false,
            spec: Arc::new(spec),
            refresh_requested: None,
            spec_mark: "3/provider/1".to_owned(),
            spec_seen_at: at(-HOUR),
        };
        Self(Observation {
            token,
            provider: Ok(ProviderView {
                fingerprint: definition.fingerprint(&parameters),
                definition: Arc::new(definition),
                parameters,
            }),
            credentials: if needs_credentials { credentials("first") } else { CredentialsView::NotNeeded },
            session: Seen::Absent,
            output: OutputView { plan: Some(plan), secret: Seen::Absent, leftovers: Vec::new() },
            rejection: None,
            accepted: false,
            interrupted: None,
            spent_elsewhere: false,
            last_errand: at(-DAY),
        })
    }

    /// It has a token for an hour, issued ten minutes ago, and its output holds that.
    pub fn issued(definition: Definition) -> Self {
        let has_refresh_token = definition.refresh_uses().refresh_token;
        let limit = definition.refresh.as_ref().and_then(|refresh| refresh.session_limit);
        let scene = Self::new(definition);
        let seen = scene.0.credentials_content().cloned();
        let issued = Issued {
            grant: "grant-1".to_owned(),
            operation: Operation::Login,
            issued_at: at(-10 * MINUTE),
            expires_at: at(50 * MINUTE),
            no_progress: false,
            unplanned: false,
            started_at: at(-10 * MINUTE),
            session_expires_at: limit.map(|limit| at(-10 * MINUTE) + limit),
            given_session_expires_at: None,
            first_lifetime: HOUR,
            provider_fingerprint: scene.provider().fingerprint.clone(),
            credentials_fingerprint: seen.as_ref().map(|seen| seen.fingerprint.clone()),
            refresh_fingerprint: seen.as_ref().map(|seen| seen.refresh_fingerprint.clone()),
            has_refresh_token,
            over: false,
            ending: false,
        };
        let one_time = scene.provider().definition.one_time_seed().is_some();
        let spent = seen.as_ref().filter(|_| one_time).and_then(|seen| seen.seed.clone());
        let scene = scene.facts(|facts| (facts.issued, facts.credentials) = (Some(issued), seen));
        scene.facts(|facts| facts.spent.extend(spent)).holding("grant-1")
    }

    pub fn provider(&self) -> &ProviderView {
        self.0.provider.as_ref().unwrap()
    }

    /// The same with something changed.
    pub fn with(mut self, change: impl FnOnce(&mut Observation)) -> Self {
        change(&mut self.0);
        self
    }

    pub fn token(self, change: impl FnOnce(&mut TokenView)) -> Self {
        self.with(|seen| change(&mut seen.token))
    }

    pub fn spec(self, change: impl FnOnce(&mut ApiTokenSpec)) -> Self {
        self.token(|token| change(Arc::make_mut(&mut token.spec)))
    }

    pub fn facts(self, change: impl FnOnce(&mut Facts)) -> Self {
        self.with(|seen| {
            let mut facts = seen.facts().cloned().unwrap_or_default();
            change(&mut facts);
            seen.session = Seen::There(facts);
        })
    }

    pub fn grant(self, change: impl FnOnce(&mut Issued)) -> Self {
        self.facts(|facts| change(facts.issued.as_mut().unwrap()))
    }

    /// The token was issued so many seconds ago, for so many.
    pub fn aged(self, age: i64, lifetime: i64) -> Self {
        self.grant(|issued| {
            issued.issued_at = at(-age);
            issued.started_at = issued.started_at.min(issued.issued_at);
            issued.expires_at = at(lifetime - age);
        })
    }

    /// Ten minutes before its expiry: due by every policy.
    pub fn due(self) -> Self {
        self.aged(50 * MINUTE, HOUR)
    }

    pub fn expired(self) -> Self {
        self.aged(HOUR + 1, HOUR)
    }

    /// The session began so many seconds ago and ends in so many.
    pub fn session(self, began: i64, ends_in: i64) -> Self {
        self.grant(|issued| (issued.started_at, issued.session_expires_at) = (at(-began), Some(at(ends_in))))
    }

    /// The output holds this grant, unharmed.
    pub fn holding(self, grant: &str) -> Self {
        self.with(|seen| {
            let expires_at = seen.facts().and_then(|facts| Some(facts.issued.as_ref()?.expires_at));
            let plan = seen.output.plan.as_ref().unwrap();
            let mut revision = super::output::Revision::parse("grant.plan.keys").unwrap();
            (revision.grant, revision.plan) = (grant.to_owned(), plan.fingerprint());
            seen.output.secret = Seen::There(OutputSecret {
                ownership: Ownership::Ours,
                resource_version: "7".to_owned(),
                revision: Some(revision),
                expires_at,
                written_at: Some(at(-10 * MINUTE)),
                drifted: false,
                labelled: true,
            });
        })
    }

    pub fn output(self, change: impl FnOnce(&mut OutputSecret)) -> Self {
        self.with(|seen| match &mut seen.output.secret {
            Seen::There(secret) => change(secret),
            _ => panic!("there is no output to change"),
        })
    }

    /// A Secret with the output's name that is not ours.
    pub fn output_is(self, ownership: Ownership) -> Self {
        self.holding("another").output(|secret| (secret.ownership, secret.revision) = (ownership, None))
    }

    pub fn asked(self, text: &str) -> Self {
        self.token(|token| token.refresh_requested = Some(text.to_owned()))
    }

    pub fn credentials(self, values: &str) -> Self {
        self.with(|seen| seen.credentials = credentials(values))
    }

    /// Its own attempt failed so many seconds ago, and the next is due in so many.
    pub fn failed(self, operation: Operation, class: FailureClass, ago: i64, next_in: i64) -> Self {
        let record = self.failure(class, ago, next_in);
        self.facts(|facts| facts.set_failure(operation, Some(record)))
    }

    pub fn failure(&self, class: FailureClass, ago: i64, next_in: i64) -> FailureRecord {
        let reason = match class {
            FailureClass::Rejected => reasons::CREDENTIALS_REJECTED,
            FailureClass::RateLimited => reasons::RATE_LIMITED,
            FailureClass::Misconfigured => reasons::RESPONSE_INVALID,
            FailureClass::Transient | FailureClass::SessionOver => reasons::PROVIDER_UNAVAILABLE,
        };
        FailureRecord {
            class,
            count: 1,
            at: at(-ago),
            next_at: at(next_in),
            reason: reason.to_owned(),
            message: "the provider said so".to_owned(),
            provider_fingerprint: self.provider().fingerprint.clone(),
            credentials_fingerprint: self.0.credentials_content().map(|content| content.fingerprint.clone()),
            origin: self.provider().definition.origin().to_string(),
            spec_mark: self.0.token.spec_mark.clone(),
        }
    }

    /// Somebody's attempt with these credentials was refused so many seconds ago; the probe is due in so many.
    pub fn refused(self, ago: i64, probe_in: i64) -> Self {
        let rejection = Rejection {
            at: at(-ago),
            asked_at: at(-ago),
            count: 1,
            next_at: at(probe_in),
            reason: reasons::CREDENTIALS_REJECTED.to_owned(),
            message: "wrong password".to_owned(),
        };
        self.with(|seen| seen.rejection = Some(rejection))
    }

    /// What was refused was asked for so many seconds ago, whatever second it was told in.
    pub fn asked_exactly(self, ago: i64) -> Self {
        self.with(|seen| seen.rejection.iter_mut().for_each(|rejection| rejection.asked_at = at(-ago)))
    }

    /// Its own attempt was.
    pub fn refused_itself(self, ago: i64, probe_in: i64) -> Self {
        self.failed(Operation::Login, FailureClass::Rejected, ago, probe_in).refused(ago, probe_in)
    }

    /// A request was about to be made so many seconds ago, for the so-manieth time; its outcome is not known.
    pub fn intending(self, operation: Operation, ago: i64, count: u32) -> Self {
        let intent = Intent {
            id: "attempt".to_owned(),
            operation,
            at: at(-ago),
            count,
            provider_fingerprint: self.provider().fingerprint.clone(),
            credentials_fingerprint: self.0.credentials_content().map(|content| content.fingerprint.clone()),
            seed: self
                .0
                .credentials_content()
                .and_then(|content| content.seed.clone())
                .filter(|_| operation == Operation::Login),
        };
        self.facts(|facts| facts.intent = Some(intent))
    }

    /// So many tokens in a row were refused, this one last, so many seconds ago; renewed for that in so many.
    pub fn found_dead(self, count: u32, ago: i64, next_in: i64) -> Self {
        self.facts(|facts| {
            let grant = facts.issued.as_ref().unwrap().grant.clone();
            facts.refusal = Some(Box::new(Refusal { grant, at: at(-ago), count, next_at: at(next_in) }));
        })
    }

    /// The token before is to be revoked; it expires in so many seconds.
    pub fn replaced(self, expires_in: i64) -> Self {
        self.facts(|facts| {
            facts.replaced = Some(Box::new(Replaced { expires_at: at(expires_in), tries: 0, next_at: None }));
        })
    }

    /// What was due up to so many seconds ago is settled.
    pub fn settled(self, ago: i64) -> Self {
        self.with(|seen| seen.last_errand = at(-ago))
    }

    pub fn provider_blocked(self, reason: &'static str) -> Self {
        self.with(|seen| seen.provider = Err(Block::new(reason, "do something about it")))
    }

    pub fn credentials_blocked(self, reason: &'static str) -> Self {
        self.with(|seen| seen.credentials = CredentialsView::Blocked(Block::new(reason, "do something about it")))
    }
}

/// Credentials whose values are named by a text.
pub fn credentials(values: &str) -> CredentialsView {
    let content = SeenCredentials {
        uid: "credentials-uid".to_owned(),
        resource_version: format!("version of {values}"),
        fingerprint: format!("fingerprint of {values}"),
        // The part before a dash is what a refresh uses.
        refresh_fingerprint: format!("refresh fingerprint of {}", values.split('-').next().unwrap()),
        // The part after a dash is the refresh token of the credentials, where a provider takes that.
        seed: values.split('-').next_back().map(|seed| format!("hash of {seed}")),
    };
    CredentialsView::There {
        uid: content.uid.clone(),
        resource_version: content.resource_version.clone(),
        content: Some(content),
        untrimmed: Vec::new(),
    }
}

fn spec() -> ApiTokenSpec {
    ApiTokenSpec {
        provider_ref: ProviderRef { kind: None, name: "vendor".to_owned() },
        credentials_ref: None,
        parameters: BTreeMap::new(),
        output: None,
        refresh: None,
        suspend: None,
    }
}
