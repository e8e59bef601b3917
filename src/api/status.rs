//! What the operator reports. Never read to decide anything.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{
    http::{FailureClass, Operation},
    reference::NameRef,
};

/// The condition that says whether the token in the output can be used.
pub const READY: &str = "Ready";
/// The condition that says that something is under way or will be tried again.
pub const RECONCILING: &str = "Reconciling";
/// The condition that says that nothing happens before somebody acts.
pub const STALLED: &str = "Stalled";

/// What the operator last saw and did for an ApiToken. All times are RFC 3339 in whole seconds, UTC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiTokenStatus {
    /// The generation of the spec that this status is about; -1 before the first pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready is True exactly while the output holds an unexpired token of this spec; its reason says why, in one word,
    /// its message what to do. Reconciling is True while a retry is due, Stalled while nothing happens before somebody
    /// acts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Name of the Secret that holds the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// The same Secret, as the Service Binding specification wants a "provisioned service" to name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<NameRef>,
    /// How the access token was obtained: Login or Refresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_operation: Option<Operation>,
    /// When the access token was obtained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<Time>,
    /// When the access token expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// When the access token will be renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_at: Option<Time>,
    /// When the operator last logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_started_at: Option<Time>,
    /// Until when the session can be refreshed, if the provider has such a limit; a login is made before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_expires_at: Option<Time>,
    /// Failures since the last success; absent while all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<Failures>,
}

/// Failures since the last success; absent while all is well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failures {
    /// How many attempts have failed since the last success.
    pub count: i32,
    /// When the last attempt failed.
    pub last_at: Time,
    /// When the next attempt is due; absent if there is none before somebody acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Time>,
    /// What the last failure means: Rejected, SessionOver, RateLimited, Transient or Misconfigured.
    pub class: FailureClass,
    /// What went wrong and what to do. Never a secret.
    pub message: String,
}

/// What the operator last saw of a provider's definition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderStatus {
    /// The generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready is False if the definition cannot be used; its message tells what is wrong with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
