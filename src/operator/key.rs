//! The key of the credentials fingerprints: made once, kept in a Secret of the operator's own namespace.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, Client, api::PostParams};

use super::{
    cluster::{self, DEADLINE},
    random,
};
use crate::{
    api::names::{FIELD_MANAGER, KEY_SECRET},
    provider::values::FingerprintKey,
};

/// Key of the Secret's data.
const DATA_KEY: &str = "key";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(
        "cannot {verb} Secret {namespace}/{KEY_SECRET}, which holds the operator's key: {problem}; grant get \
        and create on secrets there (examples/rbac.yaml)"
    )]
    Api { verb: &'static str, namespace: String, problem: String },
    #[error("cannot {verb} Secret {namespace}/{KEY_SECRET}, which holds the operator's key: {problem}")]
    Unreachable { verb: &'static str, namespace: String, problem: String },
    #[error(
        "Secret {0}/{KEY_SECRET} does not hold 32 bytes under {DATA_KEY:?}: delete it, and it is made anew (each ApiToken logs in once more)"
    )]
    Malformed(String),
}

impl KeyError {
    /// Whether it can pass by itself.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// Reads the key, or makes it if this is the first start.
///
/// # Errors
/// When the Secret can be neither read nor made, or holds something else.
pub async fn obtain(client: &Client, namespace: &str) -> Result<FingerprintKey, KeyError> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    if let Some(key) = read(&secrets, namespace).await? {
        return Ok(key);
    }
    let bytes: [u8; 32] = random::bytes();
    let secret = Secret {
        metadata: ObjectMeta { name: Some(KEY_SECRET.to_owned()), ..ObjectMeta::default() },
        type_: Some("Opaque".to_owned()),
        data: Some(BTreeMap::from([(DATA_KEY.to_owned(), ByteString(bytes.to_vec()))])),
        ..Secret::default()
    };
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match in_time(secrets.create(&params, &secret)).await.map_err(|late| unreachable("create", namespace, late))? {
        Ok(_) => Ok(FingerprintKey::new(&bytes)),
        // Another replica was first: its key counts.
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            read(&secrets, namespace).await?.ok_or_else(|| KeyError::Malformed(namespace.to_owned()))
        }
        Err(error) => Err(api_error("create", namespace, &error)),
    }
}

async fn read(secrets: &Api<Secret>, namespace: &str) -> Result<Option<FingerprintKey>, KeyError> {
    let found = in_time(secrets.get(KEY_SECRET)).await.map_err(|late| unreachable("get", namespace, late))?;
    let secret = match found {
        Ok(secret) => secret,
        Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(None),
        Err(error) => return Err(api_error("get", namespace, &error)),
    };
    let bytes = secret.data.and_then(|mut data| data.remove(DATA_KEY)).map(|bytes| bytes.0);
    let bytes: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.map(|bytes| Some(FingerprintKey::new(&bytes))).ok_or_else(|| KeyError::Malformed(namespace.to_owned()))
}

async fn in_time<T>(call: impl Future<Output = T>) -> Result<T, String> {
    let late = |_| format!("no answer within {} s", DEADLINE.as_secs());
    tokio::time::timeout(DEADLINE, call).await.map_err(late)
}

fn api_error(verb: &'static str, namespace: &str, error: &kube::Error) -> KeyError {
    if cluster::is_unreachable(error) {
        return unreachable(verb, namespace, cluster::problem(error));
    }
    KeyError::Api { verb, namespace: namespace.to_owned(), problem: cluster::problem(error) }
}

fn unreachable(verb: &'static str, namespace: &str, problem: String) -> KeyError {
    KeyError::Unreachable { verb, namespace: namespace.to_owned(), problem }
}
