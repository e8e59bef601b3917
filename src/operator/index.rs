//! What is known of the cluster, compactly: fed by the watches *and* by our own writes; of one object the newer wins.
//!
//! No labels, annotations or managed fields are kept, only what decisions need. Nothing here reads or writes the
//! cluster. What is not in here is unknown, not absent: the watches see only Secrets with the role label.

mod inventory;
mod relisted;
mod seeds;
#[cfg(test)]
mod tests;
mod tls;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard},
};

use k8s_openapi::jiff::Timestamp;

use super::entry::{Key, ProviderEntry, ProviderKey, SecretEntry, SecretRole, Subject, TokenEntry};
use crate::token::{decide::LOOK_AGAIN, facts::Facts};

/// Shared by all passes; holds nothing of any one pass.
#[derive(Debug, Default)]
pub struct Index {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    tokens: HashMap<Key, Arc<TokenEntry>>,
    secrets: HashMap<Key, Arc<SecretEntry>>,
    providers: HashMap<ProviderKey, Arc<ProviderEntry>>,
    /// Labels of namespaces; `None` until somebody needs them and they were listed.
    namespaces: Option<HashMap<String, BTreeMap<String, String>>>,
    /// Which ApiTokens speak of a Secret, and of a provider. An output that has its ApiToken's name, as nearly all
    /// have, needs no entry: it is found by the name.
    by_secret: HashMap<Key, BTreeSet<Key>>,
    by_provider: HashMap<ProviderKey, BTreeSet<Key>>,
    /// Outputs that have another name than the ApiToken to which they belong, by its uid.
    renamed_outputs: HashMap<String, BTreeSet<Key>>,
    /// Sessions that belong to credentials, by the uid of the ApiToken that uses them.
    kept: HashMap<String, Key>,
    /// Secrets that a GET has shown to be absent, or to lack the label, and when.
    absent: HashMap<Key, (Timestamp, Absence)>,
}

/// What a GET by name has shown of a Secret that the watch does not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    Missing,
    Unlabelled,
}

/// What the index can say of a Secret.
#[derive(Clone, Debug)]
pub enum Known {
    Unknown,
    Absent(Absence),
    There(Arc<SecretEntry>),
}

impl Index {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while holding the lock leaves maps that are still maps.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    #[must_use]
    pub fn token(&self, key: &Key) -> Option<Arc<TokenEntry>> {
        self.lock().tokens.get(key).cloned()
    }

    #[must_use]
    pub fn provider(&self, key: &ProviderKey) -> Option<Arc<ProviderEntry>> {
        self.lock().providers.get(key).cloned()
    }

    #[must_use]
    pub fn secret(&self, key: &Key, now: Timestamp) -> Known {
        let inner = self.lock();
        if let Some(entry) = inner.secrets.get(key) {
            return Known::There(entry.clone());
        }
        match inner.absent.get(key) {
            Some((at, absence)) if now < *at + LOOK_AGAIN => Known::Absent(*absence),
            _ => Known::Unknown,
        }
    }

    /// The Secrets that are outputs of the ApiToken with this name and uid.
    #[must_use]
    pub fn outputs_of(&self, token: &Key, uid: &str) -> Vec<Key> {
        let inner = self.lock();
        let namesake = inner.secrets.get_key_value(token).filter(|(_, entry)| entry.output_of() == Some(uid));
        let renamed = inner.renamed_outputs.get(uid).into_iter().flatten();
        namesake.map(|(key, _)| key).into_iter().chain(renamed).cloned().collect()
    }

    /// Labels of a namespace; `None` while namespaces are not watched, or this one is not known.
    #[must_use]
    pub fn namespace_labels(&self, name: &str) -> Option<BTreeMap<String, String>> {
        self.lock().namespaces.as_ref()?.get(name).cloned()
    }

    /// Whether any provider chooses namespaces by label: only then are namespaces watched.
    #[must_use]
    pub fn needs_namespaces(&self) -> bool {
        self.lock().providers.values().any(|provider| provider.allowed.is_some())
    }

    /// How many ApiTokens are in sight.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.lock().tokens.len()
    }

    #[must_use]
    pub fn all_subjects(&self) -> Vec<Subject> {
        let inner = self.lock();
        let tokens = inner.tokens.keys().cloned().map(Subject::Token);
        let providers = inner.providers.keys().cloned().map(Subject::Provider);
        providers.chain(tokens).collect()
    }

    /// Every session in sight, to collect what they remember of rejected credentials.
    pub fn visit_sessions(&self, mut visit: impl FnMut(&Key, &Facts)) {
        for (key, secret) in &self.lock().secrets {
            if let SecretRole::Session { owner: Some(owner), facts: Some(facts), .. } = &secret.role {
                visit(&Key::new(&*key.namespace, &*owner.name), facts);
            }
        }
    }

    /// Takes in an ApiToken; returns who has to look at it.
    pub fn apply_token(&self, key: Key, mut entry: TokenEntry) -> Vec<Subject> {
        let mut inner = self.lock();
        let mut concerned = vec![Subject::Token(key.clone())];
        if let Some(old) = inner.tokens.get(&key) {
            // Our own write of the status comes back by the watch: nothing new.
            if old.uid == entry.uid && entry.version > 0 && old.version >= entry.version {
                return Vec::new();
            }
            if old.uid == entry.uid && old.generation == entry.generation {
                entry.generation_seen_at = old.generation_seen_at;
                // One copy of an unchanged spec, whoever still holds the old entry.
                entry.spec = old.spec.clone();
            } else {
                concerned.extend(inner.heirs(&key, &old.uid));
            }
        }
        inner.forget_token(&key);
        for secret in entry.secrets(&key) {
            inner.by_secret.entry(secret).or_default().insert(key.clone());
        }
        inner.by_provider.entry(entry.provider(&key)).or_default().insert(key.clone());
        inner.tokens.insert(key, Arc::new(entry));
        concerned
    }

    pub fn remove_token(&self, key: &Key, uid: &str) -> Vec<Subject> {
        let mut inner = self.lock();
        if inner.tokens.get(key).is_some_and(|old| old.uid == uid) {
            inner.forget_token(key);
        }
        std::iter::once(Subject::Token(key.clone())).chain(inner.heirs(key, uid)).collect()
    }

    /// Takes in a Secret's metadata; returns the ApiTokens that it concerns.
    pub fn apply_secret(&self, key: Key, entry: SecretEntry) -> Vec<Subject> {
        let mut inner = self.lock();
        inner.absent.remove(&key);
        if let Some(old) = inner.secrets.get(&key)
            && old.uid == entry.uid
            && (old.resource_version == entry.resource_version || old.version > entry.version)
        {
            return Vec::new();
        }
        inner.forget_secret(&key);
        if let Some(uid) = entry.output_of().filter(|_| entry.owner_name() != Some(&key.name)) {
            inner.renamed_outputs.entry(uid.to_owned()).or_default().insert(key.clone());
        }
        let concerned = inner.concerned_by(&key, &entry);
        inner.note_kept(&key, &entry);
        inner.secrets.insert(key, Arc::new(entry));
        concerned
    }

    /// This version of an output was found to hold what it must, whoever wrote it.
    pub fn settle_output(&self, key: &Key, resource_version: &str) {
        let mut inner = self.lock();
        let Some(entry) = inner.secrets.get_mut(key).filter(|entry| entry.resource_version == resource_version) else {
            return;
        };
        if let SecretRole::Output(marks) = &mut Arc::make_mut(entry).role {
            marks.drifted = false;
        }
    }

    /// A Secret is gone, or has lost its label.
    pub fn remove_secret(&self, key: &Key, uid: &str) -> Vec<Subject> {
        let mut inner = self.lock();
        let Some(old) = inner.secrets.get(key).filter(|old| old.uid == uid).cloned() else { return Vec::new() };
        let concerned = inner.concerned_by(key, &old);
        inner.forget_secret(key);
        concerned
    }

    /// A write found that this version of a Secret is not the present one: whoever needs it reads it, until the watch tells
    /// of it. A watch can be silent for minutes.
    pub fn doubt(&self, key: &Key, resource_version: &str) {
        let mut inner = self.lock();
        if inner.secrets.get(key).is_some_and(|entry| entry.resource_version == resource_version) {
            inner.forget_secret(key);
        }
    }

    /// Remembers what a GET has shown, so that many ApiTokens with the same fault cost one GET a minute.
    pub fn note_absent(&self, key: Key, absence: Absence, now: Timestamp) {
        let mut inner = self.lock();
        if inner.secrets.contains_key(&key) {
            // The watch has brought it since: it knows better.
            return;
        }
        inner.absent.retain(|_, (at, _)| now < *at + LOOK_AGAIN);
        inner.absent.insert(key, (now, absence));
    }

    pub fn apply_provider(&self, key: ProviderKey, mut entry: ProviderEntry) -> Vec<Subject> {
        let mut inner = self.lock();
        let unchanged = inner.providers.get(&key).is_some_and(|old| {
            let same = old.uid == entry.uid && old.generation == entry.generation;
            if same {
                entry.generation_seen_at = old.generation_seen_at;
                entry.compiled.clone_from(&old.compiled);
                entry.tls.clone_from(&old.tls);
                entry.references.clone_from(&old.references);
            }
            same
        });
        let users = inner.users_of(&key).filter(|_| !unchanged);
        inner.providers.insert(key.clone(), Arc::new(entry));
        std::iter::once(Subject::Provider(key)).chain(users).collect()
    }

    pub fn remove_provider(&self, key: &ProviderKey) -> Vec<Subject> {
        let mut inner = self.lock();
        inner.providers.remove(key);
        inner.users_of(key).chain([Subject::Provider(key.clone())]).collect()
    }

    pub fn apply_namespace(&self, name: String, labels: BTreeMap<String, String>) -> Vec<Subject> {
        let inner = &mut *self.lock();
        let namespaces = inner.namespaces.get_or_insert_default();
        if namespaces.get(&name) == Some(&labels) {
            return Vec::new();
        }
        let concerned = inner.tokens.keys().filter(|key| key.namespace == name).cloned().map(Subject::Token).collect();
        namespaces.insert(name, labels);
        concerned
    }

    pub fn remove_namespace(&self, name: &str) {
        if let Some(namespaces) = &mut self.lock().namespaces {
            namespaces.remove(name);
        }
    }
}

impl Inner {
    fn forget_token(&mut self, key: &Key) {
        let Some(old) = self.tokens.remove(key) else { return };
        for secret in old.secrets(key) {
            remove_from(&mut self.by_secret, &secret, key);
        }
        remove_from(&mut self.by_provider, &old.provider(key), key);
    }

    fn forget_secret(&mut self, key: &Key) {
        let Some(old) = self.secrets.remove(key) else { return };
        self.forget_kept(key, &old);
        if let Some(uid) = old.output_of() {
            let uid = uid.to_owned();
            remove_from(&mut self.renamed_outputs, &uid, key);
        }
    }

    fn concerned_by(&self, key: &Key, entry: &SecretEntry) -> Vec<Subject> {
        let owner = entry.owner_name().map(|name| Key { namespace: key.namespace.clone(), name: name.to_owned() });
        let users = self.by_secret.get(key).into_iter().flatten().cloned();
        let namesake = self.tokens.contains_key(key).then(|| key.clone());
        let concerned: BTreeSet<_> = users.chain(namesake).chain(owner).collect();
        concerned.into_iter().map(Subject::Token).collect()
    }

    fn users_of(&self, key: &ProviderKey) -> impl Iterator<Item = Subject> + use<> {
        let users: Vec<_> = self.by_provider.get(key).into_iter().flatten().cloned().collect();
        users.into_iter().map(Subject::Token)
    }
}

fn remove_from<K: std::hash::Hash + Eq>(map: &mut HashMap<K, BTreeSet<Key>>, at: &K, key: &Key) {
    if let Some(keys) = map.get_mut(at) {
        keys.remove(key);
        if keys.is_empty() {
            map.remove(at);
        }
    }
}
