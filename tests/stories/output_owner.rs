//! Whose an output is: Secrets that were there before, ApiTokens that want the same one, and names that change.

use std::time::Duration;

use apitoken_operator::api::ApiToken;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    ResourceExt,
    api::{DeleteParams, PostParams},
};
use serde_json::json;

use testbed::reliability::{oracles, row};

use crate::{
    scene::{Scene, keys, text},
    world::ready,
};

#[tokio::test]
async fn a_secret_of_somebody_else_is_not_touched_and_costs_no_login_until_its_owner_hands_it_over() {
    let scene = Scene::new().await;
    scene.world.secret("clusters", None, &[("theirs", "precious")]).await;
    let before = scene.world.secrets().get("clusters").await.expect("a Secret");
    scene.world.token("clusters", &scene.provider, "palette-login").await;
    let token = scene.world.not_ready("clusters", "OutputConflict").await;
    let message = &ready(&token).expect("Ready").message;
    assert!(message.contains("apitoken.dev/role=output"), "no remedy in {message:?}");
    let after = scene.world.secrets().get("clusters").await.expect("a Secret");
    assert_eq!(before.metadata.resource_version, after.metadata.resource_version);
    assert_eq!(scene.calls(), 0, "a login was spent on a token that has no place");

    scene.world.patch_secret("clusters", json!({ "metadata": { "labels": { "apitoken.dev/role": "output" } } })).await;
    scene.world.ready("clusters").await;
    let output = scene.world.secrets().get("clusters").await.expect("an output");
    assert_eq!((keys(&output), output.uid()), (vec!["token"], before.uid()));
    assert_eq!(scene.calls(), 1);
    row(67)
        .injected("a Secret of that name belongs to somebody else")
        .judged(&oracles::asked(&scene.palette.history()))
        .logins(scene.palette.logins().len(), 1)
        .holds("not touched, and no login is spent, until its owner hands it over");
}

#[tokio::test]
async fn a_secret_of_another_type_or_an_immutable_one_is_not_taken_over_even_if_it_is_offered() {
    let scene = Scene::new().await;
    let offered = json!({ "apitoken.dev/role": "output" });
    let secrets = [
        (
            "typed",
            "type",
            json!({ "type": "kubernetes.io/basic-auth", "stringData": { "username": "a", "password": "b" } }),
        ),
        ("immutable", "immutable", json!({ "immutable": true, "stringData": { "theirs": "precious" } })),
    ];
    for (name, word, mut secret) in secrets {
        secret["metadata"] = json!({ "name": name, "labels": offered });
        let secret: Secret = serde_json::from_value(secret).expect("a Secret");
        let before = scene.world.secrets().create(&PostParams::default(), &secret).await.expect("the Secret is made");
        scene.world.token(name, &scene.provider, "palette-login").await;
        let token = scene.world.not_ready(name, "OutputConflict").await;
        let message = &ready(&token).expect("Ready").message;
        assert!(message.contains(word), "{name}: {message:?}");
        let after = scene.world.secrets().get(name).await.expect("a Secret");
        assert_eq!(before.metadata.resource_version, after.metadata.resource_version);
    }
    assert_eq!(scene.calls(), 0);
    row(68)
        .injected("a Secret of another type, and an immutable one")
        .judged(&oracles::asked(&scene.palette.history()))
        .logins(scene.palette.logins().len(), 1)
        .holds("not touched; the message tells type or immutability; no login");
}

#[tokio::test]
async fn of_two_apitokens_with_the_same_output_the_first_keeps_it_after_a_restart_too_until_it_goes() {
    let mut scene = Scene::new().await;
    let shared = json!({ "output": { "secretName": "shared" } });
    scene.issued("first", shared.clone()).await;
    scene.world.token_with("second", scene.spec(shared)).await;
    let token = scene.world.not_ready("second", "OutputConflict").await;
    assert!(ready(&token).expect("Ready").message.contains("first"), "{:?}", ready(&token));
    scene.world.stop_operator().await;
    scene.world.start_operator().await;
    scene.world.looked_again("first").await;
    scene.world.looked_again("second").await;
    scene.world.ready("first").await;
    scene.world.not_ready("second", "OutputConflict").await;
    assert_eq!(scene.calls(), 1, "the second must not log in for nothing");

    scene.world.tokens().delete("first", &DeleteParams::default()).await.expect("deleted");
    scene.world.ready("second").await;
    let output = scene.world.secrets().get("shared").await.expect("an output");
    assert!(output.owner_references().iter().all(|owner| owner.name == "second"));
    row(69)
        .injected("two ApiTokens with one output, a restart between")
        .judged(&oracles::asked(&scene.palette.history()))
        .logins(scene.palette.logins().len(), 2)
        .holds("the first keeps it until it goes; the second spends no login before");
}

#[tokio::test]
async fn a_renamed_output_is_written_under_its_new_name_and_the_old_one_goes() {
    let scene = Scene::new().await;
    scene.issued("clusters", json!({})).await;
    scene.world.secret("bystander", Some("output"), &[("theirs", "precious")]).await;
    let token = scene.world.data("clusters", "token").await;
    scene.world.edit_token("clusters", json!({ "spec": { "output": { "secretName": "renamed" } } })).await;
    scene.world.until_secret("renamed", "the same token", |now| text(now, "token") == Some(&token)).await;
    scene.world.until_gone("clusters").await;
    let status = scene.world.ready("clusters").await.status.expect("a status");
    assert_eq!(status.secret_name.as_deref(), Some("renamed"));
    assert_eq!(scene.world.data("bystander", "theirs").await, "precious");
    assert_eq!(scene.calls(), 1);
    row(70)
        .injected("the output is renamed")
        .judged(&oracles::asked(&scene.palette.history()))
        .logins(scene.palette.logins().len(), 1)
        .holds("written under its new name, the old one goes, a bystander stays; no call");
}

#[tokio::test]
async fn an_old_output_that_belongs_to_somebody_else_by_now_stays_when_the_output_is_renamed() {
    let mut scene = Scene::new().await;
    scene.issued("clusters", json!({})).await;
    scene.world.stop_operator().await;
    let given_away = json!({ "ownerReferences": null, "annotations": { "apitoken.dev/owner": null } });
    scene.world.patch_secret("clusters", json!({ "metadata": given_away })).await;
    scene.world.edit_token("clusters", json!({ "spec": { "output": { "secretName": "renamed" } } })).await;
    scene.world.start_operator().await;
    scene.world.ready("clusters").await;
    scene.world.until_secret("renamed", "written", |now| keys(now) == ["token"]).await;
    scene.world.looked_again("clusters").await;
    assert!(scene.world.all_data("clusters").await.is_some(), "a Secret that is not ours was removed");
    assert_eq!(scene.calls(), 1);
}

#[tokio::test]
async fn an_output_that_its_owner_has_made_immutable_is_not_called_good_when_its_token_is_not() {
    let scene = Scene::new().await;
    scene.palette.script(|script| script.lifetime = Duration::from_secs(9));
    scene.issued("clusters", json!({})).await;
    scene.world.patch_secret("clusters", json!({ "immutable": true })).await;
    let not_good = |token: &ApiToken| ready(token).is_some_and(|one| one.status != "True");
    let token = scene.world.until("clusters", "Ready is not True", not_good).await;
    let message = &ready(&token).expect("Ready").message;
    assert!(message.contains("clusters"), "which Secret? {message:?}");
    scene.world.secrets().delete("clusters", &DeleteParams::default()).await.expect("deleted");
    scene.world.ready("clusters").await;
}
