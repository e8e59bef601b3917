//! One request of the `http` form (PROVIDER-FORM section 2).

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::schema;

/// One request to the provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.method != 'GET' || !has(self.body)")
    .message("a GET request has no body: use query, or another method")
    .field_path(".body").reason(Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.basicAuth) || !has(self.headers) || \
    !self.headers.exists(k, k.lowerAscii() == 'authorization')")
    .message("basicAuth makes the Authorization header: give one of the two")
    .field_path(".headers").reason(Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.body) || !has(self.body.multipart) || !has(self.headers) || \
    !self.headers.exists(k, k.lowerAscii() == 'content-type')")
    .message("a multipart body makes the Content-Type header itself, with its boundary")
    .field_path(".headers").reason(Reason::FieldValueForbidden))]
pub struct Request {
    /// GET, POST, PUT, PATCH or DELETE.
    pub method: Method,
    /// Template, appended to the provider's url as it is: /auth/token, /v1/auth/refresh/${session.accessToken}. A value
    /// becomes part of one segment, percent-encoded. 1 to 1024 characters; no query, no optional names.
    #[schemars(schema_with = "schema::path")]
    pub path: String,
    /// Names and templates of the query, at most 32; values are percent-encoded. An entry whose template uses an absent
    /// value is left out; "" is sent as an empty value. Example: { setCookie: "false" }.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::fields")]
    pub query: BTreeMap<String, String>,
    /// Names and templates of headers, at most 32. Content-Type follows from body, and Accept is application/json
    /// first, unless given here. Example: { X-API-Key: "${credentials.apiKey}" }.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::headers")]
    pub headers: BTreeMap<String, String>,
    /// HTTP basic authentication; instead of an Authorization header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    /// What is sent: exactly one of json, form and multipart. Absent: no body. Not with GET.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
}

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::without_description)]
pub enum Method {
    #[serde(rename = "GET")]
    Get,
    #[serde(rename = "POST")]
    Post,
    #[serde(rename = "PUT")]
    Put,
    #[serde(rename = "PATCH")]
    Patch,
    #[serde(rename = "DELETE")]
    Delete,
}

/// HTTP basic authentication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BasicAuth {
    /// Template of the user name, such as ${credentials.clientId}; no optional names. At most 4096 characters.
    #[schemars(schema_with = "schema::template")]
    pub username: String,
    /// Template of the password, such as ${credentials.clientSecret}; no optional names. At most 4096 characters.
    #[schemars(schema_with = "schema::template")]
    pub password: String,
    /// Raw (default): both as they are, and no ':' in the user name. FormURLEncoded: each half form-urlencoded first,
    /// as RFC 6749 wants it for a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<BasicAuthEncoding>,
}

/// How the halves of basic authentication are written before base64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::without_description)]
pub enum BasicAuthEncoding {
    /// As they are.
    #[default]
    Raw,
    /// Form-urlencoded (RFC 6749, 2.3.1).
    FormURLEncoded,
}

/// Exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("[has(self.json), has(self.form), has(self.multipart)].exists_one(given, given)")
    .message("give exactly one of json, form and multipart"))]
pub struct Body {
    /// A JSON object; strings anywhere in it are templates, all else is sent as it is. A member whose template uses an
    /// absent value is left out. Example: { username: "${credentials.username}", remember: true }.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any_object")]
    pub json: Option<Map<String, Json>>,
    /// Names and templates of form fields (application/x-www-form-urlencoded), at most 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::fields")]
    pub form: Option<BTreeMap<String, String>>,
    /// Names and templates of the parts of a multipart/form-data body, at most 32; none is sent as a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::multipart_fields")]
    pub multipart: Option<BTreeMap<String, String>>,
}
