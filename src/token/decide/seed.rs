//! Credentials that are good for one login: a refresh token to which somebody consented. It is presented once, and then
//! its session refreshes itself to its end; what follows is a new consent, and never a second presentation.

use super::{Call, LOOK_AGAIN, Next, Wait, case::Case};
use crate::{
    api::{
        http::{FailureClass, Operation},
        reasons,
    },
    token::{
        facts::Issued,
        observation::{Block, CredentialsView},
    },
};

impl<'a> Case<'a> {
    /// Whether a login presents what is good for one login.
    pub fn presents_seed(&self) -> bool {
        self.provider.definition.one_time_seed().is_some()
    }

    fn seed(&self) -> Option<&'a str> {
        self.seen.credentials_content()?.seed.as_deref()
    }

    /// What is not known to be unspent counts as spent.
    pub fn seed_is_spent(&self) -> bool {
        let Some(seed) = self.seed() else { return true };
        self.seen.spent_elsewhere || self.was_spent_here(seed)
    }

    fn was_spent_here(&self, seed: &str) -> bool {
        let Some(facts) = self.seen.facts() else { return false };
        // The version that was seen with a spent one holds the same one, whatever its hash is by now: see
        // `Facts::see_credentials`.
        let same_version = match (&self.seen.credentials, &facts.credentials) {
            (CredentialsView::There { uid, resource_version, .. }, Some(old)) => {
                old.seed.as_deref().filter(|_| old.is_same_version(uid, resource_version))
            }
            _ => None,
        };
        facts.has_spent(seed) || same_version.is_some_and(|old| facts.has_spent(old))
    }

    /// The one login; or the wait for somebody who consents anew. What was never sent may be tried again.
    pub fn present_seed(&self) -> Result<Next, Wait> {
        if self.seed_is_spent() {
            return Err(self.blocked(self.consent_needed(), LOOK_AGAIN));
        }
        match self.held_by_failure(Operation::Login) {
            Some(wait) => Err(wait),
            None => Ok(Next::Call(Call {
                operation: Operation::Login,
                intent: Some(1),
                occasion: self.occasion(Operation::Login),
            })),
        }
    }

    /// The refresh token of the credentials is the one that was spent, but the client is another, or has another secret:
    /// the session's own refresh token shows whether it is good.
    pub fn client_is_new(&self, issued: &Issued) -> Option<Next> {
        let now = self.seen.credentials_content().map(|content| content.refresh_fingerprint.as_str());
        if issued.refresh_fingerprint.as_deref() == now || !self.can_refresh(issued) {
            return None;
        }
        Some(self.held_by_failed_refresh().map_or_else(|| self.refresh(), Next::Wait))
    }

    fn consent_needed(&self) -> Block {
        let token = &self.seen.token;
        let secret = token.spec.credentials_ref.as_ref().map_or("", |reference| reference.name.as_str());
        let key = self.provider.definition.one_time_seed().unwrap_or_default();
        let message = format!(
            "{}; the refresh token in the credentials is good for one use and not presented again: have somebody consent anew, \
             and replace {key} in Secret {secret:?}: kubectl patch secret {secret} -n {} -p '{{\"stringData\":{{\"{key}\":\"VALUE\"}}}}'",
            self.why_it_is_over(),
            token.namespace,
        );
        Block::new(reasons::CREDENTIALS_REJECTED, message)
    }

    fn why_it_is_over(&self) -> String {
        let facts = self.seen.facts();
        let intent = facts.and_then(|facts| facts.intent.as_ref());
        if let Some(intent) = intent {
            let what = if intent.operation == Operation::Login { "login" } else { "refresh" };
            return format!("a {what} was interrupted, and nobody knows its outcome");
        }
        let refused = facts.and_then(|facts| facts.failure(Operation::Login));
        if let Some(refused) = refused.filter(|failure| failure.class == FailureClass::Rejected) {
            return refused.message.clone();
        }
        let Some(issued) = self.issued() else {
            return "it was presented before, by another Secret that holds it too".to_owned();
        };
        let ended = facts.and_then(|facts| facts.failure(Operation::Refresh)).filter(|_| self.is_over(issued));
        match (ended, issued.session_expires_at) {
            (Some(ended), _) => ended.message.clone(),
            _ if self.is_over(issued) => "the session is over".to_owned(),
            _ if !self.is_of_this_provider(issued) => {
                "the session belongs to another login request, or to other parameters".to_owned()
            }
            (_, Some(end)) if end <= self.now => format!("the session ended at {end}"),
            _ if !issued.has_refresh_token => "the provider gave no new refresh token; if it keeps the one in the \
                                               credentials valid, set spec.oauth2.refresh.reuse: Reusable in the provider"
                .to_owned(),
            _ => "the session cannot be refreshed".to_owned(),
        }
    }
}
