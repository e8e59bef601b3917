//! What is reported: the old status, what was observed and what is waited for, folded into the new status.
//!
//! `Ready` is True exactly while the output holds an unexpired token of this spec. `Reconciling` and `Stalled` follow
//! kstatus: True only while Ready is not. Nothing here is ever read back to decide.

#[cfg(test)]
mod tests;

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};

use super::{
    decide::{Wait, Why},
    facts::{FailureRecord, Issued},
    observation::{Observation, Seen},
    output::{self, Ownership},
    schedule,
};
use crate::api::{
    ApiTokenStatus,
    http::FailureClass,
    provider::NameRef,
    reasons,
    status::{Failures, READY, RECONCILING, STALLED},
};

/// What the message of a True `Ready` says where nothing renews the token before somebody acts.
pub const CANNOT_BE_RENEWED: &str = "but it cannot be renewed";

/// The three conditions, before they are merged with the old ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub ready: bool,
    /// Something is retried without anybody's help.
    pub reconciling: bool,
    /// Nothing happens before somebody acts.
    pub stalled: bool,
    /// One of `api::reasons`.
    pub reason: String,
    pub message: String,
}

/// The status after a pass. Equal input gives equal output, so that an unchanged status is not written.
#[must_use]
pub fn report(old: &ApiTokenStatus, seen: &Observation, wait: &Wait, now: Timestamp) -> ApiTokenStatus {
    let generation = seen.token.generation;
    let verdict = judge(seen, wait, now);
    let issued = seen.facts().and_then(|facts| facts.issued.as_ref());
    let exposed = exposed_until(seen).is_some();
    let secret_name = output::secret_name(&seen.token.name, &seen.token.spec).to_owned();
    ApiTokenStatus {
        observed_generation: Some(generation),
        conditions: conditions(&old.conditions, &verdict, generation, now),
        binding: exposed.then(|| NameRef { name: secret_name.clone() }),
        secret_name: Some(secret_name),
        last_operation: issued.map(|issued| issued.operation),
        issued_at: issued.map(|issued| Time(issued.issued_at)),
        expires_at: issued.map(|issued| Time(issued.expires_at)),
        renew_at: issued.map(|issued| Time(renew_at(seen, issued))),
        session_started_at: issued.map(|issued| Time(issued.started_at)),
        session_expires_at: issued.and_then(|issued| issued.session_expires_at).map(Time),
        failures: last_failure(seen).map(|failure| failures(failure, wait)),
    }
}

/// Judges what people want to know first: is there a valid token, and if not, who has to do something about it?
#[must_use]
pub fn judge(seen: &Observation, wait: &Wait, now: Timestamp) -> Verdict {
    let ready = is_of_this_spec(seen) && exposed_until(seen).is_some_and(|until| now < until);
    let (reason, message) = if ready { ready_reason(seen, wait) } else { unready_reason(seen, wait, now) };
    let suspended = matches!(wait.why, Why::Suspended);
    let stalled = !ready && needs_somebody(&wait.why);
    Verdict { ready, reconciling: !ready && !stalled && !suspended, stalled, reason, message }
}

fn needs_somebody(why: &Why) -> bool {
    match why {
        Why::Blocked(block) => block.reason != reasons::PENDING,
        Why::Held { class, .. } => *class == FailureClass::Rejected,
        Why::Fresh | Why::Suspended => false,
    }
}

fn ready_reason(seen: &Observation, wait: &Wait) -> (String, String) {
    let name = output::secret_name(&seen.token.name, &seen.token.spec);
    let good = format!("Secret {name:?} holds a valid token");
    match &wait.why {
        Why::Suspended => {
            (reasons::SUSPENDED.to_owned(), format!("{good}; it is not renewed while spec.suspend is true"))
        }
        Why::Blocked(block) => {
            (reasons::ISSUED.to_owned(), format!("{good}, {CANNOT_BE_RENEWED}: {}: {}", block.reason, block.message))
        }
        Why::Held { reason, message, .. } => {
            (reasons::ISSUED.to_owned(), format!("{good}, but the last attempt failed: {reason}: {message}"))
        }
        Why::Fresh => {
            let what = match last_failure(seen) {
                Some(FailureRecord { reason, message, .. }) => {
                    Some(format!("but the last attempt failed: {reason}: {message}"))
                }
                None => refused(seen),
            };
            (reasons::ISSUED.to_owned(), what.map_or_else(|| good.clone(), |what| format!("{good}, {what}")))
        }
    }
}

/// What the message of a True `Ready` says where the provider refuses the token all the same.
pub const IS_REFUSED: &str = "but the provider refuses it";

fn refused(seen: &Observation) -> Option<String> {
    let facts = seen.facts()?;
    let refusal =
        facts.refusal.as_ref().filter(|refusal| Some(&refusal.grant) == facts.issued.as_ref().map(|it| &it.grant))?;
    let probed = seen.provider.as_ref().is_ok_and(|provider| provider.definition.probe.is_some());
    probed.then(|| {
        format!(
            "{IS_REFUSED} (its probe; tokens in a row: {}); it is renewed for that at {}, or when you ask for it. May this \
             account do what the probe asks for?",
            refusal.count, refusal.next_at
        )
    })
}

fn unready_reason(seen: &Observation, wait: &Wait, now: Timestamp) -> (String, String) {
    let issued = seen.facts().and_then(|facts| facts.issued.as_ref());
    let expired = issued.filter(|issued| issued.is_expired(now) && is_of_this_spec(seen));
    let expired = expired.map(|issued| format!("the token expired at {}", issued.expires_at));
    match (&wait.why, expired) {
        (Why::Suspended, expired) => {
            let message = expired.unwrap_or_else(|| "there is no valid token".to_owned());
            (reasons::SUSPENDED.to_owned(), format!("{message}, and none is fetched while spec.suspend is true"))
        }
        (Why::Blocked(block), _) => (block.reason.to_owned(), block.message.clone()),
        (Why::Held { reason, message, class }, Some(expired)) if is_passing(*class) => {
            (reasons::TOKEN_EXPIRED.to_owned(), format!("{expired}, and renewing it fails: {reason}: {message}"))
        }
        (Why::Held { reason, message, .. }, _) => (reason.clone(), message.clone()),
        (Why::Fresh, Some(expired)) => (reasons::TOKEN_EXPIRED.to_owned(), format!("{expired} and is being renewed")),
        (Why::Fresh, None) => (reasons::PENDING.to_owned(), "waiting for the first token".to_owned()),
    }
}

fn is_passing(class: FailureClass) -> bool {
    matches!(class, FailureClass::Transient | FailureClass::RateLimited | FailureClass::SessionOver)
}

/// Another URL, login or parameter means another session: a token of the old one does not count.
fn is_of_this_spec(seen: &Observation) -> bool {
    let Some(issued) = seen.facts().and_then(|facts| facts.issued.as_ref()) else { return false };
    match &seen.provider {
        Ok(provider) => provider.fingerprint == issued.provider_fingerprint,
        // While the provider cannot be told, the token is what it was.
        Err(block) => !block.by_spec,
    }
}

/// Expiry of the token that pods see; `None` when the output holds none of ours, or somebody else's data.
fn exposed_until(seen: &Observation) -> Option<Timestamp> {
    let Seen::There(secret) = &seen.output.secret else { return None };
    if secret.ownership != Ownership::Ours || secret.drifted {
        return None;
    }
    let issued = seen.facts()?.issued.as_ref()?;
    let revision = secret.revision.as_ref()?;
    if revision.grant == issued.grant {
        Some(issued.expires_at)
    } else {
        secret.expires_at.map(|at| at.min(issued.expires_at))
    }
}

fn renew_at(seen: &Observation, issued: &Issued) -> Timestamp {
    schedule::renew_at(issued, seen.token.spec.refresh.as_ref(), &seen.token.uid)
}

/// The newest failure since the last success of its operation.
#[must_use]
pub fn last_failure(seen: &Observation) -> Option<&FailureRecord> {
    let facts = seen.facts()?;
    let login = facts.login_failure.as_deref().filter(|failure| !is_of_other_credentials(seen, failure));
    [facts.refresh_failure.as_deref(), login].into_iter().flatten().max_by_key(|failure| failure.at)
}

/// A refused password that was put back to what the session came from leads to no login whose success would end it.
fn is_of_other_credentials(seen: &Observation, failure: &FailureRecord) -> bool {
    let now = seen.credentials_content().map(|content| content.fingerprint.as_str());
    now.is_some() && now != failure.credentials_fingerprint.as_deref()
}

fn failures(failure: &FailureRecord, wait: &Wait) -> Failures {
    Failures {
        count: i32::try_from(failure.count).unwrap_or(i32::MAX),
        last_at: Time(failure.at),
        // While suspended or blocked there is no next attempt.
        next_at: matches!(wait.why, Why::Fresh | Why::Held { .. }).then_some(Time(failure.next_at)),
        class: failure.class,
        message: failure.message.clone(),
    }
}

fn conditions(old: &[Condition], verdict: &Verdict, generation: i64, now: Timestamp) -> Vec<Condition> {
    let truth = |value: bool| if value { "True" } else { "False" };
    let quiet = |value: bool| if value { verdict.message.clone() } else { String::new() };
    [
        (READY, truth(verdict.ready), verdict.message.clone()),
        (RECONCILING, truth(verdict.reconciling), quiet(verdict.reconciling)),
        (STALLED, truth(verdict.stalled), quiet(verdict.stalled)),
    ]
    .into_iter()
    .map(|(type_, status, message)| {
        let kept = old.iter().find(|condition| condition.type_ == type_ && condition.status == status);
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: verdict.reason.clone(),
            message,
            observed_generation: Some(generation),
            last_transition_time: kept
                .map_or_else(|| Time(schedule::whole_seconds(now)), |kept| kept.last_transition_time.clone()),
        }
    })
    .collect()
}
