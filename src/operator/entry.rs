//! The compact facts that the index keeps of each object, and how they are read off an object.

mod managed;

use std::{fmt, sync::Arc};

use k8s_openapi::{
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference},
    jiff::Timestamp,
};
use kube::core::PartialObjectMeta;

use super::{reported::Reported, tls::TlsMaterial, tls_reference::TlsReferences};
use crate::{
    api::{
        ApiToken, ApiTokenSpec, ProviderKind, ProviderStatus, TokenProviderSpec,
        names::{
            EXPIRES_AT, OWNER, REFRESH_REQUESTED_AT, REVISION, ROLE_CREDENTIALS, ROLE_LABEL, ROLE_OUTPUT, ROLE_SESSION,
        },
    },
    provider::{definition::Definition, validate},
    token::{
        facts::{self, Facts, User},
        output::{Marks, Ownership, Revision, key_set, secret_name},
    },
};

/// A namespaced object's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub namespace: String,
    pub name: String,
}

/// Which provider; `namespace` only with `TokenProvider`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderKey {
    pub kind: ProviderKind,
    pub namespace: Option<String>,
    pub name: String,
}

/// What a pass can be about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    Provider(ProviderKey),
    Token(Key),
}

/// An ApiToken.
#[derive(Clone, Debug)]
pub struct TokenEntry {
    pub uid: String,
    pub version: u64,
    pub generation: i64,
    pub generation_seen_at: Timestamp,
    pub created_at: Timestamp,
    pub deleting: bool,
    pub spec: Arc<ApiTokenSpec>,
    pub refresh_requested: Option<String>,
    /// To see whether a status must be written; never to decide.
    pub reported: Reported,
}

/// A provider, compiled once for each generation.
#[derive(Clone)]
pub struct ProviderEntry {
    pub uid: String,
    pub version: u64,
    pub generation: i64,
    pub generation_seen_at: Timestamp,
    pub compiled: Result<Arc<Definition>, Arc<validate::Invalid>>,
    /// As far as it was read: see [`TlsMaterial::unread`].
    pub tls: Result<Arc<TlsMaterial>, Arc<str>>,
    /// What its TLS refers to; shared by all that know this generation.
    pub references: Arc<TlsReferences>,
    pub allowed: Option<LabelSelector>,
    pub status: ProviderStatus,
}

/// A Secret with the role label, from its metadata.
#[derive(Clone, Debug)]
pub struct SecretEntry {
    pub uid: String,
    pub resource_version: String,
    pub version: u64,
    pub role: SecretRole,
}

#[derive(Clone, Debug)]
pub enum SecretRole {
    Credentials,
    Session {
        /// The ApiToken that uses it.
        owner: Option<Owner>,
        /// The credentials, where they keep it and no ApiToken does.
        keeper: Option<Owner>,
        facts: Option<Box<Facts>>,
    },
    Output(Box<OutputMarks>),
}

/// Name and uid of the object that something belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub name: String,
    pub uid: String,
}

/// What metadata tells of an output.
#[derive(Clone, Debug, Default)]
pub struct OutputMarks {
    /// Kind, name and uid of the controller.
    pub controller: Option<(String, String, String)>,
    /// The annotation that names the owner; it counts, and is kept, only where there is no controller.
    pub owner: Option<String>,
    pub revision: Option<Revision>,
    pub expires_at: Option<Timestamp>,
    /// When we last wrote its data, by the API server's clock.
    pub written_at: Option<Timestamp>,
    /// Keys of data belong to another field manager, or are not those that the revision names.
    pub drifted: bool,
    /// It carries the role label.
    pub labelled: bool,
}

impl Key {
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    #[must_use]
    pub fn of(metadata: &ObjectMeta) -> Self {
        Self::new(metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for ProviderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{:?}/{namespace}/{}", self.kind, self.name),
            None => write!(f, "{:?}/{}", self.kind, self.name),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider(key) => key.fmt(f),
            Self::Token(key) => key.fmt(f),
        }
    }
}

impl TokenEntry {
    #[must_use]
    pub fn read(token: ApiToken, now: Timestamp) -> Self {
        let metadata = token.metadata;
        Self {
            version: version(&metadata),
            uid: metadata.uid.unwrap_or_default(),
            generation: metadata.generation.unwrap_or_default(),
            generation_seen_at: now,
            created_at: metadata.creation_timestamp.map_or(now, |time| time.0),
            deleting: metadata.deletion_timestamp.is_some(),
            refresh_requested: metadata.annotations.and_then(|mut all| all.remove(REFRESH_REQUESTED_AT)),
            spec: Arc::new(token.spec),
            reported: Reported::fold(token.status.unwrap_or_default()),
        }
    }

    /// The Secrets whose events concern it, besides one of its own name.
    #[must_use]
    pub fn secrets(&self, key: &Key) -> Vec<Key> {
        let credentials = self.spec.credentials_ref.as_ref().map(|reference| reference.name.as_str());
        let names = credentials.into_iter().chain([secret_name(&key.name, &self.spec)]);
        names.filter(|name| *name != key.name).map(|name| Key::new(&*key.namespace, name)).collect()
    }

    #[must_use]
    pub fn provider(&self, key: &Key) -> ProviderKey {
        let kind = self.spec.provider_ref.kind.unwrap_or_default();
        let namespace = (kind == ProviderKind::TokenProvider).then(|| key.namespace.clone());
        ProviderKey { kind, namespace, name: self.spec.provider_ref.name.clone() }
    }
}

impl fmt::Debug for ProviderEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderEntry").field("uid", &self.uid).finish_non_exhaustive()
    }
}

impl ProviderEntry {
    #[must_use]
    pub fn read(
        metadata: &ObjectMeta,
        spec: &TokenProviderSpec,
        allowed: Option<LabelSelector>,
        status: Option<ProviderStatus>,
        now: Timestamp,
    ) -> Self {
        let (references, tls) = TlsReferences::of(spec.tls.as_ref());
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            version: version(metadata),
            generation: metadata.generation.unwrap_or_default(),
            generation_seen_at: now,
            compiled: validate::compile(spec).map(Arc::new).map_err(Arc::new),
            tls,
            references: Arc::new(references),
            allowed,
            status: status.unwrap_or_default(),
        }
    }
}

impl SecretEntry {
    /// `None` for a Secret without a role that concerns us.
    #[must_use]
    pub fn read(secret: &PartialObjectMeta<Secret>) -> Option<Self> {
        let metadata = &secret.metadata;
        let role = match metadata.labels.as_ref()?.get(ROLE_LABEL)?.as_str() {
            ROLE_CREDENTIALS => SecretRole::Credentials,
            ROLE_SESSION => {
                let facts = Facts::from_annotation(annotation(metadata, facts::ANNOTATION)).map(Box::new);
                let user = facts.as_ref().and_then(|facts| facts.user.clone());
                let user = user.map(|User { name, uid }| Owner { name, uid });
                let keeper = owner(metadata, "Secret");
                SecretRole::Session { owner: owner(metadata, "ApiToken").or(user), keeper, facts }
            }
            ROLE_OUTPUT => SecretRole::Output(Box::new(OutputMarks::read(metadata))),
            _ => return None,
        };
        Some(Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            version: version(metadata),
            role,
        })
    }

    /// The uid of the ApiToken whose output this is.
    #[must_use]
    pub fn output_of(&self) -> Option<&str> {
        let SecretRole::Output(marks) = &self.role else { return None };
        match (&marks.controller, &marks.owner) {
            (Some((kind, _, uid)), _) => (kind == "ApiToken").then_some(uid),
            (None, owner) => owner.as_ref()?.split_once('/').map(|(_, uid)| uid),
        }
    }

    /// The name of the ApiToken that it belongs to.
    #[must_use]
    pub fn owner_name(&self) -> Option<&str> {
        match &self.role {
            SecretRole::Credentials => None,
            SecretRole::Session { owner, .. } => owner.as_ref().map(|owner| owner.name.as_str()),
            SecretRole::Output(marks) => match (&marks.controller, &marks.owner) {
                (Some((kind, name, _)), _) => (kind == "ApiToken").then_some(name),
                (None, owner) => owner.as_ref()?.split_once('/').map(|(name, _)| name),
            },
        }
    }
}

impl OutputMarks {
    #[must_use]
    pub fn read(metadata: &ObjectMeta) -> Self {
        let revision = annotation(metadata, REVISION).and_then(Revision::parse);
        let managed = metadata.managed_fields.as_deref().unwrap_or_default();
        let (ours, foreign) = managed::data_keys(managed);
        let expected = revision.as_ref().map(|revision| revision.keys.as_str());
        let controller = metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
        Self {
            drifted: foreign || expected != Some(&key_set(ours.iter())),
            owner: annotation(metadata, OWNER).filter(|_| controller.is_none()).map(str::to_owned),
            controller: controller
                .map(|OwnerReference { kind, name, uid, .. }| (kind.clone(), name.clone(), uid.clone())),
            expires_at: annotation(metadata, EXPIRES_AT).and_then(|text| text.parse().ok()),
            written_at: managed::written_at(managed),
            labelled: metadata.labels.iter().flatten().any(|(key, value)| key == ROLE_LABEL && value == ROLE_OUTPUT),
            revision,
        }
    }

    #[must_use]
    pub fn ownership(&self, token_name: &str, token_uid: &str) -> Ownership {
        let controller = self.controller.as_ref().map(|(kind, name, uid)| (kind.as_str(), name.as_str(), uid.as_str()));
        let role = self.labelled.then_some(ROLE_OUTPUT);
        Ownership::judge(Marks { controller, owner: self.owner.as_deref(), role }, token_name, token_uid)
    }
}

fn owner(metadata: &ObjectMeta, kind: &str) -> Option<Owner> {
    let owner = metadata.owner_references.iter().flatten().find(|owner| owner.kind == kind)?;
    Some(Owner { name: owner.name.clone(), uid: owner.uid.clone() })
}

fn annotation<'a>(metadata: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

/// Resource versions are etcd's revisions: whole numbers that grow. 0 where a server says something else.
fn version(metadata: &ObjectMeta) -> u64 {
    metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or_default()
}
