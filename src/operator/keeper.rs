//! With what a session lives and dies, and where it is therefore kept. Reads the index only.
//!
//! Nearly always that is the ApiToken. Credentials that are good for one login keep their session themselves: an ApiToken
//! that is deleted and made anew, or another one after it, goes on from there, and nothing is presented twice.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;

use super::{
    entry::{Key, Owner, TokenEntry},
    index::Index,
    route::Route,
};
use crate::{
    api::{ApiToken, names::session_secret, reasons},
    token::observation::{Block, CredentialsView},
};

/// What a session belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// The ApiToken.
    Token,
    /// The credentials Secret.
    Credentials(Owner),
    /// Credentials that are not known, or not there.
    Unknown,
}

impl Keeper {
    /// Without a provider, or without credentials in sight, the session that the ApiToken has used is its session.
    #[must_use]
    pub fn find(index: &Index, token: &TokenEntry, route: Option<&Route>, credentials: &CredentialsView) -> Self {
        match route.map(|route| route.view.definition.one_time_seed()) {
            Some(None) => Self::Token,
            None => Self::last(index, token),
            Some(Some(_)) => match (credentials, &token.spec.credentials_ref) {
                (CredentialsView::There { uid, .. }, Some(reference)) => {
                    Self::Credentials(Owner { name: reference.name.clone(), uid: uid.clone() })
                }
                _ => index.kept_for(&token.uid).map_or(Self::Unknown, Self::Credentials),
            },
        }
    }

    /// What kept the session that the ApiToken has used last, as far as the index tells.
    #[must_use]
    pub fn last(index: &Index, token: &TokenEntry) -> Self {
        index.kept_for(&token.uid).map_or(Self::Token, Self::Credentials)
    }

    /// Uid of what the session belongs to.
    #[must_use]
    pub fn uid<'a>(&'a self, token: &'a TokenEntry) -> Option<&'a str> {
        match self {
            Self::Token => Some(&token.uid),
            Self::Credentials(secret) => Some(&secret.uid),
            Self::Unknown => None,
        }
    }

    /// Where the session is.
    #[must_use]
    pub fn session(&self, key: &Key, token: &TokenEntry) -> Option<Key> {
        self.uid(token).map(|uid| Key::new(&*key.namespace, session_secret(uid)))
    }

    #[must_use]
    pub fn is_credentials(&self) -> bool {
        matches!(self, Self::Credentials(_))
    }

    /// The reference by which the garbage collector removes the session.
    #[must_use]
    pub fn owner_reference(&self, key: &Key, token: &TokenEntry) -> OwnerReference {
        match self {
            Self::Credentials(Owner { name, uid }) => OwnerReference {
                api_version: "v1".to_owned(),
                kind: "Secret".to_owned(),
                name: name.clone(),
                uid: uid.clone(),
                controller: None,
                block_owner_deletion: None,
            },
            Self::Token | Self::Unknown => owned_by(key, token),
        }
    }
}

/// `blockOwnerDeletion` is never set: it would need a right that we do not want.
#[must_use]
pub fn owned_by(key: &Key, token: &TokenEntry) -> OwnerReference {
    OwnerReference {
        api_version: ApiToken::api_version(&()).into_owned(),
        kind: ApiToken::kind(&()).into_owned(),
        name: key.name.clone(),
        uid: token.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

/// Why an ApiToken waits for another one with the same credentials.
#[must_use]
pub fn in_use(token: &TokenEntry, by: &Key) -> Block {
    let secret = token.spec.credentials_ref.as_ref().map_or("", |reference| reference.name.as_str());
    let message = format!(
        "the refresh token in Secret {secret:?} is in use by ApiToken {by}, and good for one ApiToken: delete that one, or \
         name another Secret with a consent of its own in spec.credentialsRef"
    );
    Block::new(reasons::CREDENTIALS_REJECTED, message)
}
