//! What a new list says of everything that it does not show.

use std::collections::HashSet;

use super::Index;
use crate::operator::entry::{Key, ProviderKey, Subject};

impl Index {
    /// After a new list of ApiTokens: what it did not show is gone.
    pub fn retain_tokens(&self, namespace: Option<&str>, listed: &HashSet<Key>) -> Vec<Subject> {
        let mut inner = self.lock();
        let in_scope = |key: &&Key| namespace.is_none_or(|namespace| key.namespace == namespace);
        let gone: Vec<_> = inner.tokens.keys().filter(in_scope).filter(|key| !listed.contains(*key)).cloned().collect();
        let heirs = gone.iter().filter_map(|key| Some(inner.heirs(key, &inner.tokens.get(key)?.uid)));
        let heirs: Vec<_> = heirs.flatten().collect();
        for key in &gone {
            inner.forget_token(key);
        }
        gone.into_iter().map(Subject::Token).chain(heirs).collect()
    }

    /// After a new list of Secrets: what it did not show is unknown.
    pub fn retain_secrets(&self, namespace: Option<&str>, listed: &HashSet<Key>) -> Vec<Subject> {
        let mut inner = self.lock();
        let in_scope = |key: &&Key| namespace.is_none_or(|namespace| key.namespace == namespace);
        let gone: Vec<_> =
            inner.secrets.keys().filter(in_scope).filter(|key| !listed.contains(*key)).cloned().collect();
        let mut concerned = Vec::new();
        for key in gone {
            if let Some(old) = inner.secrets.get(&key).cloned() {
                concerned.extend(inner.concerned_by(&key, &old));
            }
            inner.forget_secret(&key);
        }
        concerned
    }

    /// After a new list of one kind of provider in one namespace (or all).
    pub fn retain_providers(
        &self,
        in_scope: impl Fn(&ProviderKey) -> bool,
        listed: &HashSet<ProviderKey>,
    ) -> Vec<Subject> {
        let gone: Vec<_> = {
            let inner = self.lock();
            inner.providers.keys().filter(|key| in_scope(key) && !listed.contains(*key)).cloned().collect()
        };
        gone.iter().flat_map(|key| self.remove_provider(key)).collect()
    }
}
