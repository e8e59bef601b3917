//! What a pass did, told to the log, the metrics and as Events. Around the pass, not inside it.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;

use super::{
    Operator,
    entry::{Key, Subject},
    events::{Severity, Told},
    metrics::ErrandOutcome,
    pass_error::PassError,
    reconcile::{Done, Ran},
};
use crate::{
    api::{
        ApiTokenStatus,
        http::{FailureClass, Operation},
        reasons,
        status::READY,
    },
    token::{
        decide::Errand,
        status::{CANNOT_BE_RENEWED, IS_REFUSED},
    },
};

/// One line for each pass that did something.
pub fn told(operator: &Operator, key: &Key, done: &Done, result: &Result<(), PassError>, took: Duration) {
    operator.metrics.reconciled(outcome(done, result), took);
    if let Some((old, new)) = &done.status {
        for told in transitions(operator, key, old, new, done) {
            operator.events.tell(told);
        }
    }
    told_of_errands(key, done);
    let did_something = !done.asked.is_empty() || done.projected || done.adopted || done.status.is_some();
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let (namespace, name) = (key.namespace.as_str(), key.name.as_str());
    if let Err(error) = result
        && !error.is_race()
        && !error.is_stopping()
    {
        tracing::warn!(namespace, name, duration_ms, %error, "pass failed");
    } else if did_something {
        let operation = done.asked.last().map_or("None", |asked| operation_name(asked.operation));
        let failure = done.asked.last().and_then(|asked| asked.failure.as_ref());
        let reason = done.status.as_ref().map_or("", |(_, new)| reason_of(new));
        let next = done.until.map(|at| at.to_string()).unwrap_or_default();
        if let Some((class, message)) = failure {
            let class = format!("{class:?}");
            tracing::warn!(
                namespace,
                name,
                operation,
                class,
                failure = message,
                reason,
                next,
                duration_ms,
                "provider failed"
            );
        } else {
            let projected = done.projected;
            tracing::info!(namespace, name, operation, projected, reason, next, duration_ms, "pass done");
        }
    }
}

/// A probe that is good is no news.
fn told_of_errands(key: &Key, done: &Done) {
    for &Ran { errand, outcome } in &done.ran {
        let (namespace, name) = (key.namespace.as_str(), key.name.as_str());
        if outcome == ErrandOutcome::Good {
            tracing::debug!(namespace, name, request = ?errand, "the token is good");
        } else {
            let outcome = outcome.as_str();
            tracing::info!(namespace, name, request = ?errand, outcome, "asked about the token");
        }
    }
}

/// A panic ends one pass and nothing else. Its text is not repeated: it could hold anything.
pub fn panicked(operator: &Operator, subject: &Subject, took: Duration) {
    operator.metrics.reconciled("panicked", took);
    tracing::error!(subject = %subject, "a pass panicked; it is tried again later. This is a bug, please report it");
}

fn outcome(done: &Done, result: &Result<(), PassError>) -> &'static str {
    match result {
        Err(error) if error.is_race() => "raced",
        Err(error) if error.is_stopping() => "stopped",
        Err(_) => "failed",
        Ok(()) if done.raced => "raced",
        Ok(()) if done.gone => "gone",
        Ok(()) => match done.asked.last() {
            Some(asked) if asked.failure.is_some() => "provider_failed",
            Some(asked) => operation_name(asked.operation),
            None if !done.ran.is_empty() => "asked",
            None if done.projected => "projected",
            None if done.status.is_some() => "reported",
            None => "idle",
        },
    }
}

const fn operation_name(operation: Operation) -> &'static str {
    match operation {
        Operation::Login => "login",
        Operation::Refresh => "refresh",
    }
}

fn ready(status: &ApiTokenStatus) -> Option<&k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition> {
    status.conditions.iter().find(|condition| condition.type_ == READY)
}

fn reason_of(status: &ApiTokenStatus) -> &str {
    ready(status).map_or("", |condition| condition.reason.as_str())
}

/// Events for what has changed in kind, not in degree: a renewal that goes well says nothing.
fn transitions(operator: &Operator, key: &Key, old: &ApiTokenStatus, new: &ApiTokenStatus, done: &Done) -> Vec<Told> {
    let Some(condition) = ready(new) else { return Vec::new() };
    let was_ready = ready(old).is_some_and(|condition| condition.status == "True");
    let is_ready = condition.status == "True";
    let about = reference(operator, key);
    let told = |kind, reason, note: String| Told { about: about.clone(), kind, reason, note };
    let mut all = Vec::new();
    if is_ready && !was_ready {
        all.push(told(Severity::Normal, reasons::ISSUED, condition.message.clone()));
    } else if !is_ready && (was_ready || reason_of(old) != condition.reason) && condition.reason != reasons::PENDING {
        if let Some(reason) = stable(&condition.reason) {
            all.push(told(Severity::Warning, reason, condition.message.clone()));
        }
    } else if is_ready && old.failures.is_none() && new.failures.is_some() {
        all.push(told(Severity::Warning, "RenewalFailed", condition.message.clone()));
    } else if is_ready && old.failures.is_some() && new.failures.is_none() {
        all.push(told(Severity::Normal, "Recovered", condition.message.clone()));
    } else if is_ready && is_block(&condition.message) && !ready(old).is_some_and(|old| is_block(&old.message)) {
        all.push(told(Severity::Warning, "RenewalBlocked", condition.message.clone()));
    }
    let ended = done.asked.iter().any(|asked| {
        asked.operation == Operation::Refresh
            && asked.failure.as_ref().is_some_and(|(class, _)| *class == FailureClass::SessionOver)
    });
    if ended {
        let followed = done.asked.last().is_some_and(|last| last.operation == Operation::Login);
        let note = if followed { "; logged in again" } else { "" };
        all.push(told(Severity::Normal, "SessionOver", format!("the provider refused to refresh the session{note}")));
    }
    if found_refused(old, done) {
        let note = "the provider refuses the token before its expiry; the probe has found out".to_owned();
        all.push(told(Severity::Warning, "TokenRefused", note));
    }
    all
}

/// A probe was refused, and that is news.
fn found_refused(old: &ApiTokenStatus, done: &Done) -> bool {
    let refused = Ran { errand: Errand::Probe, outcome: ErrandOutcome::Refused };
    done.ran.contains(&refused) && !ready(old).is_some_and(|old| old.message.contains(IS_REFUSED))
}

fn is_block(message: &str) -> bool {
    message.contains(CANNOT_BE_RENEWED)
}

fn stable(reason: &str) -> Option<&'static str> {
    reasons::ALL.iter().copied().find(|known| *known == reason)
}

fn reference(operator: &Operator, key: &Key) -> ObjectReference {
    ObjectReference {
        api_version: Some("apitoken.dev/v1alpha1".to_owned()),
        kind: Some("ApiToken".to_owned()),
        name: Some(key.name.clone()),
        namespace: Some(key.namespace.clone()),
        uid: operator.index.token(key).map(|token| token.uid.clone()),
        ..ObjectReference::default()
    }
}
