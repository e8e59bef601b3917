//! What a provider's TLS refers to, among the objects of the same files.
//!
//! What is not among them may be in the cluster. Bytes of keys are handed on and never said.

use k8s_openapi::jiff::Timestamp;
use secrecy::ExposeSecret;

use super::{
    finding::{Finding, Severity},
    manifest::{Manifest, Object, ProviderManifest},
};
use crate::{
    api::{
        ProviderKind,
        names::{ROLE_LABEL, ROLE_TLS},
        provider::{CaBundleKind, Tls},
    },
    operator::tls_reference::{Referred, TlsPart, TlsReference, TlsReferenceError},
};

/// The object that a reference of a provider leads to.
struct Target<'m> {
    manifest: &'m Manifest,
    reference: TlsReference,
}

/// All that is wrong with what a provider refers to; nothing, if this is no provider.
#[must_use]
pub fn check(all: &[Manifest], at: &Manifest) -> Vec<Finding> {
    let Object::Provider(provider) = &at.object else { return Vec::new() };
    let references = provider.spec.tls.as_ref().map(TlsReference::all).unwrap_or_default();
    references.into_iter().filter_map(|reference| check_one(all, at, provider, reference)).collect()
}

fn check_one(all: &[Manifest], at: &Manifest, provider: &ProviderManifest, reference: TlsReference) -> Option<Finding> {
    let path = reference.path();
    let Some(manifest) = find(all, at, provider, &reference) else {
        let message = format!("{} is not among these files, so it is not checked", reference.place(None));
        return Some(at.finding(&format!("{path}.name"), message, Severity::Note));
    };
    let target = Target { manifest, reference };
    if !target.is_labelled() {
        let message = format!("needs {ROLE_LABEL}: {ROLE_TLS}, by which its owner agrees that {path} of {at} uses it");
        return Some(target.manifest.finding("metadata.labels", message, Severity::Error));
    }
    let checked = target.read().and_then(|referred| match &referred {
        Referred::ClientCertificate(it) => target.reference.check_expiry(None, it, Timestamp::now()),
        Referred::CaBundle(_) => Ok(()),
    });
    let error = checked.err()?;
    Some(at.finding(path, error.fault.to_string(), Severity::Error))
}

/// What a part of a provider's TLS is by the files; `None`: it is not among them.
///
/// # Errors
/// If it cannot be used.
pub fn referred(
    all: &[Manifest],
    at: &Manifest,
    tls: &Tls,
    part: TlsPart,
) -> Option<Result<Referred, TlsReferenceError>> {
    let Object::Provider(provider) = &at.object else { return None };
    let reference = TlsReference::all(tls).into_iter().find(|reference| reference.part == part)?;
    let manifest = find(all, at, provider, &reference)?;
    Some(Target { manifest, reference }.read())
}

/// The same file's first. What a ClusterTokenProvider refers to lies in the operator's namespace, whatever that is.
fn find<'m>(
    all: &'m [Manifest],
    at: &Manifest,
    provider: &ProviderManifest,
    reference: &TlsReference,
) -> Option<&'m Manifest> {
    let anywhere = provider.kind == ProviderKind::ClusterTokenProvider || at.namespace.is_none();
    let fits = |other: &&Manifest| {
        let kind = match other.object {
            Object::Secret(_) => CaBundleKind::Secret,
            Object::ConfigMap(_) => CaBundleKind::ConfigMap,
            _ => return false,
        };
        let beside = anywhere || other.namespace.is_none() || other.namespace == at.namespace;
        kind == reference.kind && other.name == reference.name && beside
    };
    let near = |other: &&Manifest| other.file() == at.file();
    all.iter().filter(near).find(fits).or_else(|| all.iter().find(fits))
}

impl Target<'_> {
    fn is_labelled(&self) -> bool {
        match &self.manifest.object {
            Object::Secret(secret) => secret.role.as_deref() == Some(ROLE_TLS),
            _ => true,
        }
    }

    fn read(&self) -> Result<Referred, TlsReferenceError> {
        self.reference.read(None, |key| match &self.manifest.object {
            Object::Secret(secret) => secret.data.get(key).map(ExposeSecret::expose_secret),
            Object::ConfigMap(data) => data.get(key).map(String::as_bytes),
            _ => None,
        })
    }
}
