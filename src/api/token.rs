//! `ApiToken`: which provider, which credentials, and where the token shall stand.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{duration::HumanDuration, provider::NameRef, schema, status::ApiTokenStatus};

/// Which provider, which credentials, and where the token shall stand. Everything can be changed later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "apitoken.dev",
    version = "v1alpha1",
    kind = "ApiToken",
    namespaced,
    status = "ApiTokenStatus",
    derive = "PartialEq",
    shortname = "apit",
    category = "apitoken-operator",
    doc = "A token of an API, kept valid in a Secret. The operator logs in to the provider with the credentials, \
           refreshes the token before it expires, and writes it to the output Secret that pods mount.",
    validation = Rule::new("!has(self.spec.credentialsRef) || (has(self.spec.output) && \
        has(self.spec.output.secretName) ? self.spec.output.secretName : self.metadata.name) != \
        self.spec.credentialsRef.name")
        .message("the output must not be the credentials Secret: set output.secretName to another name (its default \
            is the ApiToken's own name)")
        .field_path(".spec.credentialsRef.name"),
    validation = Rule::new("!(has(self.spec.output) && \
        has(self.spec.output.secretName) ? self.spec.output.secretName : \
        self.metadata.name).startsWith('apitoken-session-')")
        .message("Secrets named apitoken-session-... are the operator's own: set output.secretName to another name \
            (its default is the ApiToken's own name)")
        .field_path(".spec"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "True exactly while the Secret holds an unexpired token of this spec."),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why, in one word."),
    printcolumn(name = "Provider", type_ = "string", json_path = ".spec.providerRef.name",
        description = "The provider that issues the token."),
    printcolumn(name = "Secret", type_ = "string", json_path = ".status.secretName",
        description = "The Secret that holds the token."),
    printcolumn(name = "Expires", type_ = "string", json_path = ".status.expiresAt",
        description = "When the token in the Secret expires."),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp",
        description = "How long ago the object was created."),
    printcolumn(name = "Renews", type_ = "string", json_path = ".status.renewAt",
        description = "When the token is renewed.", priority = 1),
    printcolumn(name = "Operation", type_ = "string", json_path = ".status.lastOperation",
        description = "How the token was obtained.", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        description = "What has happened and what to do.", priority = 1)
)]
#[serde(rename_all = "camelCase")]
pub struct ApiTokenSpec {
    /// The provider that issues the token.
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub provider_ref: ProviderRef,
    /// The Secret, in the same namespace, that holds the credentials under the keys that the provider wants. It needs
    /// the label apitoken.dev/role=credentials, by which its owner agrees that they are sent to the provider. Required
    /// if the provider wants keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_ref: Option<NameRef>,
    /// Values for the parameters that the provider declares, at most 16 of at most 1024 characters. Not secret.
    /// Example: { scope: read }.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::parameter_values")]
    pub parameters: BTreeMap<String, String>,
    /// The Secret that pods mount. Absent: a Secret of the ApiToken's name with what the provider suggests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
    /// When to renew the token. Absent: at 67 percent of its lifetime; after the first login and after an outage
    /// anywhere from 15 percent on, so that what began together does not go on together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<RefreshPolicy>,
    /// Whether to leave the provider alone. Default false. While true, the Secret keeps the token it has, and that
    /// expires in its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// A provider, by kind and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.kind == 'Preset' ? self.name.matches('^[A-Za-z][A-Za-z0-9-]{0,62}$') : \
    self.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')")
    .message("must be the name of an object (lowercase letters, digits, '-' and '.'), or with kind Preset that of a \
        preset, such as Palette")
    .field_path(".name"))]
pub struct ProviderRef {
    /// ClusterTokenProvider (default). TokenProvider: in the same namespace. Preset: one that the operator ships, with
    /// the vendor's own URL and no object at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "ClusterTokenProvider"))]
    pub kind: Option<ProviderKind>,
    /// Name of the provider, such as tenovos, or of the preset, such as Tenovos; 1 to 253 characters.
    #[schemars(length(max = 253))]
    pub name: String,
}

/// What kind of provider is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::without_description)]
pub enum ProviderKind {
    /// For all namespaces, or those it allows.
    #[default]
    ClusterTokenProvider,
    /// In the same namespace.
    TokenProvider,
    /// Shipped with the operator.
    Preset,
}

/// The Secret that pods mount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// Name of the Secret, 1 to 253 characters. Default: the ApiToken's name. Never the credentials Secret. A Secret
    /// that exists already is only taken over if its owner labels it apitoken.dev/role=output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::object_name")]
    pub secret_name: Option<String>,
    /// Keys and templates, 1 to 32 of at most 4096 characters: ${accessToken}, ${expiresAt} (RFC 3339) and
    /// ${outputs.NAME}. Default: what the provider suggests, else { token: "${accessToken}" }. Example:
    /// { header: "Authorization: Bearer ${accessToken}" }.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::output_data")]
    pub data: BTreeMap<String, String>,
    /// Labels of the Secret, at most 32; none under apitoken.dev/, kubernetes.io/ or k8s.io/, but app.kubernetes.io/
    /// is free to use.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::labels")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the Secret, at most 32 of at most 4096 characters; none under apitoken.dev/, kubernetes.io/ or
    /// k8s.io/, but app.kubernetes.io/ is free to use.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::annotations")]
    pub annotations: BTreeMap<String, String>,
    /// What becomes of the Secret when the ApiToken is deleted. Delete (default): it goes too. Retain: it stays, with
    /// the token it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_delete: Option<OnDelete>,
}

/// What becomes of the output when the ApiToken is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::without_description)]
pub enum OnDelete {
    /// It is owned, and garbage collection deletes it.
    #[default]
    Delete,
    /// It stays.
    Retain,
}

/// When to renew. At most one member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.before) || !has(self.atPercent)")
    .message("give at most one of before and atPercent"))]
pub struct RefreshPolicy {
    /// This long before the token expires, such as 5m; longer than 0. It is kept between 10 and 95 percent of the
    /// token's lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub before: Option<HumanDuration>,
    /// At this percentage of the token's lifetime, 10 to 95. Default 67. The exact moment lies up to 10 percent
    /// earlier, different for each ApiToken, so that not all are renewed at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 10, max = 95))]
    pub at_percent: Option<i32>,
}
