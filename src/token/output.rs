//! The output: a projection of the session into the Secret that pods mount, and whose Secret that is.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

use super::{facts::Issued, session::Material};
use crate::{
    api::token::{ApiTokenSpec, OnDelete, Output},
    provider::template::{Name, Template},
};

/// What the output must look like, but for the token itself.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputPlan {
    pub secret_name: String,
    pub data: BTreeMap<String, Template>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub on_delete: OnDelete,
}

/// Which grant an output holds, by which plan, in which keys. Stands on the output as an annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    pub grant: String,
    pub plan: String,
    pub keys: String,
}

/// Whose a Secret is that has the name of an output, told from its metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Controlled by this ApiToken, or retained by it.
    Ours,
    /// Its owner labelled it `apitoken.dev/role=output`, and nothing controls it.
    Offered,
    /// Belonged to an ApiToken of this name that is gone; the garbage collector is about to delete it.
    Leaving,
    /// Somebody else's; the text says whose.
    Another(String),
}

/// The metadata from which ownership follows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks<'a> {
    /// Kind, name and uid of the controlling owner.
    pub controller: Option<(&'a str, &'a str, &'a str)>,
    /// The annotation `apitoken.dev/owner`: `<name>/<uid>`.
    pub owner: Option<&'a str>,
    /// The label `apitoken.dev/role`.
    pub role: Option<&'a str>,
}

impl OutputPlan {
    /// The plan of a spec; `suggested` is what the provider suggests where the spec names no data.
    #[must_use]
    pub fn new(token_name: &str, spec: &ApiTokenSpec, data: BTreeMap<String, Template>) -> Self {
        let output = spec.output.clone().unwrap_or_default();
        Self {
            secret_name: secret_name(token_name, spec).to_owned(),
            data,
            labels: output.labels,
            annotations: output.annotations,
            on_delete: output.on_delete.unwrap_or_default(),
        }
    }

    /// A short hash over everything in the plan but the Secret's name.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let data: BTreeMap<_, _> = self.data.iter().map(|(key, template)| (key, template.source())).collect();
        let form = serde_json::json!([data, self.labels, self.annotations, self.on_delete]);
        short_hash(form.to_string().as_bytes())
    }

    /// The data that pods shall see. A key whose template names an absent value is left out.
    #[must_use]
    pub fn project(&self, material: &Material, issued: &Issued) -> BTreeMap<String, SecretString> {
        let expires_at = issued.expires_at.to_string();
        let lookup = |name: &Name| match name {
            Name::AccessToken => Some(material.access_token.expose_secret()),
            Name::ExpiresAt => Some(expires_at.as_str()),
            Name::Output(name) => material.outputs.get(name).map(ExposeSecret::expose_secret),
            // Neither credentials nor the refresh token can be named here: `validate` refuses them.
            _ => None,
        };
        let expanded = |template: &Template| template.expand(lookup);
        self.data.iter().filter_map(|(key, template)| Some((key.clone(), expanded(template)?))).collect()
    }

    #[must_use]
    pub fn revision(&self, issued: &Issued, keys: impl Iterator<Item = impl AsRef<str>>) -> Revision {
        Revision { grant: issued.grant.clone(), plan: self.fingerprint(), keys: key_set(keys) }
    }
}

impl Revision {
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(str::to_owned);
        let revision = Self { grant: parts.next()?, plan: parts.next()?, keys: parts.next()? };
        parts.next().is_none().then_some(revision)
    }
}

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.grant, self.plan, self.keys)
    }
}

impl Ownership {
    /// Judges a Secret found under the output's name.
    #[must_use]
    pub fn judge(marks: Marks<'_>, token_name: &str, token_uid: &str) -> Self {
        match marks.controller {
            Some(("ApiToken", _, uid)) if uid == token_uid => return Self::Ours,
            Some(("ApiToken", name, _)) if name == token_name => return Self::Leaving,
            Some((kind, name, _)) => return Self::Another(format!("{kind} {name:?} controls it")),
            None => {}
        }
        let offered = marks.role == Some(crate::api::names::ROLE_OUTPUT);
        match marks.owner.map(|owner| owner.split_once('/').unwrap_or((owner, ""))) {
            Some((_, uid)) if uid == token_uid => Self::Ours,
            Some((name, _)) if name != token_name => Self::Another(format!("it belongs to ApiToken {name:?}")),
            _ if offered => Self::Offered,
            _ => Self::Another("it was not made by this ApiToken".to_owned()),
        }
    }
}

/// The name of the output Secret.
#[must_use]
pub fn secret_name<'a>(token_name: &'a str, spec: &'a ApiTokenSpec) -> &'a str {
    spec.output.as_ref().and_then(|Output { secret_name, .. }| secret_name.as_deref()).unwrap_or(token_name)
}

/// A short hash of a set of data keys, in any order.
#[must_use]
pub fn key_set(keys: impl Iterator<Item = impl AsRef<str>>) -> String {
    let mut keys: Vec<_> = keys.map(|key| key.as_ref().to_owned()).collect();
    keys.sort_unstable();
    short_hash(keys.join("\n").as_bytes())
}

fn short_hash(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(&digest(&SHA256, bytes).as_ref()[..9])
}
