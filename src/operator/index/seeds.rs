//! Sessions that belong to credentials which are good for one login: who uses them, and which refresh tokens are spent.

use super::{Index, Inner};
use crate::operator::entry::{Key, Owner, SecretEntry, SecretRole, Subject};

impl Index {
    /// The credentials that keep the session which the ApiToken with this uid uses.
    #[must_use]
    pub fn kept_for(&self, uid: &str) -> Option<Owner> {
        let inner = self.lock();
        inner.kept_by(uid).map(|(_, keeper)| keeper.clone())
    }

    /// Whether a session, other than the one at `own`, tells that this refresh token of its credentials was presented.
    /// Looks at every session: it is asked once for each consent.
    #[must_use]
    pub fn has_spent(&self, seed: &str, own: &Key) -> bool {
        self.lock().secrets.iter().any(|(key, secret)| match &secret.role {
            SecretRole::Session { facts: Some(facts), .. } => key != own && facts.has_spent(seed),
            _ => false,
        })
    }
}

impl Inner {
    /// The session of the ApiToken with this uid, and its credentials.
    fn kept_by(&self, uid: &str) -> Option<(&Key, &Owner)> {
        let session = self.kept.get(uid)?;
        match &self.secrets.get(session)?.role {
            SecretRole::Session { keeper, .. } => Some((session, keeper.as_ref()?)),
            _ => None,
        }
    }

    /// Who else may go on with the session of an ApiToken that is gone or changed.
    pub(super) fn heirs(&self, of: &Key, uid: &str) -> Vec<Subject> {
        let Some((session, keeper)) = self.kept_by(uid) else { return Vec::new() };
        let credentials = Key::new(&*session.namespace, &*keeper.name);
        let others = self.by_secret.get(&credentials).into_iter().flatten().filter(|key| *key != of);
        others.cloned().map(Subject::Token).collect()
    }

    pub(super) fn note_kept(&mut self, key: &Key, entry: &SecretEntry) {
        if let SecretRole::Session { keeper: Some(_), owner: Some(user), .. } = &entry.role {
            self.kept.insert(user.uid.clone(), key.clone());
        }
    }

    pub(super) fn forget_kept(&mut self, key: &Key, entry: &SecretEntry) {
        if let SecretRole::Session { keeper: Some(_), owner: Some(user), .. } = &entry.role
            && self.kept.get(&user.uid) == Some(key)
        {
            self.kept.remove(&user.uid);
        }
    }
}
