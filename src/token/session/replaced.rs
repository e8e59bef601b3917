//! The access token before the one that the session has: kept while it is to be revoked.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{
    Material, Session,
    secrets::{secret_text, secret_texts},
};
use crate::{
    provider::{definition::Revoke, values::SessionValues},
    token::errand::Replaced,
};

/// What a revocation may present. Printed with nothing of it, as all material is.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplacedToken {
    #[serde(with = "secret_text")]
    access_token: SecretString,
    /// Those that the revocation names.
    #[serde(default, with = "secret_texts", skip_serializing_if = "BTreeMap::is_empty")]
    outputs: BTreeMap<String, SecretString>,
}

impl ReplacedToken {
    /// What the revocation names as a session.
    #[must_use]
    pub fn values(&self) -> SessionValues<'_> {
        SessionValues { access_token: &self.access_token, refresh_token: None, outputs: &self.outputs }
    }

    /// Whether the session still has something of it: to revoke that would revoke the token that pods use.
    fn lives_on_in(&self, material: &Material) -> bool {
        let same = |a: &SecretString, b: &SecretString| a.expose_secret() == b.expose_secret();
        let output = |(name, value)| material.outputs.get(name).is_some_and(|now| same(now, value));
        same(&self.access_token, &material.access_token) || self.outputs.iter().any(output)
    }
}

impl Session {
    /// The session with the token of `before` to be revoked, if it was of the same provider and is not in use.
    #[must_use]
    pub fn replacing(mut self, before: &Self, revoke: Option<&Revoke>) -> Self {
        let kept = revoke.and_then(|revoke| {
            let (old, new) = (before.facts.issued.as_ref()?, self.facts.issued.as_ref()?);
            let material = before.material.as_ref()?;
            let named = revoke.outputs();
            let outputs = material.outputs.iter().filter(|(name, _)| named.contains(name.as_str()));
            let outputs = outputs.map(|(name, value)| (name.clone(), value.clone())).collect();
            let token = ReplacedToken { access_token: material.access_token.clone(), outputs };
            let is_of_this_provider = old.provider_fingerprint == new.provider_fingerprint;
            (is_of_this_provider && !old.is_expired(new.issued_at))
                .then_some((Replaced { expires_at: old.expires_at, tries: 0, next_at: None }, token))
        });
        let (facts, token) = kept.unzip();
        self.facts.replaced = facts.map(Box::new);
        if let Some(material) = &mut self.material {
            material.replaced = token;
        }
        if self.revocable().is_none() { self.revoked() } else { self }
    }

    /// The token that may be revoked now.
    #[must_use]
    pub fn revocable(&self) -> Option<&ReplacedToken> {
        let material = self.material.as_ref()?;
        material.replaced.as_ref().filter(|token| !token.lives_on_in(material))
    }

    /// The session when there is nothing more to revoke.
    #[must_use]
    pub fn revoked(mut self) -> Self {
        self.facts.replaced = None;
        if let Some(material) = &mut self.material {
            material.replaced = None;
        }
        self
    }
}
