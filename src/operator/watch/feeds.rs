//! What each watch does with its objects: into the index, and whom it concerns.

use std::{collections::HashSet, hash::Hash, sync::Arc};

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Resource,
    core::{DeserializeGuard, PartialObjectMeta},
};

use super::Progress;
use crate::{
    api::{ApiToken, ClusterTokenProvider, ProviderKind, TokenProvider},
    operator::{
        Operator,
        entry::{Key, ProviderEntry, ProviderKey, SecretEntry, Subject, TokenEntry},
    },
};

/// What one watch does with its objects.
pub trait Feed {
    type Object;
    type Id: Hash + Eq;

    fn apply(&self, object: Self::Object) -> (Option<Self::Id>, Vec<Subject>);
    fn delete(&self, object: Self::Object) -> Vec<Subject>;
    /// After a list: what was not in it is gone.
    fn retain(&self, listed: &HashSet<Self::Id>) -> Vec<Subject>;
}

pub struct Tokens {
    pub operator: Arc<Operator>,
    pub namespace: Option<String>,
}

impl Feed for Tokens {
    type Object = DeserializeGuard<ApiToken>;
    type Id = Key;

    fn apply(&self, object: Self::Object) -> (Option<Key>, Vec<Subject>) {
        let key = Key::of(object.meta());
        let Ok(token) = object.0 else {
            // Its text may quote the object; the API server's own validation says more.
            tracing::warn!(
                namespace = key.namespace,
                name = key.name,
                "this ApiToken cannot be read; are the CRDs up to date?"
            );
            return (Some(key), Vec::new());
        };
        let entry = TokenEntry::read(token, self.operator.now());
        (Some(key.clone()), self.operator.index.apply_token(key, entry))
    }

    fn delete(&self, object: Self::Object) -> Vec<Subject> {
        let metadata = object.meta();
        let uid = metadata.uid.clone().unwrap_or_default();
        self.operator.duels.forget(&uid);
        self.operator.unsaved.forget(&uid);
        self.operator.index.remove_token(&Key::of(metadata), &uid)
    }

    fn retain(&self, listed: &HashSet<Key>) -> Vec<Subject> {
        self.operator.index.retain_tokens(self.namespace.as_deref(), listed)
    }
}

pub struct Secrets {
    pub operator: Arc<Operator>,
    pub namespace: Option<String>,
}

impl Feed for Secrets {
    type Object = PartialObjectMeta<Secret>;
    type Id = Key;

    fn apply(&self, object: Self::Object) -> (Option<Key>, Vec<Subject>) {
        let key = Key::of(&object.metadata);
        match SecretEntry::read(&object) {
            Some(entry) => (Some(key.clone()), self.operator.index.apply_secret(key, entry)),
            // With the role of TLS, whose content is read by whoever needs it.
            None => (None, self.operator.index.providers_referring_to(&key, &self.operator.own_namespace)),
        }
    }

    fn delete(&self, object: Self::Object) -> Vec<Subject> {
        let (key, uid) = (Key::of(&object.metadata), object.metadata.uid.clone().unwrap_or_default());
        // With credentials that are good for one login goes what their session has to say.
        self.operator.unsaved.forget(&uid);
        let mut concerned = self.operator.index.remove_secret(&key, &uid);
        concerned.extend(self.operator.index.providers_referring_to(&key, &self.operator.own_namespace));
        concerned
    }

    fn retain(&self, listed: &HashSet<Key>) -> Vec<Subject> {
        self.operator.index.retain_secrets(self.namespace.as_deref(), listed)
    }
}

pub struct TenantProviders {
    pub operator: Arc<Operator>,
    pub namespace: Option<String>,
}

impl Feed for TenantProviders {
    type Object = DeserializeGuard<TokenProvider>;
    type Id = ProviderKey;

    fn apply(&self, object: Self::Object) -> (Option<ProviderKey>, Vec<Subject>) {
        let key = tenant_key(&Key::of(object.meta()));
        let Ok(provider) = object.0 else {
            tracing::warn!(provider = %key, "this TokenProvider cannot be read; are the CRDs up to date?");
            return (Some(key), Vec::new());
        };
        let entry = ProviderEntry::read(&provider.metadata, &provider.spec, None, provider.status, self.operator.now());
        (Some(key.clone()), self.operator.index.apply_provider(key, entry))
    }

    fn delete(&self, object: Self::Object) -> Vec<Subject> {
        let key = tenant_key(&Key::of(object.meta()));
        self.operator.index.remove_provider(&key)
    }

    fn retain(&self, listed: &HashSet<ProviderKey>) -> Vec<Subject> {
        let in_scope = |key: &ProviderKey| {
            key.kind == ProviderKind::TokenProvider && (self.namespace.is_none() || key.namespace == self.namespace)
        };
        self.operator.index.retain_providers(in_scope, listed)
    }
}

fn tenant_key(key: &Key) -> ProviderKey {
    ProviderKey { kind: ProviderKind::TokenProvider, namespace: Some(key.namespace.clone()), name: key.name.clone() }
}

pub struct CommonProviders {
    pub operator: Arc<Operator>,
    pub progress: Arc<Progress>,
}

impl Feed for CommonProviders {
    type Object = DeserializeGuard<ClusterTokenProvider>;
    type Id = ProviderKey;

    fn apply(&self, object: Self::Object) -> (Option<ProviderKey>, Vec<Subject>) {
        let key = cluster_key(&Key::of(object.meta()));
        let Ok(provider) = object.0 else {
            tracing::warn!(provider = %key, "this ClusterTokenProvider cannot be read; are the CRDs up to date?");
            return (Some(key), Vec::new());
        };
        let allowed = provider.spec.allowed_namespaces.map(|allowed| allowed.selector);
        let selects = allowed.is_some();
        let now = self.operator.now();
        let entry = ProviderEntry::read(&provider.metadata, &provider.spec.definition, allowed, provider.status, now);
        let concerned = self.operator.index.apply_provider(key.clone(), entry);
        if selects {
            self.progress.namespaces_needed.notify_one();
        }
        (Some(key), concerned)
    }

    fn delete(&self, object: Self::Object) -> Vec<Subject> {
        let key = cluster_key(&Key::of(object.meta()));
        self.operator.index.remove_provider(&key)
    }

    fn retain(&self, listed: &HashSet<ProviderKey>) -> Vec<Subject> {
        let in_scope = |key: &ProviderKey| key.kind == ProviderKind::ClusterTokenProvider;
        self.operator.index.retain_providers(in_scope, listed)
    }
}

fn cluster_key(key: &Key) -> ProviderKey {
    ProviderKey { kind: ProviderKind::ClusterTokenProvider, namespace: None, name: key.name.clone() }
}

pub struct Namespaces {
    pub operator: Arc<Operator>,
}

impl Feed for Namespaces {
    type Object = PartialObjectMeta<Namespace>;
    type Id = String;

    fn apply(&self, object: Self::Object) -> (Option<String>, Vec<Subject>) {
        let name = object.metadata.name.unwrap_or_default();
        let labels = object.metadata.labels.unwrap_or_default();
        (Some(name.clone()), self.operator.index.apply_namespace(name, labels))
    }

    fn delete(&self, object: Self::Object) -> Vec<Subject> {
        self.operator.index.remove_namespace(&object.metadata.name.unwrap_or_default());
        Vec::new()
    }

    fn retain(&self, _: &HashSet<String>) -> Vec<Subject> {
        Vec::new()
    }
}
