//! What is left of an ApiToken that is deleted: nothing, or what its owner wanted to keep.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt, api::DeleteParams};
use serde_json::json;
use testbed::{
    audit::AuditEvent,
    eventually::await_until,
    reliability::{oracles, row},
    users::User,
    vendors::{Exchange, Fault, On, Operation},
};

use crate::{
    scene::{LOGIN, Scene, text},
    world::{PATIENCE, World},
};

impl World {
    pub async fn delete_token(&self, name: &str) {
        self.tokens().delete(name, &DeleteParams::default()).await.expect("deleted");
        let api = self.tokens();
        await_until(&format!("ApiToken {name} is gone"), PATIENCE, async || match api.get_opt(name).await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err("it is there".to_owned()),
            Err(error) => Err(error.to_string()),
        })
        .await;
    }
}

#[tokio::test]
async fn an_apitoken_takes_its_session_and_its_output_with_it_and_leaves_the_credentials() {
    let scene = Scene::new().await;
    scene.issued("clusters", json!({})).await;
    let session = scene.world.session_name("clusters").await;
    assert!(scene.world.all_data(&session).await.is_some());
    scene.world.delete_token("clusters").await;
    scene.world.until_gone("clusters").await;
    scene.world.until_gone(&session).await;
    assert!(scene.world.all_data(LOGIN).await.is_some());
}

#[tokio::test]
async fn a_retained_output_stays_and_is_taken_up_by_an_apitoken_of_the_same_name_and_no_other() {
    let scene = Scene::new().await;
    let retained = json!({ "output": { "secretName": "kept", "onDelete": "Retain" } });
    scene.issued("clusters", retained.clone()).await;
    let before = scene.world.secrets().get("kept").await.expect("an output");
    let session = scene.world.session_name("clusters").await;
    scene.world.delete_token("clusters").await;
    scene.world.until_gone(&session).await;
    let kept = scene.world.secrets().get("kept").await.expect("the output stays");
    assert_eq!((kept.uid(), &kept.data), (before.uid(), &before.data));

    scene.world.token_with("stranger", scene.spec(retained.clone())).await;
    scene.world.not_ready("stranger", "OutputConflict").await;
    scene.issued("clusters", retained).await;
    let taken = scene.world.secrets().get("kept").await.expect("an output");
    assert_eq!(taken.uid(), before.uid());
    assert_ne!(taken.data, before.data, "another session has another token");
    assert_eq!(scene.calls(), 2);
}

#[tokio::test]
async fn an_apitoken_made_again_at_once_under_the_same_name_has_a_session_and_an_output_of_its_own() {
    let scene = Scene::new().await;
    scene.issued("clusters", json!({})).await;
    let (old, old_session) = (scene.world.get("clusters").await, scene.world.session_name("clusters").await);
    let old_output = scene.world.data("clusters", "token").await;
    scene.world.tokens().delete("clusters", &DeleteParams::default()).await.expect("deleted");
    let new = scene.world.token("clusters", &scene.provider, LOGIN).await;
    assert_ne!(old.uid(), new.uid());
    scene.world.ready("clusters").await;
    let uid = new.uid().expect("a uid");
    scene.world.until_gone(&old_session).await;
    let output = scene.world.secrets().get("clusters").await.expect("an output");
    assert!(output.owner_references().iter().all(|owner| owner.uid == uid));
    assert_ne!(text(&output, "token"), Some(old_output.as_str()));
    scene.world.looked_again("clusters").await;
    scene.world.ready("clusters").await;
    assert_eq!(scene.palette.logins().len(), 2);
    row(74)
        .injected("deleted and made again at once under its name")
        .judged(&oracles::asked(&scene.palette.history()))
        .logins(scene.palette.logins().len(), 2)
        .holds("another uid: a session, a login and an output of its own");
}

#[tokio::test]
async fn an_answer_that_comes_after_the_deletion_resurrects_nothing() {
    let scene = Scene::new().await;
    scene.palette.script(|script| script.login_latency = Duration::from_secs(4));
    let retained = json!({ "output": { "onDelete": "Retain" } });
    scene.world.token_with("clusters", scene.spec(retained)).await;
    scene.palette.wait_for("the login", PATIENCE, |all| !all.is_empty()).await;
    let session = scene.world.session_name("clusters").await;
    scene.world.delete_token("clusters").await;
    scene.palette.wait_for("the answer", PATIENCE, |all| all.iter().any(|login| login.answered.is_some())).await;
    // Another ApiToken of the same credentials has its turn only after that pass has ended.
    scene.palette.script(|script| script.login_latency = Duration::ZERO);
    scene.issued("after", json!({})).await;
    scene.world.until_gone(&session).await;
    assert!(scene.world.all_data("clusters").await.is_none(), "the output of a deleted ApiToken was made");
    row(71)
        .injected("deleted during a login that takes 4 s")
        .judged(&oracles::asked(&scene.palette.history()))
        .logins(scene.palette.logins().len(), 2)
        .holds("the answer is dropped: no session, no output comes back");
}

#[tokio::test]
async fn an_answer_to_a_refresh_that_comes_after_the_deletion_resurrects_nothing_either() {
    let scene = Scene::new().await;
    scene.palette.script(|script| {
        (script.lifetime, script.refresh_latency) = (Duration::from_secs(60), Duration::from_secs(4));
    });
    scene.issued("clusters", json!({ "refresh": { "atPercent": 10 } })).await;
    let asked = |all: &[Exchange]| all.iter().any(|one| one.operation == Operation::Refresh);
    scene.palette.wait_for("a refresh", PATIENCE, asked).await;
    let session = scene.world.session_name("clusters").await;
    scene.world.delete_token("clusters").await;
    let answered =
        |all: &[Exchange]| all.iter().any(|one| one.operation == Operation::Refresh && one.answered.is_some());
    scene.palette.wait_for("the answer", PATIENCE, answered).await;
    scene.palette.script(|script| script.refresh_latency = Duration::ZERO);
    scene.issued("after", json!({})).await;
    scene.world.until_gone(&session).await;
    assert!(scene.world.all_data("clusters").await.is_none(), "the output of a deleted ApiToken was made again");
    row(71)
        .injected("deleted during a refresh that takes 4 s")
        .judged(&oracles::asked(&scene.palette.history()))
        .logins(scene.palette.logins().len(), 2)
        .holds("the answer is dropped: no session, no output comes back");
}

#[tokio::test]
async fn an_apitoken_can_be_deleted_while_its_vendor_hangs() {
    let scene = Scene::new().await;
    scene.palette.fail_always(On::Login, Fault::Hang);
    scene.world.token("clusters", &scene.provider, LOGIN).await;
    scene.palette.wait_for("the login", PATIENCE, |all| !all.is_empty()).await;
    let session = scene.world.session_name("clusters").await;
    scene.world.delete_token("clusters").await;
    scene.world.until_gone(&session).await;
    row(73)
        .injected("deleted while its vendor hangs")
        .judged(&oracles::asked(&scene.palette.history()))
        .logins(scene.palette.logins().len(), 1)
        .holds("gone at once, and its session with it");
}

#[tokio::test]
async fn a_namespace_with_apitokens_can_be_deleted() {
    let scene = Scene::new().await;
    scene.issued("clusters", json!({})).await;
    scene.issued("kept", json!({ "output": { "onDelete": "Retain" } })).await;
    let api: Api<Namespace> = Api::all(scene.world.client.clone());
    let name = &scene.world.namespace;
    let mark = scene.world.mark();
    api.delete(name, &DeleteParams::default()).await.expect("deleted");
    await_until("the namespace is gone", PATIENCE, async || match api.get_opt(name).await {
        Ok(None) => Ok(()),
        Ok(Some(there)) => Err(format!("{:?}", there.status)),
        Err(error) => Err(error.to_string()),
    })
    .await;
    let events = scene.world.cluster.audit().since(&mark).expect("the audit log");
    let makes = |event: &&AuditEvent| {
        event.user == User::Operator.name()
            && event.namespace == *name
            && event.resource == "secrets"
            && event.verb == "create"
    };
    let tries = events.iter().filter(makes).collect::<Vec<_>>();
    assert!(tries.iter().all(|event| event.code == 403), "made in a namespace that goes away: {tries:?}");
    let logins = scene.palette.logins().len() - 2;
    assert!(tries.len() <= 10 && logins <= 2, "{} tries, {logins} logins: at most one for each", tries.len());
    row(72).injected("the namespace of two ApiTokens is deleted").holds(format!(
        "it is gone; nothing is made in it meanwhile: {} tries were refused, {logins} logins went before them",
        tries.len()
    ));
}
