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

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testbed::ca::TestCa;

    use super::*;
    use crate::{
        api::ProviderKind,
        operator::{entry::ProviderEntry, tls::CaBundle},
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn key() -> ProviderKey {
        ProviderKey { kind: ProviderKind::ClusterTokenProvider, namespace: None, name: "idp".to_owned() }
    }

    /// An index with a provider of this generation, whose authority lies in the Secret `corp-ca`.
    fn entry(generation: i64) -> ProviderEntry {
        let metadata = json!({ "uid": "idp", "resourceVersion": "1", "generation": generation });
        let bundle = json!({ "kind": "Secret", "name": "corp-ca", "key": "ca.crt" });
        let spec = json!({ "preset": "Palette", "tls": { "caBundleRef": bundle } });
        let (metadata, spec) = (serde_json::from_value(metadata).unwrap(), serde_json::from_value(spec).unwrap());
        ProviderEntry::read(&metadata, &spec, None, None, at(generation))
    }

    fn material(name: &str) -> Arc<TlsMaterial> {
        let bundle = CaBundle::parse(&TestCa::named(name).unwrap().pem(), "test").unwrap();
        Arc::new(TlsMaterial { ca_bundle: Some(bundle), ..TlsMaterial::default() })
    }

    #[test]
    fn a_first_good_reading_concerns_nobody_and_each_change_after_it_does() {
        let index = Index::default();
        index.apply_provider(key(), entry(1));
        let references = index.provider(&key()).unwrap().references.clone();
        let settle = |tls, second| index.settle_tls(&key(), &references, tls, at(second));
        let first = Ok(material("first"));
        assert!(settle(first.clone(), 10).concerned.is_empty(), "all took it for good");
        assert!(settle(first, 20).concerned.is_empty(), "nothing has changed");
        assert_eq!(index.provider(&key()).unwrap().generation_seen_at, at(1));

        let rotated = settle(Ok(material("second")), 30);
        assert_eq!(rotated.concerned, [Subject::Provider(key())]);
        assert!(rotated.replaced.is_some(), "connections of the old one have to go");
        assert_eq!(index.provider(&key()).unwrap().generation_seen_at, at(30), "as after an edit");

        let gone = settle(Err("gone".into()), 40);
        assert!(gone.replaced.is_some() && !gone.concerned.is_empty());
        assert!(settle(Err("gone".into()), 50).concerned.is_empty(), "told once");
        assert!(settle(Ok(material("third")), 60).replaced.is_none());
    }

    #[test]
    fn what_was_read_for_an_older_generation_is_not_taken_in_and_a_new_one_begins_unread() {
        let index = Index::default();
        index.apply_provider(key(), entry(1));
        let of_the_first = index.provider(&key()).unwrap().references.clone();
        index.apply_provider(key(), entry(1));
        let _ = index.settle_tls(&key(), &of_the_first, Ok(material("first")), at(10));
        assert!(!index.provider(&key()).unwrap().tls.clone().unwrap().unread, "the same generation has the same ones");
        index.apply_provider(key(), entry(2));
        let _ = index.settle_tls(&key(), &of_the_first, Ok(material("first")), at(20));
        assert!(index.provider(&key()).unwrap().tls.clone().unwrap().unread);
    }

    #[test]
    fn a_secret_concerns_the_providers_that_refer_to_it_where_it_lies() {
        let index = Index::default();
        index.apply_provider(key(), entry(1));
        let referring =
            |namespace: &str, name: &str| index.providers_referring_to(&Key::new(namespace, name), "system");
        assert_eq!(referring("system", "corp-ca"), [Subject::Provider(key())]);
        assert!(referring("web", "corp-ca").is_empty() && referring("system", "other").is_empty());
    }
}
