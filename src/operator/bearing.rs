//! What a request has shown of its provider, for the gate: that it is there, that it is away, or that we ask too much.
//!
//! Must not judge credentials: those of one account say nothing of the provider.

use tokio::time::Instant;

use super::{Operator, pass::Pass, route::Route};
use crate::{api::http::FailureClass, provider::grant::Failure};

/// Tells the gate how a request ended that was begun at `begun`; `failure`: `None` if it brought a token.
pub fn note(operator: &Operator, pass: &Pass, route: &Route, begun: Instant, failure: Option<&Failure>) {
    let provider = route.key.to_string();
    let credentials = pass.seen.credentials_content();
    let credential = credentials.map_or(pass.token.uid.as_str(), |content| content.fingerprint.as_str());
    let Some(failure) = failure else { return operator.gate.replied(&provider) };
    match failure.class {
        FailureClass::Rejected | FailureClass::SessionOver => operator.gate.replied(&provider),
        FailureClass::Transient => operator.gate.failed(&provider, credential, begun),
        FailureClass::RateLimited => {
            operator.gate.rate_limited(&provider, credential, failure.retry_after);
        }
        // Perhaps nothing was sent; or a proxy has replied, for a provider that is away.
        FailureClass::Misconfigured => {}
    }
}
