//! What a reply that is not good means: the classes of failure, and the rules by which a provider names them.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{response::Text, schema};

/// When a reply matches, what it means. All that is given must match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("[has(self.json), has(self.header), has(self.text)].filter(given, given).size() <= 1")
    .message("give at most one of json, header and text in one rule"))]
#[x_kube(validation = Rule::new("has(self.status) || has(self.json) || has(self.header) || has(self.text)")
    .message("a rule needs status, or one of json, header and text: otherwise it would match every reply"))]
#[x_kube(validation = Rule::new("!has(self.equals) || has(self.json) || has(self.header) || has(self.text)")
    .message("equals compares what stands at json, header or text: give one of them").field_path(".equals"))]
#[x_kube(validation = Rule::new("self.class != 'SessionOver' || (has(self.operation) && self.operation == 'Refresh')")
    .message("SessionOver needs operation: Refresh, since a login has no session that could be over")
    .field_path(".class"))]
pub struct ErrorRule {
    /// Login or Refresh: replies of which operation the rule is about. Absent: of both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// HTTP status of the reply, any of these (200 to 599, at most 32). Absent: any status. Example: [200] for an API
    /// that answers a wrong password with 200.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::statuses")]
    pub status: Vec<i32>,
    /// A JSON pointer (RFC 6901) into the body, such as /error/code. A body that is not JSON does not match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::json_pointer")]
    pub json: Option<String>,
    /// Name of a header of the reply, without regard to case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::header_name")]
    pub header: Option<String>,
    /// The whole body as text: write text: {}.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::presence")]
    pub text: Option<Text>,
    /// What stands at json, header or text must be one of these texts, exactly; "true" matches the JSON values true
    /// and "true". Absent: it is enough that something stands there that is not null. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::expected_texts")]
    pub equals: Vec<String>,
    /// What the reply means. Rejected: the credentials are wrong; no further attempt until they change.
    /// SessionOver: log in once (only with operation: Refresh). RateLimited: wait as told, keep the token.
    /// Transient: try again with growing pauses. Misconfigured: the definition does not fit the API.
    pub class: FailureClass,
    /// A word of your own for people, in capitalised words joined together: MfaRequired. It stands in the ApiToken's
    /// message. 1 to 64 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Z][A-Za-z0-9]*$')")
        .message("must be a capital letter, then letters and digits, such as MfaRequired"))]
    pub reason: Option<String>,
}

/// What is asked of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::without_description)]
pub enum Operation {
    /// Credentials for a new session.
    Login,
    /// A session for its next access token.
    Refresh,
}

/// What a failure means for what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::without_description)]
pub enum FailureClass {
    /// The credentials are refused: one attempt for each content of them.
    Rejected,
    /// The session cannot be refreshed any more: one login.
    SessionOver,
    /// Too many requests: wait as told.
    RateLimited,
    /// It may work later: growing pauses.
    Transient,
    /// The definition does not fit the API: somebody has to change one of them.
    Misconfigured,
}
