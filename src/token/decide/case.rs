//! What the rules ask of an observation. Answers questions; the order in which they matter is the chain's.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::{Call, Next, Wait, Why};
use crate::{
    api::{
        http::{FailureClass, Operation},
        reasons,
    },
    token::{
        facts::{Facts, FailureRecord, Intent, Issued},
        observation::{Block, Observation, ProviderView, Rejection},
        schedule,
        session::Occasion,
    },
};

/// A request that somebody asked for, or that an edit allows in spite of a rejection: at most one in this time.
const AT_MOST_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// The clocks of two replicas differ by less.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(60);

/// An observation whose provider may be used, and the time.
pub(super) struct Case<'a> {
    pub seen: &'a Observation,
    pub provider: &'a ProviderView,
    pub now: Timestamp,
}

/// What is known of the session.
impl<'a> Case<'a> {
    fn facts(&self) -> Option<&'a Facts> {
        self.seen.facts()
    }

    pub fn issued(&self) -> Option<&'a Issued> {
        self.facts()?.issued.as_ref()
    }

    /// Fingerprint of the credentials as they are now; `None` where the provider wants none.
    pub fn fingerprint(&self) -> Option<&'a str> {
        self.seen.credentials_content().map(|content| content.fingerprint.as_str())
    }

    pub fn is_of_this_provider(&self, issued: &Issued) -> bool {
        issued.provider_fingerprint == self.provider.fingerprint
    }

    /// The session cannot be refreshed any more, whatever its token is still good for.
    pub fn is_over(&self, issued: &Issued) -> bool {
        // A one-time token was about to be sent when this was written. Sent or not, answered or not: nobody knows, and
        // it is never presented twice (RFC 9700 section 4.14).
        let spent = |intent: &Intent| intent.operation == Operation::Refresh;
        issued.over || self.facts().and_then(|facts| facts.intent.as_ref()).is_some_and(spent)
    }

    /// Whether a refresh can be asked for at all.
    pub fn can_refresh(&self, issued: &Issued) -> bool {
        if self.provider.definition.refresh.is_none() {
            return false;
        }
        let uses = self.provider.definition.refresh_uses();
        let needs_living_token = !uses.refresh_token;
        let keys_unchanged = uses.credentials.is_empty()
            || issued.refresh_fingerprint.as_deref()
                == self.seen.credentials_content().map(|content| content.refresh_fingerprint.as_str());
        self.is_of_this_provider(issued)
            && !self.is_over(issued)
            && issued.session_expires_at.is_none_or(|end| self.now < end)
            && (!uses.refresh_token || issued.has_refresh_token)
            && !(needs_living_token && issued.is_expired(self.now))
            && (keys_unchanged || self.presents_seed())
    }

    /// It has happened, and lies in the future: the clock was set back, and what was reckoned from it comes too late.
    pub fn is_to_come(&self, happened_at: Timestamp) -> bool {
        happened_at > self.now + CLOCKS_DIFFER
    }

    pub fn renew_at(&self, issued: &Issued) -> Timestamp {
        schedule::renew_at(issued, self.seen.token.spec.refresh.as_ref(), &self.seen.token.uid)
    }

    pub fn early_login_at(&self, issued: &Issued) -> Option<Timestamp> {
        schedule::early_login_at(issued, &self.seen.token.uid).filter(|_| self.may_log_in_early())
    }

    /// A session that began with somebody's refresh token refreshes to its end: a login would need another one.
    pub fn may_log_in_early(&self) -> bool {
        self.provider.definition.seed.is_none()
    }

    /// How a request that is made now stands to the plan. A refresh was never planned for the time of the early login: it
    /// may be there because that login fails.
    pub fn occasion(&self, operation: Operation) -> Occasion {
        let Some(issued) = self.issued() else { return Occasion::Unplanned };
        let renewal = self.renew_at(issued);
        let login = self.early_login_at(issued).filter(|_| operation == Operation::Login);
        let planned = login.map_or(renewal, |login| login.min(renewal));
        match self.now < planned {
            true if self.is_to_come(issued.issued_at) => Occasion::Overdue,
            true => Occasion::Unplanned,
            false if schedule::is_late(issued, planned, self.now) => Occasion::Overdue,
            false => Occasion::Planned,
        }
    }

    /// Somebody asked for a refresh, and that text was not acted upon yet.
    pub fn request_is_open(&self) -> bool {
        let handled = self.facts().and_then(|facts| facts.handled_request.as_deref());
        self.seen.token.refresh_requested.as_deref().is_some_and(|asked| Some(asked) != handled)
    }

    /// From when on a request is acted upon: a while after the last answer of the provider, good or bad.
    pub fn request_allowed_at(&self, issued: &Issued) -> Timestamp {
        let failures =
            [Operation::Login, Operation::Refresh].map(|operation| Some(self.facts()?.failure(operation)?.at));
        failures.into_iter().flatten().fold(issued.issued_at, Ord::max) + AT_MOST_EVERY
    }
}

/// Requests, and what holds them back.
impl<'a> Case<'a> {
    pub fn refresh(&self) -> Next {
        let one_time = self.provider.definition.refreshes_once();
        let (intent, occasion) = (one_time.then_some(1), self.occasion(Operation::Refresh));
        Next::Call(Call { operation: Operation::Refresh, intent, occasion })
    }

    /// A login; or, where something holds it back, the wait for that.
    pub fn log_in_unless_held(&self) -> Result<Next, Wait> {
        if self.presents_seed() {
            return self.present_seed();
        }
        if let Some(rejection) = &self.seen.rejection
            && let Some(wait) = self.held_by_rejection(rejection)
        {
            return if self.has_adopted(rejection) { Err(wait) } else { Ok(Next::Adopt(rejection.clone())) };
        }
        // The probe of refused credentials, too, can be interrupted, or end without a verdict.
        if let Some(wait) = self.held_by_unknown_outcome().or_else(|| self.held_by_failed_login()) {
            return Err(wait);
        }
        let (intent, occasion) = (self.login_intent(), self.occasion(Operation::Login));
        Ok(Next::Call(Call { operation: Operation::Login, intent, occasion }))
    }

    /// Refused credentials are not tried again before their probe. An edit or a request waives it, once a minute for all.
    fn held_by_rejection(&self, rejection: &Rejection) -> Option<Wait> {
        let own = self.own_rejection();
        let edited = own.is_some_and(|own| own.spec_mark != self.seen.token.spec_mark) && self.edited_since(rejection);
        let asked = own.is_some() && self.request_is_open();
        let until = if edited || asked { rejection.at + AT_MOST_EVERY } else { rejection.next_at };
        self.held_until(until, &rejection.reason, &rejection.message, FailureClass::Rejected)
    }

    /// This session remembers the rejection too, so that it survives a restart.
    fn has_adopted(&self, rejection: &Rejection) -> bool {
        let remembers = |own: &FailureRecord| own.spec_mark == self.seen.token.spec_mark;
        self.own_rejection().is_some_and(|own| remembers(own) || self.edited_since(rejection))
    }

    fn edited_since(&self, rejection: &Rejection) -> bool {
        self.seen.token.spec_seen_at > rejection.asked_at
    }

    fn own_rejection(&self) -> Option<&'a FailureRecord> {
        self.facts()?.failure(Operation::Login).filter(|own| {
            own.class == FailureClass::Rejected
                && own.credentials_fingerprint.as_deref() == self.fingerprint()
                && own.origin == self.provider.definition.origin().to_string()
        })
    }

    /// A crash loop must lock no account.
    fn held_by_unknown_outcome(&self) -> Option<Wait> {
        let intent = self.interrupted_login()?;
        let until = schedule::after_unknown_outcome(intent.at, intent.count);
        let message = format!(
            "a login was interrupted and nobody knows its outcome ({} in a row); next try at {until}",
            intent.count
        );
        self.held_until(until, reasons::PROVIDER_UNAVAILABLE, &message, FailureClass::Transient)
    }

    fn held_by_failed_login(&self) -> Option<Wait> {
        // A rejection is remembered for all who use the same credentials, and counts there; without credentials only here.
        let failure = self.facts()?.failure(Operation::Login)?;
        let counts = failure.class != FailureClass::Rejected || self.fingerprint().is_none();
        counts.then(|| self.held_by_failure(Operation::Login)).flatten()
    }

    /// A refresh that failed waits, but not past the time of a login.
    pub fn held_by_failed_refresh(&self) -> Option<Wait> {
        let wait = self.held_by_failure(Operation::Refresh)?;
        Some(Wait { until: earliest([wait.until, self.until_another_rule_answers().until]), ..wait })
    }

    /// This session's own failure, while it speaks of the same provider, credentials and specs. A request waives it. An
    /// edit says nothing about how many requests the provider can bear.
    pub fn held_by_failure(&self, operation: Operation) -> Option<Wait> {
        let failure = self.facts()?.failure(operation).filter(|failure| {
            failure.provider_fingerprint == self.provider.fingerprint
                && failure.credentials_fingerprint.as_deref() == self.fingerprint()
                && (failure.spec_mark == self.seen.token.spec_mark || failure.class == FailureClass::RateLimited)
        })?;
        if self.is_to_come(failure.at) {
            return None;
        }
        let waived = if self.request_is_open() { failure.at + AT_MOST_EVERY } else { failure.next_at };
        self.held_until(waived.min(failure.next_at), &failure.reason, &failure.message, failure.class)
    }

    /// Credentials that were accepted once are sent without an intent.
    fn login_intent(&self) -> Option<u32> {
        self.fingerprint()?;
        let count = self.interrupted_login().map_or(1, |intent| intent.count.saturating_add(1));
        (!self.are_accepted()).then_some(count)
    }

    fn are_accepted(&self) -> bool {
        let here = self.issued().is_some_and(|issued| {
            self.is_of_this_provider(issued) && issued.credentials_fingerprint.as_deref() == self.fingerprint()
        });
        here || self.seen.accepted
    }

    /// The last login with these credentials whose outcome nobody knows: this session's own or, while they have given
    /// no session here, that of whoever else uses them.
    fn interrupted_login(&self) -> Option<&'a Intent> {
        let others = self.seen.interrupted.as_ref().filter(|_| !self.are_accepted());
        let own = self.facts().and_then(|facts| facts.intent.as_ref());
        let same_content = |intent: &&Intent| {
            intent.operation == Operation::Login
                && intent.provider_fingerprint == self.provider.fingerprint
                && intent.credentials_fingerprint.as_deref() == self.fingerprint()
        };
        own.into_iter().chain(others).filter(same_content).max_by_key(|intent| intent.at)
    }
}

/// Waits. Each ends at the token's expiry at the latest, so that Ready turns False in that second.
impl Case<'_> {
    /// Somebody has to act; but not everything that can mend it sends an event.
    pub fn blocked(&self, block: Block, look_again: SignedDuration) -> Wait {
        let until = earliest([self.seen.expiry_after(self.now), Some(self.now + look_again)]);
        Wait { until, why: Why::Blocked(block) }
    }

    fn held_until(&self, until: Timestamp, reason: &str, message: &str, class: FailureClass) -> Option<Wait> {
        (self.now < until).then(|| Wait {
            until: earliest([Some(until), self.seen.expiry_after(self.now)]),
            why: Why::Held { reason: reason.to_owned(), message: message.to_owned(), class },
        })
    }

    /// The earliest moment at which another rule of the chain could have an answer.
    pub fn until_another_rule_answers(&self) -> Wait {
        let Some(issued) = self.issued() else { return Wait { until: None, why: Why::Fresh } };
        let after_now = |at: Timestamp| Some(at).filter(|at| *at > self.now);
        let asked = self.request_is_open().then(|| self.request_allowed_at(issued));
        // A rule that wanted a login was told to wait, or none wants one: then this is one idle pass.
        let held_login = self.log_in_unless_held().err().filter(|wait| matches!(wait.why, Why::Held { .. }));
        let until = earliest([
            after_now(self.renew_at(issued)),
            self.seen.expiry_after(self.now),
            self.early_login_at(issued).and_then(after_now),
            issued.session_expires_at.and_then(after_now),
            asked.and_then(after_now),
            held_login.and_then(|wait| wait.until),
            self.errand_at(issued),
        ]);
        Wait { until, why: Why::Fresh }
    }
}

fn earliest<const N: usize>(times: [Option<Timestamp>; N]) -> Option<Timestamp> {
    times.into_iter().flatten().min()
}
