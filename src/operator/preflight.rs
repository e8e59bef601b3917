//! What must be there before anything starts: an API server, the CRDs, the rights to watch. Says what is missing.

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, Resource,
    api::ListParams,
    core::{NamespaceResourceScope, PartialObjectMeta},
};

use super::cluster::{self, DEADLINE};
use crate::api::{ApiToken, ClusterTokenProvider, TokenProvider};

/// Why the operator cannot start.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    #[error("cannot reach the API server at {url}: {problem}; check KUBECONFIG and the network")]
    Unreachable { url: String, problem: String },
    #[error(
        "the API server at {url} does not know the kind {kind}: install the CRDs first: apitoken-operator crd | kubectl apply --server-side -f -"
    )]
    MissingKind { url: String, kind: String },
    #[error("may not list {resource} {scope}: {problem}; grant get, list and watch on {resource} (examples/rbac.yaml)")]
    Forbidden { resource: String, scope: String, problem: String },
}

/// Asks for one object of each kind that is watched.
///
/// # Errors
/// The first thing that is missing, with its remedy.
pub async fn check(client: &Client, url: &str, namespaces: &[String]) -> Result<(), PreflightError> {
    let scopes: Vec<Option<&str>> =
        if namespaces.is_empty() { vec![None] } else { namespaces.iter().map(|one| Some(one.as_str())).collect() };
    for scope in scopes {
        list::<ApiToken>(client, url, scope).await?;
        list::<TokenProvider>(client, url, scope).await?;
        list::<Secret>(client, url, scope).await?;
    }
    let providers: Api<PartialObjectMeta<ClusterTokenProvider>> = Api::all(client.clone());
    listed(&providers, url, "ClusterTokenProvider", "clustertokenproviders", "in the cluster").await
}

async fn list<K>(client: &Client, url: &str, namespace: Option<&str>) -> Result<(), PreflightError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + std::fmt::Debug,
{
    let (api, scope): (Api<PartialObjectMeta<K>>, _) = match namespace {
        Some(namespace) => (Api::namespaced(client.clone(), namespace), format!("in namespace {namespace}")),
        None => (Api::all(client.clone()), "in all namespaces".to_owned()),
    };
    listed(&api, url, &K::kind(&()), &K::plural(&()), &scope).await
}

async fn listed<K>(
    api: &Api<PartialObjectMeta<K>>,
    url: &str,
    kind: &str,
    resource: &str,
    scope: &str,
) -> Result<(), PreflightError>
where
    K: Clone + std::fmt::Debug,
    PartialObjectMeta<K>: serde::de::DeserializeOwned,
{
    let one = ListParams::default().limit(1).labels("apitoken.dev/preflight");
    let url = url.to_owned();
    match tokio::time::timeout(DEADLINE, api.list_metadata(&one)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(kube::Error::Api(status))) if status.is_not_found() => {
            Err(PreflightError::MissingKind { url, kind: kind.to_owned() })
        }
        Ok(Err(kube::Error::Api(status))) if status.is_forbidden() => Err(PreflightError::Forbidden {
            resource: resource.to_owned(),
            scope: scope.to_owned(),
            problem: cluster::problem(&kube::Error::Api(status)),
        }),
        Ok(Err(error)) => Err(PreflightError::Unreachable { url, problem: cluster::problem(&error) }),
        Err(_) => {
            Err(PreflightError::Unreachable { url, problem: format!("no answer within {} s", DEADLINE.as_secs()) })
        }
    }
}
