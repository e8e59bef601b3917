//! The admission policy on the operator's own writes: sessions, outputs and its key, and no other Secret.

use apitoken_operator::api::ApiToken;
use k8s_openapi::api::{admissionregistration::v1::ValidatingAdmissionPolicy, core::v1::Secret};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use testbed::eventually::await_until;

use crate::{
    admission::{accepted, secret},
    helm::NAMESPACE,
    installation::{Installation, PATIENCE},
};

const REFUSAL: &str = "apitoken-operator-own-secrets";

struct Account {
    /// As the operator.
    own: Api<Secret>,
    admin: Api<Secret>,
}

impl Account {
    /// The operator's account in a namespace of this story, when the policy is in force.
    async fn in_namespace_of(story: &str) -> Self {
        let installed = Installation::in_cluster_mode().await;
        let namespace = installed.cluster.namespace(story).await.unwrap();
        let client = installed.client().await;
        let own = Api::namespaced(client, &namespace);
        let account = Self { own, admin: Api::namespaced(installed.admin(), &namespace) };
        await_until("the policy is in force", PATIENCE, async || {
            account.create("early", "", "Opaque").await.map_or(Ok(()), |()| Err("let pass"))
        })
        .await;
        account
    }

    /// Tries it; nothing is stored.
    async fn create(&self, name: &str, role: &str, kind: &str) -> Option<()> {
        accepted(self.own.create(&dry(), &secret(name, role, kind)).await, REFUSAL)
    }

    async fn there(&self, name: &str, role: &str, kind: &str) {
        self.admin.create(&PostParams::default(), &secret(name, role, kind)).await.unwrap();
    }

    async fn patch(&self, name: &str, patch: Value) -> Option<()> {
        let params = PatchParams { dry_run: true, ..PatchParams::default() };
        accepted(self.own.patch(name, &params, &Patch::Merge(patch)).await, REFUSAL)
    }

    async fn delete(&self, name: &str) -> Option<()> {
        let params = DeleteParams { dry_run: true, ..DeleteParams::default() };
        accepted(self.own.delete(name, &params).await.map(|_| ()), REFUSAL)
    }
}

fn dry() -> PostParams {
    PostParams { dry_run: true, ..PostParams::default() }
}

#[tokio::test]
async fn it_creates_sessions_and_outputs_and_nothing_of_another_role_or_type() {
    let account = Account::in_namespace_of("own-create").await;
    assert!(account.create("s", "session", "apitoken.dev/session").await.is_some());
    assert!(account.create("o", "output", "Opaque").await.is_some());
    for (role, kind) in [
        ("", "Opaque"),
        ("credentials", "Opaque"),
        ("tls", "Opaque"),
        ("session", "Opaque"),
        ("output", "apitoken.dev/session"),
        ("output", "bootstrap.kubernetes.io/token"),
        ("output", "example.com/anything"),
    ] {
        assert!(account.create("x", role, kind).await.is_none(), "{role} {kind}");
    }
}

#[tokio::test]
async fn it_makes_no_token_of_a_service_account() {
    let account = Account::in_namespace_of("own-accounts").await;
    let mut token = secret("x", "output", "kubernetes.io/service-account-token");
    let annotation = ("kubernetes.io/service-account.name".to_owned(), "default".to_owned());
    token.metadata.annotations = Some([annotation].into());
    assert!(accepted(account.own.create(&dry(), &token).await, REFUSAL).is_none());
}

#[tokio::test]
async fn it_makes_its_key_in_its_own_namespace_and_nowhere_else() {
    let account = Account::in_namespace_of("own-key").await;
    assert!(account.create("apitoken-operator-key", "", "Opaque").await.is_none());
    let installed = Installation::in_cluster_mode().await;
    let own: Api<Secret> = Api::namespaced(installed.client().await, NAMESPACE);
    let key = secret("apitoken-operator-key", "", "Opaque");
    // A story with a running operator may have made it already.
    match own.create(&dry(), &key).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => {}
        answer => assert!(accepted(answer, REFUSAL).is_some()),
    }
    assert!(accepted(own.create(&dry(), &secret("another", "", "Opaque")).await, REFUSAL).is_none());
}

#[tokio::test]
async fn it_touches_no_secret_that_is_somebody_elses_not_even_to_label_it() {
    let account = Account::in_namespace_of("own-foreign").await;
    for (name, role) in [("plain", ""), ("login", "credentials"), ("ca", "tls")] {
        account.there(name, role, "Opaque").await;
        assert!(account.patch(name, json!({ "stringData": { "a": "c" } })).await.is_none(), "{name}");
        let label = json!({ "metadata": { "labels": { "apitoken.dev/role": "output" } } });
        assert!(account.patch(name, label).await.is_none(), "{name}");
        assert!(account.delete(name).await.is_none(), "{name}");
    }
}

#[tokio::test]
async fn it_changes_and_deletes_what_is_an_output_or_a_session() {
    let account = Account::in_namespace_of("own-change").await;
    for (name, role, kind) in [("o", "output", "Opaque"), ("s", "session", "apitoken.dev/session")] {
        account.there(name, role, kind).await;
        assert!(account.patch(name, json!({ "stringData": { "a": "c" } })).await.is_some());
        assert!(account.delete(name).await.is_some());
        let unlabelled = json!({ "metadata": { "labels": { "apitoken.dev/role": null } } });
        assert!(account.patch(name, unlabelled).await.is_none(), "{name}");
        let credentials = json!({ "metadata": { "labels": { "apitoken.dev/role": "credentials" } } });
        assert!(account.patch(name, credentials).await.is_none(), "{name}");
    }
}

#[tokio::test]
async fn it_puts_back_a_label_that_somebody_took_off_an_output_of_its_own() {
    let account = Account::in_namespace_of("own-label").await;
    account.there("session", "", "apitoken.dev/session").await;
    account.there("retained", "", "Opaque").await;
    account.there("owned", "", "Opaque").await;
    let annotation = json!({ "metadata": { "annotations": { "apitoken.dev/owner": "assets/uid" } } });
    // One that is there, or the garbage collector takes what it owns.
    let spec = json!({ "providerRef": { "kind": "Preset", "name": "Palette" }, "suspend": true });
    let token = json!({ "metadata": { "name": "a" }, "spec": spec });
    let tokens: Api<ApiToken> =
        Api::namespaced(account.admin.clone().into_client(), account.admin.namespace().unwrap());
    let token = tokens.create(&PostParams::default(), &serde_json::from_value(token).unwrap()).await.unwrap();
    let owner = token.owner_ref(&()).unwrap();
    for (name, mark) in [("retained", annotation), ("owned", json!({ "metadata": { "ownerReferences": [owner] } }))] {
        account.admin.patch(name, &PatchParams::default(), &Patch::Merge(mark)).await.unwrap();
    }
    for (name, role) in [("session", "session"), ("retained", "output"), ("owned", "output")] {
        let label = json!({ "metadata": { "labels": { "apitoken.dev/role": role } } });
        assert!(account.patch(name, label).await.is_some(), "{name}");
    }
}

#[tokio::test]
async fn the_types_of_all_expressions_are_right() {
    let installed = Installation::in_cluster_mode().await;
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(installed.admin());
    for name in ["own-secrets", "sessions", "providers"] {
        let name = format!("apitoken-operator-{name}");
        let checked = await_until("the types are checked", PATIENCE, async || {
            let status = policies.get(&name).await.map_err(|error| error.to_string())?.status;
            status.and_then(|status| status.type_checking).ok_or_else(|| format!("{name} has no status"))
        });
        assert_eq!(checked.await.expression_warnings.unwrap_or_default(), Vec::new(), "{name}");
    }
}

#[tokio::test]
async fn other_users_write_secrets_as_ever() {
    let installed = Installation::in_cluster_mode().await;
    let namespace = installed.cluster.namespace("own-others").await.unwrap();
    let admin: Client = installed.admin();
    let secrets: Api<Secret> = Api::namespaced(admin, &namespace);
    for (role, kind) in [("", "Opaque"), ("credentials", "Opaque"), ("output", "example.com/anything")] {
        secrets.create(&dry(), &secret("x", role, kind)).await.unwrap();
    }
}
