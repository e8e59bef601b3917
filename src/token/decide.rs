//! The whole life of a token, as an ordered chain of small rules.
//!
//! Two questions, answered apart: what must the output hold, and is the provider asked for anything? The first rule
//! with an answer decides; a later rule may rely on all earlier ones having passed. Works on metadata alone: where a
//! rule would need what was not read yet, the answer is [`Next::Look`].

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::{
    facts::{Facts, FailureRecord, Issued},
    observation::{Block, CredentialsView, Observation, ProviderView, Rejection, Seen},
    output::Ownership,
    schedule,
};
use crate::api::{
    http::{FailureClass, Operation, Reuse},
    reasons,
};

/// What blocks a token but sends no event (a Secret without the label is invisible) is looked at again this often.
pub const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(60);
/// A request that somebody asked for, or that an edit allows in spite of a rejection: at most one in this time.
const AT_MOST_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// The garbage collector needs a moment to remove what a deleted ApiToken of the same name has left.
const COLLECTION: SignedDuration = SignedDuration::from_secs(2);

/// What to do, and when to look again.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Decision {
    pub output: OutputStep,
    pub next: Next,
}

/// What happens to the output Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputStep {
    /// It holds what it must hold, or there is nothing to write.
    Keep,
    /// Write the session's token into it.
    Project,
}

/// What happens at the provider.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// What is known does not suffice: read, and decide again.
    Look,
    Call(Call),
    /// Another ApiToken's attempt has shown that these credentials are refused: remember it with this session too.
    Adopt(Rejection),
    Wait(Wait),
}

/// A request to the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    pub operation: Operation,
    /// An intent must be stored first: a double of this request would do harm. The number is the attempt's.
    pub intent: Option<u32>,
    /// Made because it was due, not because somebody asked.
    pub was_due: bool,
}

/// Nothing to do until then, or until something changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Wait {
    pub until: Option<Timestamp>,
    pub why: Why,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Why {
    /// The token is fresh.
    Fresh,
    Suspended,
    /// Somebody has to act first.
    Blocked(Block),
    /// The last attempt failed, and it is too early for the next.
    Held {
        reason: String,
        message: String,
        class: FailureClass,
    },
}

/// An observation that has passed the rules before the chain.
struct Case<'a> {
    seen: &'a Observation,
    provider: &'a ProviderView,
    now: Timestamp,
}

type Rule = for<'a> fn(&Case<'a>) -> Option<Next>;

/// In order of precedence.
const CHAIN: &[(&str, Rule)] = &[
    ("the credentials are missing, unlabelled or lack a key", credentials_blocked),
    ("the output is somebody else's", output_is_anothers),
    ("not enough is known yet", must_look),
    ("there is no session of this provider that still lives: log in", no_session),
    ("the credentials are new: log in", credentials_are_new),
    ("somebody asked for a refresh", refresh_was_requested),
    ("the session is about to end: log in while it still works", session_is_ending),
    ("the token is due: refresh, else log in", token_is_due),
];

/// Decides from what was observed. Pure; the same observation and time give the same decision.
pub fn decide(seen: &Observation, now: Timestamp) -> Decision {
    let next = if seen.token.deleting {
        Next::Wait(Wait { until: None, why: Why::Fresh })
    } else if seen.token.spec.suspend == Some(true) {
        suspended(seen, now)
    } else {
        match &seen.provider {
            Err(block) => Next::Wait(blocked(block.clone(), seen, now)),
            Ok(provider) => {
                let case = Case { seen, provider, now };
                CHAIN.iter().find_map(|(_, rule)| rule(&case)).unwrap_or_else(|| Next::Wait(case.fresh()))
            }
        }
    };
    match output_step(seen, now) {
        Some(output) => Decision { output, next },
        None => Decision { output: OutputStep::Keep, next: Next::Look },
    }
}

/// Whether the output must be written; `None` when that cannot be told yet.
fn output_step(seen: &Observation, now: Timestamp) -> Option<OutputStep> {
    let Some(issued) = seen.facts().and_then(|facts| facts.issued.as_ref()) else { return Some(OutputStep::Keep) };
    if seen.token.deleting || issued.is_expired(now) {
        return Some(OutputStep::Keep);
    }
    match &seen.output.secret {
        Seen::Unknown => None,
        Seen::Absent => seen.output.plan.as_ref().map(|_| OutputStep::Project),
        Seen::There(secret) => match secret.ownership {
            Ownership::Another(_) | Ownership::Leaving => Some(OutputStep::Keep),
            Ownership::Offered => Some(OutputStep::Project),
            Ownership::Ours => {
                let done = secret.holds(&issued.grant, seen.output.plan.as_ref()) && seen.output.leftovers.is_empty();
                Some(if done { OutputStep::Keep } else { OutputStep::Project })
            }
        },
    }
}

fn suspended(seen: &Observation, now: Timestamp) -> Next {
    Next::Wait(Wait { until: seen.expiry_after(now), why: Why::Suspended })
}

fn blocked(block: Block, seen: &Observation, now: Timestamp) -> Wait {
    Wait { until: seen.expiry_after(now), why: Why::Blocked(block) }
}

fn credentials_blocked(case: &Case<'_>) -> Option<Next> {
    let CredentialsView::Blocked(block) = &case.seen.credentials else { return None };
    let mut wait = blocked(block.clone(), case.seen, case.now);
    wait.until = earliest([wait.until, Some(case.now + LOOK_AGAIN)]);
    Some(Next::Wait(wait))
}

fn output_is_anothers(case: &Case<'_>) -> Option<Next> {
    let Seen::There(secret) = &case.seen.output.secret else { return None };
    let name = case.seen.output.plan.as_ref().map_or("", |plan| plan.secret_name.as_str());
    let (block, again) = match &secret.ownership {
        Ownership::Ours | Ownership::Offered => return None,
        Ownership::Leaving => {
            let message = format!("waiting for the garbage collector to remove Secret {name:?} of a deleted ApiToken");
            (Block::new(reasons::PENDING, message), COLLECTION)
        }
        Ownership::Another(whose) => {
            let message = format!(
                "Secret {name:?} exists and is not ours ({whose}): choose another spec.output.secretName, delete that Secret, \
                 or hand it over: kubectl label secret {name} -n {} apitoken.dev/role=output",
                case.seen.token.namespace
            );
            (Block::new(reasons::OUTPUT_CONFLICT, message), LOOK_AGAIN)
        }
    };
    let mut wait = blocked(block, case.seen, case.now);
    wait.until = earliest([wait.until, Some(case.now + again)]);
    Some(Next::Wait(wait))
}

fn must_look(case: &Case<'_>) -> Option<Next> {
    let seen = case.seen;
    let credentials_unread = match seen.credentials {
        CredentialsView::Unknown => true,
        CredentialsView::There { .. } => seen.credentials_content().is_none(),
        CredentialsView::NotNeeded | CredentialsView::Blocked(_) => false,
    };
    let unknown = matches!(seen.session, Seen::Unknown) || matches!(seen.output.secret, Seen::Unknown);
    (unknown || credentials_unread).then_some(Next::Look)
}

fn no_session(case: &Case<'_>) -> Option<Next> {
    match case.issued() {
        Some(issued) if case.is_of_this_provider(issued) && !case.is_over(issued) => None,
        _ => Some(case.log_in(false).unwrap_or_else(Next::Wait)),
    }
}

fn credentials_are_new(case: &Case<'_>) -> Option<Next> {
    let issued = case.issued()?;
    if issued.credentials_fingerprint.as_deref() == case.fingerprint() {
        return None;
    }
    // Refused or held back, the old session goes on while its refresh uses no key that changed.
    match case.log_in(false) {
        Ok(next) => Some(next),
        Err(wait) => (!case.can_refresh(issued)).then_some(Next::Wait(wait)),
    }
}

fn refresh_was_requested(case: &Case<'_>) -> Option<Next> {
    let issued = case.issued()?;
    if !case.is_asked() || case.now < case.last_request(issued) + AT_MOST_EVERY {
        return None;
    }
    if case.can_refresh(issued) {
        return Some(case.refresh(false));
    }
    case.log_in(false).ok()
}

fn session_is_ending(case: &Case<'_>) -> Option<Next> {
    let issued = case.issued()?;
    let early = schedule::early_login_at(issued, &case.seen.token.uid).is_some_and(|at| case.now >= at);
    if early || issued.ending {
        // Whatever class an early login fails in, the session goes on refreshing.
        return case.log_in(true).ok();
    }
    None
}

fn token_is_due(case: &Case<'_>) -> Option<Next> {
    let issued = case.issued()?;
    if case.now < case.renew_at(issued) {
        return None;
    }
    if !case.can_refresh(issued) {
        return Some(case.log_in(true).unwrap_or_else(Next::Wait));
    }
    let held = case.own_failure(Operation::Refresh).filter(|failure| case.now < failure.next_at);
    Some(held.map_or_else(|| case.refresh(true), |failure| Next::Wait(case.held_by(failure))))
}

impl<'a> Case<'a> {
    fn facts(&self) -> Option<&'a Facts> {
        self.seen.facts()
    }

    fn issued(&self) -> Option<&'a Issued> {
        self.facts()?.issued.as_ref()
    }

    /// Fingerprint of the credentials as they are now; `None` where the provider wants none.
    fn fingerprint(&self) -> Option<&'a str> {
        self.seen.credentials_content().map(|content| content.fingerprint.as_str())
    }

    fn is_of_this_provider(&self, issued: &Issued) -> bool {
        issued.provider_fingerprint == self.provider.fingerprint
    }

    /// Nothing can be had of it any more but by a login.
    fn is_over(&self, issued: &Issued) -> bool {
        let spent = self.facts().and_then(|facts| facts.intent.as_ref()).is_some_and(|intent| {
            // Sent or not, answered or not: nobody knows, and a one-time token is never presented twice.
            intent.operation == Operation::Refresh
        });
        let ended = issued.session_expires_at.is_some_and(|end| self.now >= end);
        issued.over || spent || ended && issued.is_expired(self.now)
    }

    /// Whether a refresh can be asked for at all.
    fn can_refresh(&self, issued: &Issued) -> bool {
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
            && keys_unchanged
    }

    fn refresh(&self, was_due: bool) -> Next {
        let one_time = self.provider.definition.refresh.as_ref().is_some_and(|refresh| refresh.reuse == Reuse::OneTime);
        Next::Call(Call { operation: Operation::Refresh, intent: one_time.then_some(1), was_due })
    }

    /// A login, unless something holds it back.
    fn log_in(&self, was_due: bool) -> Result<Next, Wait> {
        if let Some(rejection) = &self.seen.rejection {
            if let Some(until) = self.rejection_holds(rejection) {
                return if self.has_adopted() {
                    Err(self.wait_for(until, &rejection.reason, &rejection.message, FailureClass::Rejected))
                } else {
                    Ok(Next::Adopt(rejection.clone()))
                };
            }
        } else if let Some(wait) = self.unknown_outcome_holds() {
            return Err(wait);
        } else if let Some(failure) = self.own_failure(Operation::Login)
            && failure.class != FailureClass::Rejected
            && self.now < failure.next_at
        {
            return Err(self.held_by(failure));
        }
        Ok(Next::Call(Call { operation: Operation::Login, intent: self.login_intent(), was_due }))
    }

    /// Until when refused credentials are not tried again. An edit or a request waives it, once a minute for all.
    fn rejection_holds(&self, rejection: &Rejection) -> Option<Timestamp> {
        let edited = self.own_rejection().is_some_and(|own| own.spec_mark != self.seen.token.spec_mark)
            && self.seen.token.spec_seen_at > rejection.at;
        let asked = self.is_asked() && self.own_rejection().is_some();
        let until = if edited || asked { rejection.at + AT_MOST_EVERY } else { rejection.next_at };
        (self.now < until).then_some(until)
    }

    fn own_rejection(&self) -> Option<&'a FailureRecord> {
        let own = self.facts()?.failure(Operation::Login)?;
        let same = own.class == FailureClass::Rejected
            && own.credentials_fingerprint.as_deref() == self.fingerprint()
            && own.origin == self.provider.definition.origin().to_string();
        same.then_some(own)
    }

    fn has_adopted(&self) -> bool {
        self.own_rejection().is_some_and(|own| {
            own.spec_mark == self.seen.token.spec_mark
                || self.seen.rejection.as_ref().is_some_and(|rejection| self.seen.token.spec_seen_at > rejection.at)
        })
    }

    fn unknown_outcome_holds(&self) -> Option<Wait> {
        let intent = self.same_content_intent()?;
        let until = schedule::after_unknown_outcome(intent.at, intent.count);
        let message = format!(
            "a login was interrupted and nobody knows its outcome ({} in a row); next try at {until}",
            intent.count
        );
        (self.now < until)
            .then(|| self.wait_for(until, reasons::PROVIDER_UNAVAILABLE, &message, FailureClass::Transient))
    }

    fn same_content_intent(&self) -> Option<&'a super::facts::Intent> {
        self.facts()?.intent.as_ref().filter(|intent| {
            intent.operation == Operation::Login
                && intent.provider_fingerprint == self.provider.fingerprint
                && intent.credentials_fingerprint.as_deref() == self.fingerprint()
        })
    }

    /// Credentials that were accepted once are sent without an intent.
    fn login_intent(&self) -> Option<u32> {
        let fingerprint = self.fingerprint()?;
        let accepted = self.issued().is_some_and(|issued| {
            self.is_of_this_provider(issued) && issued.credentials_fingerprint.as_deref() == Some(fingerprint)
        });
        (!accepted).then(|| self.same_content_intent().map_or(1, |intent| intent.count.saturating_add(1)))
    }

    /// This session's own failure, while it speaks of the same provider, credentials and specs. A request waives it
    /// once a minute; an edit does at once, unless the provider has said how long to wait.
    fn own_failure(&self, operation: Operation) -> Option<&'a FailureRecord> {
        self.facts()?.failure(operation).filter(|failure| {
            let edited = failure.spec_mark != self.seen.token.spec_mark && failure.class != FailureClass::RateLimited;
            let asked = self.is_asked() && self.now >= failure.at + AT_MOST_EVERY;
            failure.provider_fingerprint == self.provider.fingerprint
                && failure.credentials_fingerprint.as_deref() == self.fingerprint()
                && !edited
                && !asked
        })
    }

    fn is_asked(&self) -> bool {
        let handled = self.facts().and_then(|facts| facts.handled_request.as_deref());
        self.seen.token.refresh_requested.as_deref().is_some_and(|asked| Some(asked) != handled)
    }

    fn last_request(&self, issued: &Issued) -> Timestamp {
        let failed = [Operation::Login, Operation::Refresh]
            .into_iter()
            .filter_map(|operation| Some(self.facts()?.failure(operation)?.at));
        failed.fold(issued.issued_at, Ord::max)
    }

    fn renew_at(&self, issued: &Issued) -> Timestamp {
        schedule::renew_at(issued, self.seen.token.spec.refresh.as_ref(), &self.seen.token.uid)
    }

    fn held_by(&self, failure: &FailureRecord) -> Wait {
        let asked = self.is_asked().then(|| failure.at + AT_MOST_EVERY);
        let until = asked.map_or(failure.next_at, |at| at.min(failure.next_at));
        self.wait_for(until, &failure.reason, &failure.message, failure.class)
    }

    fn wait_for(&self, until: Timestamp, reason: &str, message: &str, class: FailureClass) -> Wait {
        Wait {
            until: earliest([Some(until), self.seen.expiry_after(self.now)]),
            why: Why::Held { reason: reason.to_owned(), message: message.to_owned(), class },
        }
    }

    /// The earliest moment at which another rule of the chain could have an answer.
    fn fresh(&self) -> Wait {
        let Some(issued) = self.issued() else { return Wait { until: None, why: Why::Fresh } };
        let after_now = |at: Timestamp| Some(at).filter(|at| *at > self.now);
        let asked = self.is_asked().then(|| self.last_request(issued) + AT_MOST_EVERY);
        let held_login = self.facts().and_then(|facts| facts.failure(Operation::Login)).map(|failure| failure.next_at);
        let until = earliest([
            after_now(self.renew_at(issued)),
            self.seen.expiry_after(self.now),
            schedule::early_login_at(issued, &self.seen.token.uid).and_then(after_now),
            issued.session_expires_at.and_then(after_now),
            asked.and_then(after_now),
            held_login.and_then(after_now),
        ]);
        Wait { until, why: Why::Fresh }
    }
}

impl Observation {
    /// The second at which Ready has to turn False, if that is still to come.
    fn expiry_after(&self, now: Timestamp) -> Option<Timestamp> {
        let issued = self.facts()?.issued.as_ref()?;
        Some(issued.expires_at).filter(|at| *at > now)
    }
}

fn earliest<const N: usize>(times: [Option<Timestamp>; N]) -> Option<Timestamp> {
    times.into_iter().flatten().min()
}
