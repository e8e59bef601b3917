//! Requests about a token that bring none: a probe of whether it is still good, and the revocation of the one before.
//! Both are off unless they are written down.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{duration::HumanDuration, request::Request, response::Text, schema};

/// A request that shows whether the access token in the output is still good. Its templates have what a login has, and
/// `${session.accessToken}` and `${session.outputs.NAME}`, at least one of these two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    #[serde(flatten)]
    pub request: Request,
    /// Between two probes of one ApiToken, 1m to 24h. Default 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::probe_interval")]
    pub interval: Option<HumanDuration>,
    /// Replies that refuse the token, any of at most 8. Default: [ { status: [401] } ]. Every other reply, and none at
    /// all, proves nothing and changes nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub refused: Vec<RefusedReply>,
}

/// A reply that refuses the token. All that is given must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("[has(self.json), has(self.header), has(self.text)].filter(given, given).size() <= 1")
    .message("give at most one of json, header and text in one rule"))]
#[x_kube(validation = Rule::new("has(self.status) || has(self.json) || has(self.header) || has(self.text)")
    .message("a rule needs status, or one of json, header and text: otherwise it would match every reply"))]
#[x_kube(validation = Rule::new("!has(self.equals) || has(self.json) || has(self.header) || has(self.text)")
    .message("equals compares what stands at json, header or text: give one of them").field_path(".equals"))]
pub struct RefusedReply {
    /// HTTP status of the reply, any of these (200 to 599, at most 32). Absent: any status.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::statuses")]
    pub status: Vec<i32>,
    /// A JSON pointer (RFC 6901) into the body, such as /active. A body that is not JSON does not match.
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
    /// What stands at json, header or text must be one of these texts, exactly; "false" matches the JSON values false
    /// and "false". Absent: it is enough that something stands there that is not null. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::expected_texts")]
    pub equals: Vec<String>,
}

/// A request that revokes the access token before the one in the output. Its templates have what a login has, and of
/// the token before `${session.accessToken}` and `${session.outputs.NAME}`, at least one of these two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Revoke {
    #[serde(flatten)]
    pub request: Request,
}

/// Where a server of OAuth 2.0 tells whether an access token is still good. A token that is refused is renewed once; if
/// the next one is refused too, the renewals keep growing pauses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.introspectionURL) != has(self.resourceURL)")
    .message("give exactly one of introspectionURL and resourceURL"))]
pub struct OAuth2Probe {
    /// Token introspection (RFC 7662): asked by POST with the token, the client authenticated as clientAuth says;
    /// active: false refuses the token. Example: https://idp.example.com/oauth2/introspect.
    #[serde(default, rename = "introspectionURL", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::token_url")]
    pub introspection_url: Option<String>,
    /// A resource that wants the token, such as the userinfo endpoint: asked by GET with Authorization: Bearer; 401
    /// refuses the token. Example: https://idp.example.com/oauth2/userinfo.
    #[serde(default, rename = "resourceURL", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::token_url")]
    pub resource_url: Option<String>,
    /// Between two probes of one ApiToken, 1m to 24h. Default 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::probe_interval")]
    pub interval: Option<HumanDuration>,
}

/// Where a server of OAuth 2.0 revokes tokens (RFC 7009): the access token before the one in the output, 5 minutes or
/// more after that was written there. Some servers end the whole session with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OAuth2Revoke {
    /// Asked by POST with the token, the client authenticated as clientAuth says. Example:
    /// https://idp.example.com/oauth2/revoke.
    #[serde(rename = "revocationURL")]
    #[schemars(schema_with = "schema::token_url")]
    pub revocation_url: String,
}
