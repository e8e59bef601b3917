//! What a refusal of a token endpoint means: the status decides first, the `error` of its body second.
//!
//! Servers agree on little: refused refresh tokens come as `invalid_grant` and as `invalid_request`, wrong passwords as
//! 400 `invalid_grant` and as 401 `access_denied`. So a 4xx whose code is not known is a refusal like any other.

use super::{classify, read::Document};
use crate::{
    api::http::{FailureClass, Operation},
    provider::grant::Failure,
};

/// Where the code stands (RFC 6749 5.2).
const ERROR: &str = "/error";
/// Codes of the IANA registry "OAuth Extensions Error" that a token endpoint may answer with, and those of RFC 6749.
/// No other text of a body is ever shown.
pub const ERROR_CODES: [&str; 16] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_target",
    "access_denied",
    "server_error",
    "temporarily_unavailable",
    "unsupported_token_type",
    "invalid_dpop_proof",
    "use_dpop_nonce",
    "insufficient_user_authentication",
    "interaction_required",
    "login_required",
];

/// `None`: it is no refusal, and the status says what it is.
pub(super) fn by_error(operation: Operation, document: &Document<'_>) -> Option<Failure> {
    let status = document.reply.status;
    if !(400..=499).contains(&status) || matches!(status, 408 | 425 | 429) {
        return None;
    }
    let code = document.pointer(ERROR).and_then(|error| error.as_str());
    let code = code.and_then(|code| ERROR_CODES.into_iter().find(|known| *known == code));
    let (class, remedy) = meaning(operation, status, code);
    let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
    let message = format!("the provider refused the {} with HTTP {status}{code}{remedy}", classify::verb(operation));
    Some(classify::failure(document.reply, class, None, message))
}

fn meaning(operation: Operation, status: u16, code: Option<&str>) -> (FailureClass, &'static str) {
    match (operation, status, code) {
        (_, 400 | 401 | 403, Some("invalid_client")) => {
            (FailureClass::Rejected, ": it does not know the client, or not by clientAuth as it is")
        }
        (Operation::Refresh, _, _) => (FailureClass::SessionOver, ""),
        (Operation::Login, 400, Some("invalid_scope")) => (FailureClass::Misconfigured, ": correct oauth2.scopes"),
        (Operation::Login, 400, Some("invalid_target")) => {
            (FailureClass::Misconfigured, ": correct oauth2.resources or oauth2.audience")
        }
        (Operation::Login, 400, Some("unsupported_grant_type")) => {
            (FailureClass::Misconfigured, ": correct oauth2.grant, or let the server offer this one")
        }
        (Operation::Login, 400, Some("unauthorized_client")) => {
            (FailureClass::Misconfigured, ": the server does not let this client use oauth2.grant")
        }
        (Operation::Login, 404 | 405, _) => (FailureClass::Rejected, ": is oauth2.tokenURL right?"),
        (Operation::Login, _, _) => (FailureClass::Rejected, ""),
    }
}
