//! `TokenProvider` and `ClusterTokenProvider`: an API that issues tokens, described by data.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::{duration::HumanDuration, http::Http, oauth2::OAuth2, schema, status::ProviderStatus};

pub use super::reference::NameRef;
pub use super::tls::{CaBundleKind, CaBundleRef, Tls};

/// Where the API is, how a login and a refresh are done, and what may be asked of it. Exactly one of `preset`, `http`
/// and `oauth2`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "apitoken.dev",
    version = "v1alpha1",
    kind = "TokenProvider",
    namespaced,
    status = "ProviderStatus",
    derive = "PartialEq",
    category = "apitoken-operator",
    doc = "An API that issues tokens after a login, described by data, for the ApiTokens of its own namespace. \
           What it refers to lies in its namespace too. For all namespaces there is ClusterTokenProvider.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the definition can be used."
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why, in one word."
    ),
    printcolumn(
        name = "Preset",
        type_ = "string",
        json_path = ".spec.preset",
        description = "The preset that it is made from, if any."
    ),
    printcolumn(
        name = "URL",
        type_ = "string",
        json_path = ".spec.url",
        description = "The base URL, if it is not the preset's own."
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "How long ago the object was created."
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        description = "What is wrong with the definition, if anything.",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.preset), has(self.http), has(self.oauth2)].exists_one(given, given)")
    .message("give exactly one of preset, http and oauth2: it says how to log in"))]
#[x_kube(validation = Rule::new("!has(self.http) || has(self.url)")
    .message("http needs url: the base URL that the paths are appended to")
    .field_path(".url").reason(Reason::FieldValueRequired))]
#[x_kube(validation = Rule::new("!has(self.oauth2) || !has(self.url)")
    .message("oauth2 takes no url: it has tokenURL or issuer")
    .field_path(".url").reason(Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.url) || !self.url.startsWith('http:') || (has(self.tls) && \
    has(self.tls.insecureHTTP) && self.tls.insecureHTTP)")
    .message("plain http shows credentials to everybody on the way: use https, or say tls.insecureHTTP: true")
    .field_path(".url").reason(Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.oauth2) || !((has(self.oauth2.tokenURL) && \
    self.oauth2.tokenURL.startsWith('http:')) || (has(self.oauth2.issuer) && \
    self.oauth2.issuer.startsWith('http:'))) || (has(self.tls) && has(self.tls.insecureHTTP) && self.tls.insecureHTTP)")
    .message("plain http shows credentials to everybody on the way: use https, or say tls.insecureHTTP: true")
    .field_path(".oauth2").reason(Reason::FieldValueForbidden))]
pub struct TokenProviderSpec {
    /// Name of a preset that the operator ships, such as Palette (`apitoken-operator preset` lists them,
    /// `apitoken-operator preset NAME` prints one as http, ready to edit). Fields given beside it replace its own; url
    /// is required where each customer has his own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::preset_name")]
    pub preset: Option<String>,
    /// A login API of JSON, forms, headers or cookies, described as data. Needs url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// A token endpoint of OAuth 2.0. Without url: tokenURL or issuer says where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2: Option<OAuth2>,
    /// Base URL of the API: scheme, host, port and path prefix; no user, query or fragment; at most 1024 characters.
    /// Paths are appended to it. Required with http, absent with oauth2; a preset brings the vendor's own. Plain http
    /// only with tls.insecureHTTP. Example: https://api.example.com/v1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::base_url")]
    pub url: Option<String>,
    /// What an ApiToken may set by its own parameters, at most 16. A template names one as ${parameters.NAME}.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub parameters: Option<Vec<Parameter>>,
    /// What an output Secret holds if the ApiToken does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<ProviderOutput>,
    /// How much is asked of the provider at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Whom to trust, and what to show, when connecting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

/// Where the API is, how a login and a refresh are done, and who may use it. Exactly one of `preset`, `http` and
/// `oauth2`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "apitoken.dev",
    version = "v1alpha1",
    kind = "ClusterTokenProvider",
    status = "ProviderStatus",
    derive = "PartialEq",
    category = "apitoken-operator",
    doc = "An API that issues tokens after a login, described by data, for the ApiTokens of all namespaces or of those \
           that allowedNamespaces selects. What it refers to lies in the operator's namespace.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the definition can be used."
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why, in one word."
    ),
    printcolumn(
        name = "Preset",
        type_ = "string",
        json_path = ".spec.preset",
        description = "The preset that it is made from, if any."
    ),
    printcolumn(
        name = "URL",
        type_ = "string",
        json_path = ".spec.url",
        description = "The base URL, if it is not the preset's own."
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "How long ago the object was created."
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        description = "What is wrong with the definition, if anything.",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterTokenProviderSpec {
    #[serde(flatten)]
    pub definition: TokenProviderSpec,
    /// The namespaces whose ApiTokens may use the provider. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<AllowedNamespaces>,
}

/// Namespaces, by their labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowedNamespaces {
    /// Labels of the namespaces. An empty selector selects all. One namespace by its name:
    /// { matchLabels: { kubernetes.io/metadata.name: web } }.
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub selector: LabelSelector,
}

/// A value that an ApiToken may set. Not secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.default) || !has(self.required) || !self.required")
    .message("a required parameter has no default: the ApiToken has to set it").field_path(".default"))]
#[x_kube(validation = Rule::new("!has(self.default) || !has(self.enum) || self.default in self.enum")
    .message("the default must be one of enum").field_path(".default"))]
pub struct Parameter {
    /// Name by which an ApiToken sets it and a template uses it: 1 to 63 letters, digits, '_' and '-'.
    #[schemars(schema_with = "schema::parameter_name")]
    pub name: String,
    /// Value if the ApiToken sets none, at most 1024 characters. Not with required; one of enum if that is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::parameter_value")]
    pub default: Option<String>,
    /// Whether each ApiToken has to set it. Default false: it may be absent, and an entry of a request that uses it is
    /// then left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    /// The values that an ApiToken may choose from, at most 64. Absent: any.
    #[serde(default, rename = "enum", skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::choices")]
    pub enum_: Vec<String>,
}

/// What an output Secret holds if the ApiToken does not say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderOutput {
    /// Keys and templates of the output Secret, 1 to 32: ${accessToken}, ${expiresAt} (RFC 3339) and ${outputs.NAME}.
    /// Default { token: "${accessToken}" }.
    #[schemars(schema_with = "schema::output_data")]
    pub data: BTreeMap<String, String>,
}

/// How much is asked of the provider. What is left out takes the preset's value, else the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Requests in a second, on average; 1 to 1000. Default 50, or what the preset says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub requests_per_second: Option<i32>,
    /// Requests that may be made at once after a quiet time; 1 to 1000. Default 100, or what the preset says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub burst: Option<i32>,
    /// Requests that may be under way at the same time; 1 to 1000. Default 32, or what the preset says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub concurrency: Option<i32>,
    /// How long one request may take, from 1s to 5m. Default 30s, or what the preset says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::timeout")]
    pub timeout: Option<HumanDuration>,
}
