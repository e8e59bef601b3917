//! What is remembered of requests about a token that bring none: a probe that was refused, a token to be revoked.
//!
//! Nothing secret: the token that is to be revoked stands with the material.

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The provider has refused a token that was valid by its expiry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The grant that gave the token.
    pub grant: String,
    pub at: Timestamp,
    /// Grants in a row whose token was refused, this one included.
    pub count: u32,
    /// No renewal for this reason before.
    pub next_at: Timestamp,
}

/// The token before the one in the output, while it is to be revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replaced {
    pub expires_at: Timestamp,
    /// Requests that were made to revoke it.
    #[serde(default)]
    pub tries: u32,
    /// No request before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}
