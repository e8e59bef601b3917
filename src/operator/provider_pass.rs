//! A whole pass over one provider: says on the provider whether its definition can be used.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};

use super::{
    Operator, act,
    cluster::ApiError,
    entry::{ProviderEntry, ProviderKey},
    settings::ClusterProviders,
};
use crate::{
    api::{ProviderKind, ProviderStatus, reasons, status::READY},
    token::schedule,
};

/// Reason of a provider's Ready condition while its definition can be used.
pub const VALID: &str = "Valid";

/// What a pass over a provider came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderDone {
    Reported,
    Unchanged,
    Gone,
}

/// Reports on one provider.
///
/// # Errors
/// When the status cannot be written.
pub async fn reconcile(operator: &Operator, key: &ProviderKey) -> Result<ProviderDone, ApiError> {
    let Some(entry) = operator.index.provider(key) else {
        operator.metrics.forget_provider(&key.to_string());
        operator.discovery.forget(key);
        return Ok(ProviderDone::Gone);
    };
    let is_others = key.kind == ProviderKind::ClusterTokenProvider;
    if is_others && operator.cluster_providers != ClusterProviders::Report {
        return Ok(ProviderDone::Unchanged);
    }
    let status = status(&entry, operator.now());
    let reported = act::report_provider(operator, key, &entry, &status).await?;
    Ok(if reported { ProviderDone::Reported } else { ProviderDone::Unchanged })
}

fn status(entry: &ProviderEntry, now: Timestamp) -> ProviderStatus {
    let problem = match (&entry.compiled, &entry.tls) {
        (Err(invalid), _) => Some(invalid.to_string()),
        (_, Err(error)) => Some(error.to_string()),
        (Ok(_), Ok(_)) => None,
    };
    let (value, reason) = if problem.is_none() { ("True", VALID) } else { ("False", reasons::PROVIDER_INVALID) };
    let old = entry.status.conditions.iter().find(|condition| condition.type_ == READY && condition.status == value);
    let condition = Condition {
        type_: READY.to_owned(),
        status: value.to_owned(),
        reason: reason.to_owned(),
        message: problem.unwrap_or_else(|| "the definition can be used".to_owned()),
        observed_generation: Some(entry.generation),
        last_transition_time: old
            .map_or_else(|| Time(schedule::whole_seconds(now)), |old| old.last_transition_time.clone()),
    };
    ProviderStatus { observed_generation: Some(entry.generation), conditions: vec![condition] }
}
