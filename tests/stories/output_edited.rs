//! What people and other programs do to an output, and what comes of it.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams},
};
use serde_json::json;
use testbed::{eventually::await_until, outputs::OutputWatcher};

use testbed::reliability::{oracles, row};

use crate::{
    scene::{ACCOUNT, Scene, keys, role, text},
    world::{PATIENCE, World, ready},
};

const REVISION: &str = "apitoken.dev/revision";

#[tokio::test]
async fn an_output_edited_by_hand_is_restored_from_the_session_without_a_call() {
    let scene = Scene::new().await;
    let edits = [
        ("value", json!({ "data": { "token": "Zm9yZ2Vk" } })),
        ("added", json!({ "data": { "extra": "Zm9yZ2Vk" } })),
        ("removed", json!({ "data": { "token": null } })),
        ("emptied", json!({ "data": null })),
        ("unlabelled", json!({ "metadata": { "labels": null } })),
        ("unannotated", json!({ "metadata": { "annotations": null } })),
    ];
    for (name, _) in &edits {
        scene.issued(name, json!({})).await;
    }
    let calls = scene.calls();
    for (name, edit) in edits {
        let before = scene.world.secrets().get(name).await.expect("an output");
        let edited = scene.world.patch_secret(name, edit).await;
        assert_ne!(before.metadata.resource_version, edited.metadata.resource_version, "{name}: nothing was edited");
        let restored = |now: &Secret| {
            now.data == before.data
                && role(now) == Some("output")
                && now.annotations().get(REVISION) == before.annotations().get(REVISION)
        };
        scene.world.until_secret(name, "restored", restored).await;
    }
    assert_eq!(scene.calls(), calls, "the session has the token; nobody has to ask for it");
    row(66)
        .injected("six edits of outputs: value, key, label, annotations")
        .judged(&oracles::asked(&scene.palette.history()))
        .logins(scene.palette.logins().len(), 6)
        .holds("restored from the session; no call");
}

#[tokio::test]
async fn a_deleted_output_is_made_again_from_the_session_without_a_call() {
    let scene = Scene::new().await;
    scene.issued("clusters", json!({})).await;
    let before = scene.world.secrets().get("clusters").await.expect("an output");
    scene.world.secrets().delete("clusters", &DeleteParams::default()).await.expect("deleted");
    let again = scene.world.until_secret("clusters", "made again", |now| now.metadata.uid != before.metadata.uid).await;
    assert_eq!(again.data, before.data);
    assert_eq!(scene.calls(), 1);
    scene.world.ready("clusters").await;
    row(66)
        .injected("the output is deleted")
        .judged(&oracles::asked(&scene.palette.history()))
        .logins(scene.palette.logins().len(), 1)
        .holds("made again from the session; no call");
}

#[tokio::test]
async fn what_others_put_on_the_output_survives_every_refresh() {
    let scene = Scene::new().await;
    scene.palette.script(|script| script.lifetime = std::time::Duration::from_secs(9));
    scene.issued("clusters", json!({})).await;
    let maps: Api<ConfigMap> = Api::namespaced(scene.world.client.clone(), &scene.world.namespace);
    let owner =
        ConfigMap { metadata: ObjectMeta { name: Some("app".into()), ..Default::default() }, ..Default::default() };
    let owner = maps.create(&PostParams::default(), &owner).await.expect("a ConfigMap");
    let references = scene.world.secrets().get("clusters").await.expect("an output").owner_references().to_vec();
    let theirs = json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "app", "uid": owner.uid().expect("a uid") });
    let mut references: Vec<_> = references.iter().map(|one| json!(one)).collect();
    references.push(theirs);
    let metadata =
        json!({ "labels": { "team": "web" }, "annotations": { "note": "ours" }, "ownerReferences": references });
    scene.world.patch_secret("clusters", json!({ "metadata": metadata })).await;

    let before = scene.palette.refreshes().len();
    scene.palette.wait_for("two refreshes", PATIENCE, |all| all.len() >= before + 3).await;
    let (newest, _) = scene.palette.newest_token(ACCOUNT).expect("a token");
    let output =
        scene.world.until_secret("clusters", "the newest token", |now| text(now, "token") == Some(&newest)).await;
    assert_eq!(output.labels().get("team").map(String::as_str), Some("web"));
    assert_eq!(output.annotations().get("note").map(String::as_str), Some("ours"));
    assert!(output.owner_references().iter().any(|owner| owner.kind == "ConfigMap"));
}

#[tokio::test]
async fn labels_and_annotations_of_the_spec_come_and_go_with_it_and_nothing_else_does() {
    let scene = Scene::new().await;
    scene.issued("clusters", json!({})).await;
    scene.world.patch_secret("clusters", json!({ "metadata": { "labels": { "theirs": "stays" } } })).await;
    let output = json!({ "labels": { "team": "web" }, "annotations": { "example.com/reload": "yes" } });
    scene.world.edit_token("clusters", json!({ "spec": { "output": output } })).await;
    let team = |secret: &Secret| secret.labels().get("team").cloned();
    let reload = |secret: &Secret| secret.annotations().get("example.com/reload").cloned();
    scene
        .world
        .until_secret("clusters", "labelled", |now| team(now).as_deref() == Some("web") && reload(now).is_some())
        .await;

    scene.world.edit_token("clusters", json!({ "spec": { "output": { "labels": { "team": "infra" } } } })).await;
    scene.world.until_secret("clusters", "labelled anew", |now| team(now).as_deref() == Some("infra")).await;
    scene.world.edit_token("clusters", json!({ "spec": { "output": { "labels": null, "annotations": null } } })).await;
    let last =
        scene.world.until_secret("clusters", "without them", |now| team(now).is_none() && reload(now).is_none()).await;
    assert_eq!(last.labels().get("theirs").map(String::as_str), Some("stays"));
    assert_eq!(scene.calls(), 1);
}

#[tokio::test]
async fn an_output_that_somebody_else_applies_with_the_same_content_is_left_in_peace() {
    let scene = Scene::new().await;
    scene.issued("clusters", json!({})).await;
    let mark = scene.world.mark();
    let output = scene.world.secrets().get("clusters").await.expect("an output");
    let params = PatchParams::apply("backup").force();
    let same = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "clusters" }, "data": output.data });
    let claimed = scene.world.secrets().patch("clusters", &params, &Patch::Apply(same)).await.expect("applied");
    let is_claimed = claimed.managed_fields().iter().any(|entry| entry.manager.as_deref() == Some("backup"));
    assert!(is_claimed, "the story does not begin: {:?}", claimed.managed_fields());
    for _ in 0..5 {
        scene.world.looked_again("clusters").await;
    }
    let now = scene.world.ready("clusters").await;
    assert_eq!(ready(&now).expect("Ready").reason, "Issued", "{:?}", ready(&now));
    let output = scene.world.secrets().get("clusters").await.expect("an output");
    assert_eq!(output.metadata.resource_version, claimed.metadata.resource_version);
    assert_eq!(scene.world.writes_of("clusters", mark), 1, "one patch finds out that nothing has changed");
}

/// Sets what it wants whenever the operator has set something else, as an admission webhook or a GitOps tool does.
fn fight(
    world: &World,
    secret: &'static str,
    wants: serde_json::Value,
    differs: fn(&Secret) -> bool,
) -> tokio::task::JoinHandle<()> {
    let api = world.secrets();
    tokio::spawn(async move {
        loop {
            if let Ok(Some(there)) = api.get_opt(secret).await
                && differs(&there)
            {
                let _ = api.patch(secret, &PatchParams::default(), &Patch::Merge(&wants)).await;
            }
            tokio::task::yield_now().await;
        }
    })
}

#[tokio::test]
async fn somebody_who_insists_on_another_label_gets_his_way_and_no_duel() {
    let scene = Scene::new().await;
    scene.issued("clusters", json!({ "output": { "labels": { "team": "web" } } })).await;
    let mark = scene.world.mark();
    let differs = |secret: &Secret| secret.labels().get("team").is_none_or(|team| team != "platform");
    let writer = fight(&scene.world, "clusters", json!({ "metadata": { "labels": { "team": "platform" } } }), differs);
    scene
        .world
        .until_secret("clusters", "his label", |now| now.labels().get("team").is_some_and(|team| team == "platform"))
        .await;
    // A drift of the data shows that the operator has seen the label and writes nevertheless.
    scene.world.patch_secret("clusters", json!({ "data": { "extra": "Zm9yZ2Vk" } })).await;
    let last = scene.world.until_secret("clusters", "restored", |now| keys(now) == ["token"]).await;
    writer.abort();
    assert_eq!(last.labels().get("team").map(String::as_str), Some("platform"));
    assert_eq!(scene.world.writes_of("clusters", mark), 1);
}

#[tokio::test]
async fn somebody_who_fights_over_the_data_is_left_alone_and_told_of_but_a_new_token_is_written() {
    let scene = Scene::new().await;
    scene.palette.script(|script| script.lifetime = std::time::Duration::from_secs(15));
    scene.issued("clusters", json!({})).await;
    let mark = scene.world.mark();
    let differs = |secret: &Secret| text(secret, "token") != Some("forged");
    let writer = fight(&scene.world, "clusters", json!({ "data": { "token": "Zm9yZ2Vk" } }), differs);
    let contested = scene.world.not_ready("clusters", "OutputConflict").await;
    let message = &ready(&contested).expect("Ready").message;
    assert!(message.contains("--show-managed-fields"), "no remedy in {message:?}");
    let patches = scene.world.writes_of("clusters", mark);
    assert!(patches <= 5, "{patches} patches are a duel");
    await_until("an Event", PATIENCE, async || {
        let events = scene.world.events("clusters").await;
        if events.iter().any(|reason| reason == "OutputConflict") { Ok(()) } else { Err(format!("{events:?}")) }
    })
    .await;
    writer.abort();
    let watcher =
        OutputWatcher::start(scene.world.client.clone(), &scene.world.namespace, "clusters").await.expect("a watcher");
    scene.palette.wait_for("a refresh", PATIENCE, |all| all.len() > 1).await;
    let token =
        |version: &testbed::outputs::Version| scene.palette.token(version.text("token").unwrap_or_default()).is_some();
    watcher.wait_for(|all| all.last().is_some_and(token), PATIENCE).await.expect("the new token is written");
    scene.world.ready("clusters").await;
    row(67)
        .injected("somebody rewrites the output whenever it is restored")
        .judged(&oracles::asked(&scene.palette.history()))
        .logins(scene.palette.logins().len(), 1)
        .holds("left alone for a while and told of; a new token is written all the same");
}
