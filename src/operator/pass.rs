//! One pass over one ApiToken: what it found, and what it carries from reading to writing.
//!
//! Each pass has its own; nothing of it outlives the pass but what was written.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use super::{
    cluster::Urgency,
    entry::{Key, TokenEntry},
    keeper::Keeper,
    route::Route,
};
use crate::{
    provider::values::Credentials,
    token::{
        facts::Facts,
        observation::{Observation, Seen},
        session::Session,
    },
};

/// What a pass knows.
pub struct Pass {
    pub key: Key,
    pub token: Arc<TokenEntry>,
    /// The provider, where it may be used.
    pub route: Option<Route>,
    pub seen: Observation,
    /// When the index was looked at. An edit that was seen later is not in what the pass does.
    pub at: Timestamp,
    /// What the session belongs to.
    pub keeper: Keeper,
    /// The session as it is stored, once it was read.
    pub stored: Option<Stored>,
    /// The credentials, where they were read.
    pub credentials: Option<Credentials>,
    /// When the objects themselves were read; `None` while the pass knows only what the index knows.
    pub read_at: Option<Instant>,
}

/// The session Secret as a quorum read or our own write has shown it.
#[derive(Clone)]
pub struct Stored {
    /// Absent before the first write.
    pub at: Option<Version>,
    pub session: Session,
}

/// One version of one incarnation of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub uid: String,
    pub resource_version: String,
}

impl Pass {
    /// Carries on what the provider has said in this pass: the session of this grant cannot be refreshed any more.
    pub fn end_session(&mut self, grant: &str) {
        let is_it = |facts: &Facts| facts.issued.as_ref().is_some_and(|issued| issued.grant == grant);
        match (&mut self.stored, &mut self.seen.session) {
            (Some(stored), _) if is_it(&stored.session.facts) => {
                stored.session = std::mem::take(&mut stored.session).ended();
                self.seen.session = Seen::There(stored.session.facts.clone());
            }
            (None, Seen::There(facts)) if is_it(facts) => {
                let session = Session { facts: std::mem::take(facts), ..Session::default() };
                *facts = session.ended().facts;
            }
            _ => {}
        }
    }

    /// The grant whose session cannot be refreshed any more, for [`Pass::end_session`] after a new look.
    #[must_use]
    pub fn ended_grant(&self) -> Option<String> {
        let issued = self.seen.facts()?.issued.as_ref();
        issued.filter(|issued| issued.over).map(|issued| issued.grant.clone())
    }

    /// The session as it was read or written last; an empty one before its first write.
    #[must_use]
    pub fn current_session(&self) -> Session {
        self.stored.as_ref().map(|stored| stored.session.clone()).unwrap_or_default()
    }

    /// Where the session is kept, as far as that is known.
    #[must_use]
    pub fn session(&self) -> Option<Key> {
        self.keeper.session(&self.key, &self.token)
    }

    /// Uid of what the session belongs to; as long as nobody knows that, of the ApiToken.
    #[must_use]
    pub fn keeper_uid(&self) -> &str {
        self.keeper.uid(&self.token).unwrap_or(&self.token.uid)
    }

    /// Whether a login presents what may be presented once.
    #[must_use]
    pub fn is_good_for_one_login(&self) -> bool {
        self.route.as_ref().is_some_and(|route| route.view.definition.one_time_seed().is_some())
    }

    /// Whether a valid token depends on this pass.
    #[must_use]
    pub fn urgency(&self) -> Urgency {
        match self.seen.facts() {
            Some(facts) if facts.issued.is_some() => Urgency::Renewal,
            _ => Urgency::FirstIssue,
        }
    }
}
