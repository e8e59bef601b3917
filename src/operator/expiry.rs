//! `Ready` turns False in the second in which the exposed token expires, whatever the pass is waiting for.
//!
//! A pass can wait long, for its turn at the provider and for the provider's answer. This reports, and does nothing else.

use std::{convert::Infallible, future::pending, time::Duration};

use k8s_openapi::jiff::Timestamp;

use super::{Operator, act, context::TICK, entry::Key, observe};
use crate::{
    api::ApiTokenStatus,
    token::{
        decide::{Wait, Why},
        status,
    },
};

/// Runs beside a pass, and never ends by itself. What it has reported stands in `told`, old and new.
pub async fn report(operator: &Operator, key: &Key, told: &mut Option<(ApiTokenStatus, ApiTokenStatus)>) -> Infallible {
    if let Some(expires_at) = observe::expiry(operator, key, operator.now()) {
        while let Some(left) = left(operator, expires_at) {
            tokio::time::sleep(left.min(TICK)).await;
        }
        *told = Box::pin(report_now(operator, key)).await;
    }
    pending().await
}

fn left(operator: &Operator, until: Timestamp) -> Option<Duration> {
    Duration::try_from(until.duration_since(operator.now())).ok().filter(|left| !left.is_zero())
}

async fn report_now(operator: &Operator, key: &Key) -> Option<(ApiTokenStatus, ApiTokenStatus)> {
    let now = operator.now();
    let pass = observe::glance(operator, key, now)?;
    pass.seen.facts().filter(|_| !pass.seen.token.deleting)?;
    let wait = Wait { until: None, why: Why::Fresh };
    let old = pass.token.reported.outline();
    let new = status::report(&old, &pass.seen, &wait, now);
    // If it does not work, the end of the pass reports it.
    let written = act::report(operator, &pass, &new, now).await.unwrap_or(false);
    written.then_some((old, new))
}
