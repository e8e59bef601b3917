//! Where a request goes: found before it is made, and before its intent is recorded.

use std::sync::Arc;

use super::{Operator, act, cluster::ApiError, failure_record::record_of, pass::Pass, route::Route};
use crate::{
    api::http::Operation,
    provider::{definition::Definition, grant::Failure},
};

/// The definition with its token endpoint, or why there is none. `None`: the operator stops. With an issuer this can
/// take as long as a request; soon after that it is instant.
pub async fn locate(operator: &Operator, route: &Route) -> Option<Result<Arc<Definition>, Failure>> {
    let now = || operator.now();
    tokio::select! {
        biased;
        () = operator.stopping.cancelled() => None,
        located = operator.discovery.locate(&*operator.egress, route, &now) => Some(located),
    }
}

/// Stores that there was nowhere to send the request to.
///
/// # Errors
/// As [`act::store_session`].
pub async fn not_found(
    operator: &Operator,
    pass: &mut Pass,
    route: &Route,
    operation: Operation,
    failure: &Failure,
) -> Result<(), ApiError> {
    let record = record_of(operator, pass, route, operation, failure);
    let mut session = pass.current_session().not_asked(operation, record);
    session.facts.handled_request.clone_from(&pass.token.refresh_requested);
    let urgency = pass.urgency();
    act::store_session(operator, pass, urgency, session).await
}
