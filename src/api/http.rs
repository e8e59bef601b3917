//! The `http` form, first half: the requests that log in and refresh (PROVIDER-FORM sections 1 and 2).

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    duration::HumanDuration,
    errand::{Probe, Revoke},
    schema,
};

pub use super::failure::{ErrorRule, FailureClass, Operation};
pub use super::request::{BasicAuth, BasicAuthEncoding, Body, Method, Request};
pub use super::response::{Expiry, OptionalValue, Response, Text, Value};

/// A login API described as data. The only expression is `${name}`, and only where a field says that it is a template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!has(self.refresh) || !has(self.refresh.response) || \
    !has(self.refresh.response.outputs) || self.refresh.response.outputs.all(name, has(self.login.response.outputs) \
    && name in self.login.response.outputs)")
    .message("refresh.response.outputs may only name outputs that login.response.outputs names too")
    .field_path(".refresh.response.outputs"))]
pub struct Http {
    /// The keys of the credentials Secret that requests may use. Nothing else of the Secret is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<CredentialKeys>,
    /// The request that turns credentials into a session, and how its reply is read.
    pub login: Login,
    /// The request that turns a session into its next access token. Absent: each renewal is a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<Refresh>,
    /// A request that shows, now and then, whether the access token is still good; it names ${session.accessToken} or
    /// ${session.outputs.NAME}. A refused token is renewed once; if the next one is refused too, renewals for that keep
    /// growing pauses. Absent: nobody asks before the renewal that is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
    /// A request that revokes the access token before the one in the output, 5 minutes or more after that was written
    /// there; of the token before it names ${session.accessToken} or ${session.outputs.NAME}. Nothing is revoked when
    /// an ApiToken is deleted. Absent: each token lives to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke: Option<Revoke>,
    /// What replies to login and refresh mean, before all else is looked at; the first rule that matches counts, at
    /// most 32. For replies without a rule: 400, 401, 403, 422 reject a login and end a session, 429 is RateLimited,
    /// 5xx is Transient.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub errors: Vec<ErrorRule>,
}

/// The declared keys of a credentials Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!has(self.required) || !has(self.optional) || \
    !self.required.exists(key, key in self.optional)")
    .message("a key is either required or optional, not both"))]
pub struct CredentialKeys {
    /// Keys without which there is no login (CredentialsIncomplete), at most 32. A template names one as
    /// ${credentials.KEY}. Example: [username, password].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::secret_keys")]
    pub required: Vec<String>,
    /// Keys that the Secret may lack, at most 32; an entry of a request that uses an absent one is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::secret_keys")]
    pub optional: Vec<String>,
}

/// The request that logs in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    #[serde(flatten)]
    pub request: Request,
    /// Where in the reply the values stand.
    pub response: Response,
}

/// The request that refreshes. At least one of its templates uses `${session.accessToken}`, `${session.refreshToken}`
/// or `${session.outputs.NAME}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refresh {
    #[serde(flatten)]
    pub request: Request,
    /// Where in the reply the values stand. Absent: where login.response says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Response>,
    /// How long after the login the provider still refreshes, such as 720h; longer than 0. It does not slide; a login
    /// is made before it is reached. Absent: no limit is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub session_limit: Option<HumanDuration>,
    /// Whether the same refresh token may be presented twice. OneTime (default): never; after a crash at the wrong
    /// moment this costs one login. Reusable: yes, the provider accepts it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse: Option<Reuse>,
}

/// Whether a refresh token may be presented more than once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::without_description)]
pub enum Reuse {
    /// No: the provider may revoke the session if it is.
    #[default]
    OneTime,
    /// Yes.
    Reusable,
}
