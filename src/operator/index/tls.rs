//! What is known of the objects that providers' TLS refers to.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;

use super::Index;
use crate::operator::{
    entry::{Key, ProviderKey, Subject},
    tls::TlsMaterial,
    tls_reference::TlsReferences,
};

/// What a reading has changed.
#[derive(Debug, Default)]
pub struct SettledTls {
    /// Who has to look at it.
    pub concerned: Vec<Subject>,
    /// What was used before and is not any more.
    pub replaced: Option<Arc<TlsMaterial>>,
}

impl Index {
    /// Takes in what the references of a provider have come to. A provider that has changed since has other references,
    /// and nothing is taken in.
    #[must_use]
    pub fn settle_tls(
        &self,
        key: &ProviderKey,
        of: &Arc<TlsReferences>,
        tls: Result<Arc<TlsMaterial>, Arc<str>>,
        now: Timestamp,
    ) -> SettledTls {
        let mut inner = self.lock();
        let Some(entry) = inner.providers.get_mut(key).filter(|entry| Arc::ptr_eq(&entry.references, of)) else {
            return SettledTls::default();
        };
        let is_first = entry.tls.as_ref().is_ok_and(|old| old.unread);
        let same = match (&entry.tls, &tls) {
            (Ok(old), Ok(new)) => old.mark() == new.mark() && !is_first,
            (Err(old), Err(new)) => old == new,
            _ => false,
        };
        if same {
            return SettledTls::default();
        }
        let good = tls.is_ok();
        let changed = Arc::make_mut(entry);
        let replaced = std::mem::replace(&mut changed.tls, tls).ok().filter(|_| !is_first);
        if is_first && good {
            // All took it for good until now.
            return SettledTls::default();
        }
        if !is_first {
            // As after an edit of the provider: what was refused before may be granted now.
            changed.generation_seen_at = now;
        }
        let users = inner.users_of(key);
        SettledTls { concerned: users.chain([Subject::Provider(key.clone())]).collect(), replaced }
    }

    #[must_use]
    pub fn providers_with_references(&self) -> Vec<ProviderKey> {
        let inner = self.lock();
        let with = inner.providers.iter().filter(|(_, entry)| !entry.references.all.is_empty());
        with.map(|(key, _)| key.clone()).collect()
    }

    /// The providers whose TLS refers to a Secret. Those of the cluster refer into the operator's own namespace.
    #[must_use]
    pub fn providers_referring_to(&self, secret: &Key, own_namespace: &str) -> Vec<Subject> {
        let inner = self.lock();
        let referring = inner.providers.iter().filter(|(key, entry)| {
            key.namespace.as_deref().unwrap_or(own_namespace) == secret.namespace
                && entry.references.all.iter().any(|reference| reference.is_secret(&secret.name))
        });
        referring.map(|(key, _)| Subject::Provider(key.clone())).collect()
    }
}
