//! The chapters in their order. Each tells what it does, does it, and checks what was promised.

mod first_tokens;
mod renewals;
mod deleted_output;
mod revoked_session;
mod wrong_password;

use anyhow::Result;
use apitoken_operator::api::{ApiToken, status::READY};

use crate::stage::Stage;

/// All chapters; for people there is a moment to read between them.
pub async fn play(stage: &mut Stage<'_>) -> Result<()> {
    first_tokens::play(stage).await?;
    renewals::play(stage).await?;
    deleted_output::play(stage).await?;
    revoked_session::play(stage).await?;
    wrong_password::play(stage).await
}

/// Status, reason and message of the condition Ready.
fn ready(token: Option<&ApiToken>) -> (&str, &str, &str) {
    let conditions = token.and_then(|token| token.status.as_ref()).map(|status| status.conditions.as_slice());
    let ready = conditions.unwrap_or_default().iter().find(|condition| condition.type_ == READY);
    ready.map_or(("", "", ""), |ready| (ready.status.as_str(), ready.reason.as_str(), ready.message.as_str()))
}

fn is_ready(token: Option<&ApiToken>) -> bool {
    ready(token).0 == "True"
}

fn failed(token: Option<&ApiToken>) -> bool {
    token.and_then(|token| token.status.as_ref()).is_some_and(|status| status.failures.is_some())
}

/// Calls that a vendor refused or did not answer, over all pods.
fn troubles(stage: &Stage<'_>) -> Vec<String> {
    let all = stage.pods.iter().flat_map(|pod| {
        let calls = pod.calls();
        let failures: Vec<_> = calls.refused.into_iter().chain(calls.unanswered).collect();
        failures.into_iter().map(|failure| format!("{} at {}: {}", pod.vendor, failure.at, failure.why))
    });
    all.collect()
}
