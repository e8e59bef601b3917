//! A whole pass over one provider: says on the provider whether its definition can be used.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};

use super::{
    Operator, act,
    cluster::{ApiError, Urgency},
    entry::{ProviderEntry, ProviderKey},
    settings::ClusterProviders,
    tls::ClientCertificate,
    tls_reading,
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
/// When what it refers to cannot be read, or the status cannot be written.
pub async fn reconcile(operator: &Operator, key: &ProviderKey) -> Result<ProviderDone, ApiError> {
    tls_reading::read(operator, key, Urgency::Report).await?;
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
        message: problem.unwrap_or_else(|| usable(entry)),
        observed_generation: Some(entry.generation),
        last_transition_time: old
            .map_or_else(|| Time(schedule::whole_seconds(now)), |old| old.last_transition_time.clone()),
    };
    ProviderStatus { observed_generation: Some(entry.generation), conditions: vec![condition] }
}

/// Whoever renews client certificates by hand sees here until when.
fn usable(entry: &ProviderEntry) -> String {
    let certificate = entry.tls.as_ref().ok().and_then(|tls| tls.client_certificate.as_ref());
    match certificate.and_then(ClientCertificate::not_after) {
        Some(at) => format!("the definition can be used; its client certificate expires at {at}"),
        None => "the definition can be used".to_owned(),
    }
}
