//! What must be there before anything starts: an API server, the CRDs, the rights to watch. Says what is missing.

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, Resource,
    api::{ListParams, WatchParams},
    core::{NamespaceResourceScope, PartialObjectMeta},
};

use tokio::time::error::Elapsed;

use super::{
    cluster::{self, DEADLINE},
    settings::ClusterProviders,
};
use crate::api::{ApiToken, ClusterTokenProvider, TokenProvider};

/// Why the operator cannot start.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    #[error("cannot reach the API server at {url}: {problem}; check KUBECONFIG and the network")]
    Unreachable { url: String, problem: String },
    #[error("the API server at {url} does not let the operator in, or is none: {problem}; check KUBECONFIG")]
    Useless { url: String, problem: String },
    #[error(
        "the API server at {url} does not know the kind {kind}: install the CRDs first: apitoken-operator crd | kubectl apply --server-side -f -"
    )]
    MissingKind { url: String, kind: String },
    #[error(
        "may not {verb} {resource} {scope}: {problem}; grant get, list and watch on {resource} (examples/rbac.yaml)"
    )]
    Forbidden { verb: &'static str, resource: String, scope: String, problem: String },
}

impl PreflightError {
    /// Whether it can pass by itself.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// Asks for one object of each kind that is watched.
///
/// # Errors
/// The first thing that is missing, with its remedy.
pub async fn check(
    client: &Client,
    url: &str,
    namespaces: &[String],
    cluster_providers: ClusterProviders,
) -> Result<(), PreflightError> {
    let scopes: Vec<Option<&str>> =
        if namespaces.is_empty() { vec![None] } else { namespaces.iter().map(|one| Some(one.as_str())).collect() };
    for scope in scopes {
        list::<ApiToken>(client, url, scope).await?;
        list::<TokenProvider>(client, url, scope).await?;
        list::<Secret>(client, url, scope).await?;
    }
    if cluster_providers == ClusterProviders::Off {
        return Ok(());
    }
    let providers: Api<PartialObjectMeta<ClusterTokenProvider>> = Api::all(client.clone());
    let (kind, resource) = ("ClusterTokenProvider", "clustertokenproviders");
    Look { api: providers, url, kind, resource, scope: "in the cluster" }.check().await
}

async fn list<K>(client: &Client, url: &str, namespace: Option<&str>) -> Result<(), PreflightError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + std::fmt::Debug,
{
    let (api, scope): (Api<PartialObjectMeta<K>>, _) = match namespace {
        Some(namespace) => (Api::namespaced(client.clone(), namespace), format!("in namespace {namespace}")),
        None => (Api::all(client.clone()), "in all namespaces".to_owned()),
    };
    Look { api, url, kind: &K::kind(&()), resource: &K::plural(&()), scope: &scope }.check().await
}

/// One kind, as it will be watched.
struct Look<'a, K> {
    api: Api<PartialObjectMeta<K>>,
    url: &'a str,
    kind: &'a str,
    resource: &'a str,
    scope: &'a str,
}

impl<K> Look<'_, K>
where
    K: Clone + std::fmt::Debug,
    PartialObjectMeta<K>: serde::de::DeserializeOwned,
{
    /// A watch that is refused later is one that fails again and again, without an end.
    async fn check(&self) -> Result<(), PreflightError> {
        let none = "apitoken.dev/preflight";
        let list = ListParams::default().limit(1).labels(none);
        let listed = self.api.list_metadata(&list);
        self.judge("list", tokio::time::timeout(DEADLINE, listed).await)?;
        let watch = WatchParams::default().timeout(1).labels(none);
        let watched = self.api.watch_metadata(&watch, "0");
        self.judge("watch", tokio::time::timeout(DEADLINE, watched).await)
    }

    fn judge<T>(&self, verb: &'static str, answer: Result<kube::Result<T>, Elapsed>) -> Result<(), PreflightError> {
        let url = self.url.to_owned();
        match answer {
            Ok(Ok(_)) => Ok(()),
            // By the code: where the whole API group is unknown, the answer is no Status with a reason.
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => {
                Err(PreflightError::MissingKind { url, kind: self.kind.to_owned() })
            }
            Ok(Err(kube::Error::Api(status))) if status.is_forbidden() => Err(PreflightError::Forbidden {
                verb,
                resource: self.resource.to_owned(),
                scope: self.scope.to_owned(),
                problem: cluster::problem(&kube::Error::Api(status)),
            }),
            Ok(Err(error)) if cluster::is_unreachable(&error) => {
                Err(PreflightError::Unreachable { url, problem: cluster::problem(&error) })
            }
            Ok(Err(error)) => Err(PreflightError::Useless { url, problem: cluster::problem(&error) }),
            Err(_) => {
                let problem = format!("no answer within {} s", DEADLINE.as_secs());
                Err(PreflightError::Unreachable { url, problem })
            }
        }
    }
}
