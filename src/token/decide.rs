//! The whole life of a token, as an ordered chain of small rules.
//!
//! Two questions, answered apart: what must the output hold, and is the provider asked for anything? The first rule
//! with an answer decides; a later rule may rely on all earlier ones having passed. What the rules ask of an observation
//! is in `case`. Works on metadata alone: where a rule would need what was not read yet, the answer is [`Next::Look`].

mod case;
mod errand;
mod seed;
#[cfg(test)]
mod tests;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use self::case::Case;
pub use self::errand::Errand;
use super::{
    observation::{Block, CredentialsView, Observation, Rejection, Seen},
    output::Ownership,
    session::Occasion,
};
use crate::api::{
    http::{FailureClass, Operation},
    reasons,
};

/// What blocks a token but sends no event (a Secret without the label is invisible) is looked at again this often.
pub const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(60);
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
    Errand(Errand),
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
    pub occasion: Occasion,
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

/// Rules before anything is known of the provider. In order of precedence.
const GATES: &[(&str, Gate)] = &[
    ("the ApiToken is being deleted", is_being_deleted),
    ("the ApiToken is suspended", is_suspended),
    ("the provider is missing, not allowed or not valid", provider_is_blocked),
];

/// Rules about a token whose provider may be used. In order of precedence.
const CHAIN: &[(&str, Rule)] = &[
    ("the credentials are missing, unlabelled or lack a key", credentials_are_blocked),
    ("the output is somebody else's", output_is_anothers),
    ("not enough is known yet", must_look),
    ("there is no session of this provider that still lives: log in", no_session),
    ("the credentials are new: log in", credentials_are_new),
    ("somebody asked for a refresh", refresh_was_requested),
    ("the session is about to end: log in while it still works", session_is_ending),
    ("the token is due: refresh, else log in", token_is_due),
    ("the probe was refused: renew", errand::token_was_refused),
    ("the token before is to be revoked", errand::replaced_is_due),
    ("the token is to be probed", errand::probe_is_due),
    ("the token is fresh", token_is_fresh),
];

type Gate = fn(&Observation, Timestamp) -> Option<Next>;
type Rule = for<'a> fn(&Case<'a>) -> Option<Next>;

/// Decides from what was observed. Pure; the same observation and time give the same decision.
pub fn decide(seen: &Observation, now: Timestamp) -> Decision {
    match output_step(seen, now) {
        Some(output) => Decision { output, next: next(seen, now).1 },
        None => Decision { output: OutputStep::Keep, next: Next::Look },
    }
}

/// The first rule with an answer, by name.
fn next(seen: &Observation, now: Timestamp) -> (&'static str, Next) {
    let gates = GATES.iter().find_map(|(name, gate)| Some((*name, gate(seen, now)?)));
    gates
        .or_else(|| {
            let case = Case { seen, provider: seen.provider.as_ref().ok()?, now };
            CHAIN.iter().find_map(|(name, rule)| Some((*name, rule(&case)?)))
        })
        .expect("invariant: the last rule of each chain always has an answer")
}

/// Whether the output must be written; `None` when that cannot be told yet.
fn output_step(seen: &Observation, now: Timestamp) -> Option<OutputStep> {
    let Some(issued) = seen.facts().and_then(|facts| facts.issued.as_ref()) else { return Some(OutputStep::Keep) };
    if seen.token.deleting || issued.is_expired(now) {
        return Some(OutputStep::Keep);
    }
    match &seen.output.secret {
        Seen::Unknown => None,
        // Without a plan nobody knows what to write: neither the provider nor the session can tell.
        Seen::Absent => Some(seen.output.plan.as_ref().map_or(OutputStep::Keep, |_| OutputStep::Project)),
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

fn is_being_deleted(seen: &Observation, _: Timestamp) -> Option<Next> {
    seen.token.deleting.then_some(Next::Wait(Wait { until: None, why: Why::Fresh }))
}

fn is_suspended(seen: &Observation, now: Timestamp) -> Option<Next> {
    let suspended = seen.token.spec.suspend == Some(true);
    suspended.then(|| Next::Wait(Wait { until: seen.expiry_after(now), why: Why::Suspended }))
}

fn provider_is_blocked(seen: &Observation, now: Timestamp) -> Option<Next> {
    let block = seen.provider.as_ref().err()?;
    Some(Next::Wait(Wait { until: seen.expiry_after(now), why: Why::Blocked(block.clone()) }))
}

fn credentials_are_blocked(case: &Case<'_>) -> Option<Next> {
    let CredentialsView::Blocked(block) = &case.seen.credentials else { return None };
    Some(Next::Wait(case.blocked(block.clone(), LOOK_AGAIN)))
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
    Some(Next::Wait(case.blocked(block, again)))
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
        _ => Some(case.log_in_unless_held().unwrap_or_else(Next::Wait)),
    }
}

fn credentials_are_new(case: &Case<'_>) -> Option<Next> {
    let issued = case.issued()?;
    if issued.credentials_fingerprint.as_deref() == case.fingerprint() {
        return None;
    }
    if case.presents_seed() && case.seed_is_spent() {
        return case.client_is_new(issued);
    }
    // Refused or held back, the old session goes on while its refresh uses no key that changed.
    match case.log_in_unless_held() {
        Ok(next) => Some(next),
        Err(wait) => (!case.can_refresh(issued)).then_some(Next::Wait(wait)),
    }
}

fn refresh_was_requested(case: &Case<'_>) -> Option<Next> {
    let issued = case.issued()?;
    if !case.request_is_open() || case.now < case.request_allowed_at(issued) {
        return None;
    }
    if case.can_refresh(issued) {
        return Some(case.refresh());
    }
    case.log_in_unless_held().ok()
}

fn session_is_ending(case: &Case<'_>) -> Option<Next> {
    let issued = case.issued()?;
    if issued.ending && case.may_log_in_early() || case.early_login_at(issued).is_some_and(|at| case.now >= at) {
        // Whatever class an early login fails in, the session goes on refreshing.
        return case.log_in_unless_held().ok();
    }
    None
}

fn token_is_due(case: &Case<'_>) -> Option<Next> {
    let issued = case.issued()?;
    if case.now < case.renew_at(issued) && !case.is_to_come(issued.issued_at) {
        return None;
    }
    if !case.can_refresh(issued) {
        return Some(case.log_in_unless_held().unwrap_or_else(Next::Wait));
    }
    Some(case.held_by_failed_refresh().map_or_else(|| case.refresh(), Next::Wait))
}

#[expect(clippy::unnecessary_wraps, reason = "it is a rule, and the one that always has an answer")]
fn token_is_fresh(case: &Case<'_>) -> Option<Next> {
    Some(Next::Wait(case.until_another_rule_answers()))
}

impl Observation {
    /// The second at which Ready has to turn False, if that is still to come.
    fn expiry_after(&self, now: Timestamp) -> Option<Timestamp> {
        let issued = self.facts()?.issued.as_ref()?;
        Some(issued.expires_at).filter(|at| *at > now)
    }
}
