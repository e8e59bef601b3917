//! The TLS settings of a provider: whom to trust, and what to show.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{reference::NameRef, schema};

/// Whom to trust, and what to show, when connecting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.caBundle) || !has(self.caBundleRef)")
    .message("give at most one of caBundle and caBundleRef"))]
pub struct Tls {
    /// Certificates of the authorities to trust, as PEM text, at most 65536 characters; instead of the system's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::certificates")]
    pub ca_bundle: Option<String>,
    /// An object that holds such certificates as PEM text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle_ref: Option<CaBundleRef>,
    /// A Secret with a client certificate and its key (tls.crt and tls.key, PEM). It needs the label
    /// apitoken.dev/role=tls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate_ref: Option<NameRef>,
    /// Whether an http URL is accepted, over which credentials travel unprotected. Default false. For tests and odd
    /// corners.
    #[serde(default, rename = "insecureHTTP", skip_serializing_if = "Option::is_none")]
    pub insecure_http: Option<bool>,
}

/// A key of an object that holds certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaBundleRef {
    /// ConfigMap or Secret; a Secret needs the label apitoken.dev/role=tls.
    pub kind: CaBundleKind,
    /// Name of the object, 1 to 253 characters; it lies in the TokenProvider's namespace, or in the operator's for a
    /// ClusterTokenProvider.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
    /// Key in its data, such as ca.crt.
    #[schemars(schema_with = "schema::secret_key")]
    pub key: String,
}

/// What kind of object holds certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::without_description)]
pub enum CaBundleKind {
    ConfigMap,
    Secret,
}
