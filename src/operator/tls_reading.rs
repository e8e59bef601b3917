//! Reads what a provider's TLS refers to, and tells the index what came of it.
//!
//! By name and never by list: the right to `get` single objects suffices, and nothing is held of any other. Metadata
//! come first, so that a Secret without its owner's label is not even read, and what has not changed costs nothing more.

use std::{fmt::Debug, sync::Arc, time::Duration};

use futures::future::join_all;
use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::{ConfigMap, Secret},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
    jiff::{SignedDuration, Timestamp},
};
use kube::Api;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};

use super::{
    Operator,
    cluster::{ApiError, Target, Urgency},
    entry::ProviderKey,
    tls_reference::{Fault, Found, Looked, TlsReference, TlsReferenceError, TlsReferences},
};
use crate::api::{
    names::{ROLE_LABEL, ROLE_TLS},
    provider::CaBundleKind,
};

/// What was read so long ago still counts for a request: a crowd of ApiTokens costs one reading.
const FRESH_FOR: Duration = Duration::from_secs(5);
/// Between readings while nothing is asked of the provider. No watch tells of ConfigMaps, nor of Secrets in a namespace
/// that is not served.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(60);
/// An API server that has just started refuses rights that it has not read yet: a refusal counts once nothing was read
/// for so long.
const REFUSED_AFTER: Duration = Duration::from_secs(120);
/// How long the first passes wait for the first readings.
const FIRST_WITHIN: Duration = Duration::from_secs(10);

type Reading = Result<Found, Arc<TlsReferenceError>>;

/// Before the first pass: what was not read yet looks as if somebody had changed it.
pub async fn read_all(operator: &Operator) {
    let providers = operator.index.providers_with_references();
    let reading = join_all(providers.iter().map(|key| read(operator, key, Urgency::Renewal)));
    // What fails here is read again by the pass over the provider, which tells of it.
    let _ = timeout(FIRST_WITHIN, reading).await;
}

/// When to look at the references of a provider again; `None`: it has none.
#[must_use]
pub fn look_again(operator: &Operator, key: &ProviderKey) -> Option<Timestamp> {
    let entry = operator.index.provider(key)?;
    (!entry.references.all.is_empty()).then(|| operator.now() + LOOK_AGAIN)
}

/// Sees to it that what is known is fresh enough for a request.
///
/// # Errors
/// When the API server does not answer; what was known stays.
pub async fn refresh(operator: &Operator, key: &ProviderKey, urgency: Urgency) -> Result<(), ApiError> {
    look(operator, key, urgency, FRESH_FOR).await
}

/// Reads the references now.
///
/// # Errors
/// As [`refresh`].
pub async fn read(operator: &Operator, key: &ProviderKey, urgency: Urgency) -> Result<(), ApiError> {
    look(operator, key, urgency, Duration::ZERO).await
}

async fn look(operator: &Operator, key: &ProviderKey, urgency: Urgency, fresh_for: Duration) -> Result<(), ApiError> {
    let Some(entry) = operator.index.provider(key) else { return Ok(()) };
    let references = &entry.references;
    if references.all.is_empty() {
        return Ok(());
    }
    let asked = Instant::now();
    let mut last = references.last.lock().await;
    // Somebody else may have read them while this one waited.
    if last.as_ref().is_some_and(|last| last.at >= asked || last.at.elapsed() < fresh_for) {
        return Ok(());
    }
    let namespace = key.namespace.as_deref().unwrap_or(&operator.own_namespace);
    let at = Instant::now();
    let lately = last.as_ref().is_some_and(|last| last.at.elapsed() < REFUSED_AFTER);
    let mut found = Vec::with_capacity(references.all.len());
    for (index, reference) in references.all.iter().enumerate() {
        let before = last.as_ref().and_then(|last| last.found[index].as_ref().ok());
        let settles = lately && before.is_some();
        found.push(Reader { operator, urgency, namespace, reference, settles }.read(before).await?);
    }
    settle(operator, key, references, namespace, &found);
    *last = Some(Looked { at, found });
    Ok(())
}

/// Tells the index, and wakes whom a change concerns.
fn settle(operator: &Operator, key: &ProviderKey, references: &Arc<TlsReferences>, namespace: &str, found: &[Reading]) {
    let now = operator.now();
    let material = references.material(Some(namespace), found, now);
    let material = material.map(Arc::new).map_err(|error| Arc::from(error.to_string()));
    let settled = operator.index.settle_tls(key, references, material, now);
    if let Some(replaced) = settled.replaced {
        tracing::info!(provider = %key, "what spec.tls refers to has changed");
        operator.egress.forget(&replaced);
    }
    for subject in settled.concerned {
        operator.wake(subject);
    }
}

/// Reads one object.
struct Reader<'a> {
    operator: &'a Operator,
    urgency: Urgency,
    namespace: &'a str,
    reference: &'a TlsReference,
    /// It could be read a short while ago: a refusal may pass.
    settles: bool,
}

/// What both kinds are to us.
trait Holder: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned + Clone + Debug {
    const RESOURCE: &'static str;

    fn get(&self, key: &str) -> Option<&[u8]>;
}

impl Reader<'_> {
    async fn read(&self, before: Option<&Found>) -> Result<Reading, ApiError> {
        let read = match self.reference.kind {
            CaBundleKind::ConfigMap => self.read_a::<ConfigMap>(before).await,
            CaBundleKind::Secret => self.read_a::<Secret>(before).await,
        };
        match read {
            Ok(found) => Ok(Ok(found)),
            Err(Unread::Reference(error)) => Ok(Err(Arc::new(error))),
            Err(Unread::Api(error)) => Err(error),
        }
    }

    async fn read_a<K: Holder>(&self, before: Option<&Found>) -> Result<Found, Unread> {
        let api: Api<K> = Api::namespaced(self.operator.cluster.client.clone(), self.namespace);
        let name = self.reference.name.as_str();
        let target = Target { verb: "get", resource: K::RESOURCE, namespace: self.namespace, name };
        let called = self.operator.cluster.call(self.urgency, target, || api.get_metadata(name)).await;
        let metadata = called.map_err(|error| self.judge(K::RESOURCE, error))?.metadata;
        self.check_label(&metadata)?;
        if let Some(before) = before.filter(|before| before.version == version(&metadata)) {
            return Ok(before.clone());
        }
        let called = self.operator.cluster.call(self.urgency, target, || api.get(name)).await;
        let object = called.map_err(|error| self.judge(K::RESOURCE, error))?;
        // Consent can have been withdrawn since: what is used must carry the label.
        self.check_label(object.meta())?;
        let referred = self.reference.read(Some(self.namespace), |key| object.get(key)).map_err(Unread::Reference)?;
        Ok(Found { version: version(object.meta()), referred })
    }

    /// A ConfigMap is nothing secret, and needs no consent.
    fn check_label(&self, metadata: &ObjectMeta) -> Result<(), Unread> {
        let labelled = metadata.labels.iter().flatten().any(|(key, value)| key == ROLE_LABEL && value == ROLE_TLS);
        if labelled || self.reference.kind == CaBundleKind::ConfigMap {
            return Ok(());
        }
        Err(Unread::Reference(self.reference.not_labelled(Some(self.namespace))))
    }

    fn judge(&self, resource: &'static str, error: ApiError) -> Unread {
        if error.is_not_found() {
            return Unread::Reference(self.reference.missing(Some(self.namespace)));
        }
        if error.is_passing() || self.settles {
            return Unread::Api(error);
        }
        let (problem, name) = (error.to_string(), self.reference.name.clone());
        Unread::Reference(self.reference.error(Fault::Refused { problem, resource, name }))
    }
}

/// Why nothing was found.
enum Unread {
    /// Somebody has to act.
    Reference(TlsReferenceError),
    /// It passes.
    Api(ApiError),
}

impl Holder for ConfigMap {
    const RESOURCE: &'static str = "configmaps";

    fn get(&self, key: &str) -> Option<&[u8]> {
        let text = self.data.as_ref().and_then(|data| data.get(key)).map(String::as_bytes);
        text.or_else(|| self.binary_data.as_ref()?.get(key).map(|bytes| bytes.0.as_slice()))
    }
}

impl Holder for Secret {
    const RESOURCE: &'static str = "secrets";

    fn get(&self, key: &str) -> Option<&[u8]> {
        self.data.as_ref()?.get(key).map(|bytes| bytes.0.as_slice())
    }
}

fn version(metadata: &ObjectMeta) -> String {
    let part = |text: &Option<String>| text.clone().unwrap_or_default();
    format!("{}/{}", part(&metadata.uid), part(&metadata.resource_version))
}
