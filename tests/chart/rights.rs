//! What the operator, and people with the built-in roles, may do: asked as `kubectl auth can-i` asks, as themselves.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::{Api, Client, api::PostParams};
use serde_json::json;
use testbed::{eventually::await_until, users::User};

use crate::installation::{Installation, PATIENCE};

/// `VERBS RESOURCE[.GROUP][/SUBRESOURCE] [NAME]`, as for `kubectl auth can-i`.
type Right = (&'static str, &'static str, &'static str);

const ON_TOKENS: [Right; 8] = [
    ("get list watch", "apitokens.apitoken.dev", ""),
    ("get list watch", "tokenproviders.apitoken.dev", ""),
    ("patch", "apitokens.apitoken.dev/status", ""),
    ("patch", "tokenproviders.apitoken.dev/status", ""),
    ("update", "apitokens.apitoken.dev/finalizers", ""),
    ("get list watch create update patch delete", "secrets", ""),
    ("get", "configmaps", ""),
    ("create", "events.events.k8s.io", ""),
];
const ON_CLUSTER_PROVIDERS: [Right; 3] = [
    ("get list watch", "clustertokenproviders.apitoken.dev", ""),
    ("patch", "clustertokenproviders.apitoken.dev/status", ""),
    ("list watch", "namespaces", ""),
];
const ON_ITSELF: [Right; 4] = [
    ("create", "secrets", ""),
    ("get", "secrets", "apitoken-operator-key"),
    ("create", "leases.coordination.k8s.io", ""),
    ("get update", "leases.coordination.k8s.io", "apitoken-operator"),
];
/// Never, anywhere.
const NOWHERE: [Right; 10] = [
    ("create update patch delete", "apitokens.apitoken.dev", ""),
    ("create update patch delete", "tokenproviders.apitoken.dev", ""),
    ("create update patch delete", "clustertokenproviders.apitoken.dev", ""),
    ("deletecollection", "secrets", ""),
    ("list watch create update patch delete", "configmaps", ""),
    ("create", "serviceaccounts/token", ""),
    ("create get list", "pods", ""),
    ("create", "pods/exec", ""),
    ("create update patch delete", "clusterroles.rbac.authorization.k8s.io", ""),
    ("create update patch delete", "customresourcedefinitions.apiextensions.k8s.io", ""),
];
const ON_SECRETS: Right = ("get list watch create update patch delete deletecollection", "secrets", "");

/// Each right is asked for verb by verb; the answers that are not as wanted.
async fn wrong(client: &Client, namespace: &str, rights: &[Right], wanted: bool) -> Vec<String> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let mut wrong = Vec::new();
    for (verbs, resource, name) in rights {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        for verb in verbs.split(' ') {
            let attributes = ResourceAttributes {
                verb: Some(verb.to_owned()),
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource: Some(subresource.to_owned()),
                name: Some((*name).to_owned()),
                namespace: Some(namespace.to_owned()),
                ..ResourceAttributes::default()
            };
            let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
            let review = SelfSubjectAccessReview { spec, ..Default::default() };
            let allowed = reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap().allowed;
            if allowed != wanted {
                wrong.push(format!("{verb} {resource}/{subresource} {name} in {namespace:?}: {allowed}"));
            }
        }
    }
    wrong
}

async fn may(client: &Client, namespace: &str, rights: &[Right]) {
    assert_eq!(wrong(client, namespace, rights, true).await, Vec::<String>::new());
}

async fn may_not(client: &Client, namespace: &str, rights: &[Right]) {
    assert_eq!(wrong(client, namespace, rights, false).await, Vec::<String>::new());
}

#[tokio::test]
async fn in_cluster_mode_the_operator_may_do_what_it_needs_everywhere_and_nothing_else() {
    let operator = Installation::in_cluster_mode().await.client().await;
    may(&operator, "", &ON_TOKENS).await;
    may(&operator, "", &ON_CLUSTER_PROVIDERS).await;
    may(&operator, "apitoken-system", &ON_ITSELF).await;
    may_not(&operator, "", &NOWHERE).await;
    may_not(&operator, "apitoken-system", &NOWHERE).await;
    for namespace in ["", "web"] {
        may_not(&operator, namespace, &ON_ITSELF[2..]).await;
    }
    may_not(&operator, "apitoken-system", &[("get update", "leases.coordination.k8s.io", "another")]).await;
}

#[tokio::test]
async fn in_namespace_mode_it_has_no_right_on_secrets_in_any_other_namespace() {
    let operator = Installation::in_namespace_mode().await.client().await;
    for served in ["web", "shop"] {
        may(&operator, served, &ON_TOKENS).await;
        may_not(&operator, served, &NOWHERE).await;
    }
    may(&operator, "apitoken-system", &ON_ITSELF).await;
    for other in ["", "default", "kube-system"] {
        may_not(&operator, other, &[ON_SECRETS]).await;
        may_not(&operator, other, &ON_TOKENS).await;
        may_not(&operator, other, &ON_ITSELF).await;
        may_not(&operator, other, &ON_CLUSTER_PROVIDERS).await;
        may_not(&operator, other, &NOWHERE).await;
    }
    // Its own namespace is not one of those that it serves.
    may_not(&operator, "apitoken-system", &[("list watch update patch delete", "secrets", "")]).await;
    may_not(&operator, "apitoken-system", &[("get", "secrets", ""), ("get update delete", "secrets", "another")]).await;
}

#[tokio::test]
async fn in_namespace_mode_the_providers_of_the_cluster_are_read_at_most() {
    let operator = Installation::of_neighbours().await.client().await;
    let reads = [("get list watch", "clustertokenproviders.apitoken.dev", ""), ("list watch", "namespaces", "")];
    may(&operator, "", &reads).await;
    may(&operator, "media", &ON_TOKENS).await;
    may_not(&operator, "", &[("patch update", "clustertokenproviders.apitoken.dev/status", "")]).await;
    for other in ["", "web", "apitoken-system"] {
        may_not(&operator, other, &[ON_SECRETS]).await;
        may_not(&operator, other, &ON_TOKENS).await;
    }
    // What they refer to lies in its own namespace: any ConfigMap there, and the Secrets that the values name.
    may(&operator, "neighbours", &[("get", "configmaps", ""), ("get", "secrets", "corp-client")]).await;
    let others =
        [("get", "secrets", ""), ("get", "secrets", "another"), ("update patch delete", "secrets", "corp-client")];
    may_not(&operator, "neighbours", &others).await;
}

/// A client of somebody who has a built-in role in namespace `web`.
async fn person(installed: &Installation, role: &str) -> Client {
    let user = User::Named(format!("rights-{role}"));
    installed
        .apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": { "name": format!("rights-{role}"), "namespace": "web" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user.name() }],
        }))
        .await;
    let client = installed.cluster.client(&user).unwrap();
    // The aggregation is a controller's work.
    await_until("the role is aggregated", PATIENCE, async || {
        let wrong = wrong(&client, "web", &[("list", "apitokens.apitoken.dev", "")], true).await;
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join(" ")) }
    })
    .await;
    client
}

#[tokio::test]
async fn people_with_the_role_view_see_and_those_with_edit_or_admin_make_api_tokens_and_no_provider() {
    let installed = Installation::in_cluster_mode().await;
    let reads =
        [("get list watch", "apitokens.apitoken.dev", ""), ("get list watch", "tokenproviders.apitoken.dev", "")];
    let writes = [("create update patch delete deletecollection", "apitokens.apitoken.dev", "")];
    let never = [
        ("create update patch delete deletecollection", "tokenproviders.apitoken.dev", ""),
        ("create update patch delete deletecollection", "clustertokenproviders.apitoken.dev", ""),
        ("update patch", "apitokens.apitoken.dev/status", ""),
        ("update", "apitokens.apitoken.dev/finalizers", ""),
    ];
    let viewer = person(installed, "view").await;
    may(&viewer, "web", &reads).await;
    may_not(&viewer, "web", &writes).await;
    may_not(&viewer, "web", &never).await;
    may_not(&viewer, "web", &[ON_SECRETS]).await;
    for role in ["edit", "admin"] {
        let person = person(installed, role).await;
        may(&person, "web", &reads).await;
        may(&person, "web", &writes).await;
        may_not(&person, "web", &never).await;
        may_not(&person, "shop", &reads).await;
    }
}

#[tokio::test]
async fn who_is_bound_to_the_role_of_provider_administrators_may_write_providers() {
    let installed = Installation::in_cluster_mode().await;
    let writes = [("get create update patch delete", "tokenproviders.apitoken.dev", "")];
    let user = User::Named("rights-of-providers".to_owned());
    installed.cluster.bind(&user, "apitoken-operator-provider-admin").await.unwrap();
    let client = installed.cluster.client(&user).unwrap();
    await_until("the binding is heeded", PATIENCE, async || {
        let wrong = wrong(&client, "", &writes, true).await;
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join(" ")) }
    })
    .await;
    may(&client, "", &[("create update patch delete", "clustertokenproviders.apitoken.dev", "")]).await;
}
