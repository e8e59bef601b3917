//! The `http` form, second half: where in a reply the values stand, and when they end (PROVIDER-FORM sections 3, 4).

use std::{borrow::Cow, collections::BTreeMap};

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::{duration::HumanDuration, schema};

/// Where the values of a good reply stand. A reply that is not good is never read for values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Response {
    /// The token that pods use. A login whose reply lacks it failed (ResponseInvalid); a refresh whose reply lacks it
    /// ends the session, and one login follows.
    pub access_token: Value,
    /// What a refresh presents to get the next access token. A refresh reply without it keeps the earlier one; one
    /// with it replaces the earlier one. Never in the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<OptionalValue>,
    /// Further values to keep, by a name of your own: a letter, then letters and digits, at most 16 of them, not
    /// accessToken, refreshToken or expiresAt. A template names one as ${outputs.NAME} (in a request of refresh
    /// ${session.outputs.NAME}). Example: { authorization: { json: /session/authorization } }.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "outputs")]
    pub outputs: BTreeMap<String, OptionalValue>,
    /// When the access token ends, 1 to 8 ways to tell; the earliest that the reply yields wins, whatever the order.
    /// Example: [ { seconds: { json: /expires_in } }, { jwt: accessToken }, { after: 1h } ].
    #[schemars(length(min = 1, max = 8))]
    pub expiry: Vec<Expiry>,
    /// When the session ends, whatever refreshes are still made: at most 8 ways to tell, as for expiry but without
    /// after (for a fixed time there is refresh.sessionLimit). If a reply yields none, the earlier end stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(validation = Rule::new("self.all(e, !has(e.after))")
        .message("takes no after: for a fixed time there is sessionLimit"))]
    pub session_expiry: Vec<Expiry>,
}

/// Where in a reply a value stands. Exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("[has(self.json), has(self.header), has(self.cookie), \
    has(self.text)].exists_one(given, given)")
    .message("give exactly one of json, header, cookie and text: the place where the value stands"))]
pub struct Value {
    /// A JSON pointer (RFC 6901) into the body, such as /session/accessToken or /data/0/token; "" is the whole
    /// document. Numbers and booleans are taken as JSON writes them; null and "" count as absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::json_pointer")]
    pub json: Option<String>,
    /// Name of a header of the reply, without regard to case; if it stands there several times, the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::header_name")]
    pub header: Option<String>,
    /// Name of a cookie that the reply sets; its raw value, the last if it is set several times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cookie_name")]
    pub cookie: Option<String>,
    /// The whole body as text, without line ends at its end: write text: {}.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::presence")]
    pub text: Option<Text>,
}

/// The whole body: `text: {}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schema::presence(generator)
    }
}

/// A value that a reply may lack. Exactly one of `json`, `header`, `cookie`, `text`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("[has(self.json), has(self.header), has(self.cookie), \
    has(self.text)].exists_one(given, given)")
    .message("give exactly one of json, header, cookie and text: the place where the value stands"))]
pub struct OptionalValue {
    /// A JSON pointer (RFC 6901) into the body, such as /session/refreshToken; "" is the whole document. Numbers and
    /// booleans are taken as JSON writes them; null and "" count as absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::json_pointer")]
    pub json: Option<String>,
    /// Name of a header of the reply, without regard to case; if it stands there several times, the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::header_name")]
    pub header: Option<String>,
    /// Name of a cookie that the reply sets; its raw value, the last if it is set several times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cookie_name")]
    pub cookie: Option<String>,
    /// The whole body as text, without line ends at its end: write text: {}.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::presence")]
    pub text: Option<Text>,
    /// Whether the reply of a login may lack the value. Default false: a login without it failed (ResponseInvalid).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// One way to learn when something ends. Exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("[has(self.seconds), has(self.milliseconds), has(self.minutes), \
    has(self.epochSeconds), has(self.epochMilliseconds), has(self.epochMicroseconds), has(self.timestamp), \
    has(self.jwt), has(self.cookie), has(self.after)].exists_one(given, given)")
    .message("give exactly one of seconds, milliseconds, minutes, epochSeconds, epochMilliseconds, \
        epochMicroseconds, timestamp, jwt, cookie and after in one entry"))]
pub struct Expiry {
    /// A number of seconds from the moment the request was sent. Example: { seconds: { json: /expires_in } }.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<Value>,
    /// A number of milliseconds from the moment the request was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<Value>,
    /// A number of minutes from the moment the request was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<Value>,
    /// A point in time, in seconds since 1970-01-01T00:00:00Z.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch_seconds: Option<Value>,
    /// A point in time, in milliseconds since 1970-01-01T00:00:00Z; a value below 1e11 is taken as seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch_milliseconds: Option<Value>,
    /// A point in time, in microseconds since 1970-01-01T00:00:00Z.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch_microseconds: Option<Value>,
    /// A point in time as RFC 3339 (without a zone: UTC) or as an HTTP date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Value>,
    /// The exp claim of a value that is a JWT: accessToken, refreshToken or the name of one of outputs. The signature
    /// is not verified. A value that is no JWT, or has no exp, yields nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::output_name")]
    pub jwt: Option<String>,
    /// Name of a cookie that the reply sets: its Max-Age, else its Expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cookie_name")]
    pub cookie: Option<String>,
    /// A fixed time from the moment the request was sent, such as 30m; longer than 0. It counts only if no other
    /// entry yields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub after: Option<HumanDuration>,
}

pub(super) fn outputs(generator: &mut SchemaGenerator) -> Schema {
    schema::outputs_of(&OptionalValue::json_schema(generator))
}
