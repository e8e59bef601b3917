//! The admission policy on sessions: nobody but the operator makes one or changes what is in it, and whatever else
//! happens to Secrets in a cluster goes on.

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use testbed::{eventually::await_until, users::User};

use crate::{
    admission::{accepted, secret},
    installation::{Installation, PATIENCE},
};

const REFUSAL: &str = "apitoken-operator-sessions";

/// A namespace with a session of the operator's, a plain Secret, and somebody who may do everything in it.
struct Story {
    installed: &'static Installation,
    namespace: String,
    user: User,
    secrets: Api<Secret>,
}

impl Story {
    async fn of(user: User, story: &str) -> Self {
        let installed = Installation::in_cluster_mode().await;
        let namespace = installed.cluster.namespace(story).await.unwrap();
        let client = installed.cluster.client(&user).unwrap();
        let secrets = Api::namespaced(client, &namespace);
        let story = Self { installed, namespace, user, secrets };
        story.installed.cluster.bind(&story.user, "cluster-admin").await.unwrap();
        let own: Api<Secret> = Api::namespaced(installed.client().await, &story.namespace);
        own.create(&PostParams::default(), &secret("session", "session", "apitoken.dev/session")).await.unwrap();
        await_until("the user's rights are heeded", PATIENCE, async || {
            story
                .secrets
                .create(&PostParams::default(), &secret("plain", "", "Opaque"))
                .await
                .map(drop)
                .map_err(|e| e.to_string())
        })
        .await;
        story
    }

    /// An ordinary user, when the policy is in force.
    async fn begin(story: &str) -> Self {
        let story = Self::of(User::Named(format!("user-{story}")), story).await;
        await_until("the policy is in force", PATIENCE, async || {
            story.create("early", "session", "apitoken.dev/session").await.map_or(Ok(()), |()| Err("let pass"))
        })
        .await;
        story
    }

    /// Tries it; nothing is stored.
    async fn create(&self, name: &str, role: &str, kind: &str) -> Option<()> {
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        accepted(self.secrets.create(&dry, &secret(name, role, kind)).await, REFUSAL)
    }

    async fn patch(&self, name: &str, patch: Value) -> Option<()> {
        accepted(self.secrets.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await, REFUSAL)
    }
}

#[tokio::test]
async fn nobody_makes_a_session_nor_makes_a_secret_one() {
    let story = Story::begin("forged").await;
    assert!(story.create("x", "session", "apitoken.dev/session").await.is_none());
    assert!(story.create("x", "session", "Opaque").await.is_none());
    assert!(story.create("x", "", "apitoken.dev/session").await.is_none());
    let label = json!({ "metadata": { "labels": { "apitoken.dev/role": "session" } } });
    assert!(story.patch("plain", label).await.is_none());
    for role in ["", "credentials", "output", "tls"] {
        assert!(story.create("x", role, "Opaque").await.is_some(), "{role}");
    }
}

#[tokio::test]
async fn nobody_changes_what_is_in_a_session_or_its_role() {
    let story = Story::begin("changed").await;
    for change in [
        json!({ "stringData": { "a": "c" } }),
        json!({ "stringData": { "more": "c" } }),
        json!({ "data": null }),
        json!({ "metadata": { "labels": { "apitoken.dev/role": "output" } } }),
        json!({ "metadata": { "labels": { "apitoken.dev/role": null } } }),
    ] {
        assert!(story.patch("session", change.clone()).await.is_none(), "{change}");
    }
}

#[tokio::test]
async fn the_metadata_of_a_session_may_be_changed_and_it_may_be_deleted() {
    let story = Story::begin("metadata").await;
    let metadata = json!({ "metadata": { "labels": { "backup": "yes" }, "annotations": { "a": "b" }, "finalizers": ["example.com/a"] } });
    assert!(story.patch("session", metadata).await.is_some());
    assert!(story.patch("session", json!({ "metadata": { "finalizers": null } })).await.is_some());
    story.secrets.delete("session", &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
async fn an_administrator_writes_all_secrets_again_as_re_encryption_asks_for() {
    let story = Story::begin("replaced").await;
    let args = ["get", "secrets", "-n", &story.namespace, "-o", "json"];
    let all = story.installed.kubectl(&story.user, &args, "").await.unwrap();
    let said = story.installed.kubectl(&story.user, &["replace", "-f", "-"], &all).await.unwrap();
    assert!(said.contains("secret/session replaced") && said.contains("secret/plain replaced"), "{said}");
}

#[tokio::test]
async fn a_namespace_with_sessions_goes_when_it_is_deleted() {
    let story = Story::begin("gone").await;
    let namespaces: Api<Namespace> = Api::all(story.installed.admin());
    namespaces.delete(&story.namespace, &DeleteParams::default()).await.unwrap();
    await_until("the namespace is gone", PATIENCE, async || {
        let found = namespaces.get_opt(&story.namespace).await.map_err(|error| error.to_string())?;
        found.map_or(Ok(()), |there| Err(format!("{:?}", there.status)))
    })
    .await;
}

#[tokio::test]
async fn users_and_groups_on_the_list_restore_sessions() {
    let story = Story::begin("restored").await;
    for user in [User::Named("backup".to_owned()), User::Admin] {
        story.installed.cluster.bind(&user, "cluster-admin").await.ok();
        let secrets: Api<Secret> = Api::namespaced(story.installed.cluster.client(&user).unwrap(), &story.namespace);
        await_until("the backup is restored", PATIENCE, async || {
            let name = format!("restored-by-{}", user.name());
            let restored = secret(&name, "session", "apitoken.dev/session");
            secrets.create(&PostParams::default(), &restored).await.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }
}

#[tokio::test]
async fn in_namespace_mode_the_sessions_of_other_namespaces_are_another_operators() {
    let installed = Installation::in_namespace_mode().await;
    let user = User::Named("another-operator".to_owned());
    installed.cluster.bind(&user, "cluster-admin").await.unwrap();
    let client = installed.cluster.client(&user).unwrap();
    let session = secret("anothers", "session", "apitoken.dev/session");
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let served: Api<Secret> = Api::namespaced(client.clone(), "web");
    await_until("the policy is in force where the chart's operator serves", PATIENCE, async || {
        match served.create(&dry, &session).await {
            Err(kube::Error::Api(status)) if status.message.contains(REFUSAL) => Ok(()),
            answer => Err(format!("{answer:?}")),
        }
    })
    .await;
    let elsewhere: Api<Secret> = Api::namespaced(client, "default");
    elsewhere.create(&dry, &session).await.unwrap();
}
