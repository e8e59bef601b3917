//! What a person asks of an ApiToken: to rest, to refresh now; and a status that somebody else has written.

use std::time::Duration;

use apitoken_operator::api::ApiToken;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use testbed::{
    reliability::{oracles, row},
    vendors::{Fault, On},
};

use crate::{
    scene::{LOGIN, Scene, text},
    world::{PATIENCE, World, ready},
};

impl World {
    async fn ask_for_refresh(&self, name: &str, text: &str) {
        let annotation = json!({ "apitoken.dev/refresh-requested-at": text });
        self.edit_token(name, json!({ "metadata": { "annotations": annotation } })).await;
    }

    async fn write_status(&self, name: &str, status: Value) {
        let patch = Patch::Merge(json!({ "status": status }));
        self.tokens().patch_status(name, &PatchParams::default(), &patch).await.expect("the status is written");
    }
}

#[tokio::test]
async fn a_suspended_apitoken_asks_nothing_keeps_its_output_whole_and_goes_on_when_it_is_resumed() {
    let scene = Scene::new().await;
    scene.palette.script(|script| script.lifetime = Duration::from_secs(8));
    scene.issued("clusters", json!({})).await;
    scene.world.edit_token("clusters", json!({ "spec": { "suspend": true } })).await;
    let resting = |wanted: &'static str| {
        move |token: &_| ready(token).is_some_and(|one| one.reason == "Suspended" && one.status == wanted)
    };
    scene.world.until("clusters", "it rests with a valid token", resting("True")).await;
    let calls = scene.calls();
    let before = scene.world.secrets().get("clusters").await.expect("an output");
    scene.world.patch_secret("clusters", json!({ "data": { "extra": "Zm9yZ2Vk" } })).await;
    scene.world.until_secret("clusters", "restored", |now| now.data == before.data).await;
    scene.world.until("clusters", "it rests, and its token has expired", resting("False")).await;
    assert_eq!(scene.calls(), calls, "a suspended ApiToken asks nothing");
    assert_eq!(scene.world.secrets().get("clusters").await.expect("an output").data, before.data);

    scene.world.edit_token("clusters", json!({ "spec": { "suspend": false } })).await;
    scene.world.ready("clusters").await;
    scene
        .world
        .until_secret("clusters", "a new token", |now| text(now, "token").is_some() && now.data != before.data)
        .await;
}

#[tokio::test]
async fn a_suspended_apitoken_without_a_token_spends_no_login() {
    let scene = Scene::new().await;
    scene.world.token_with("clusters", scene.spec(json!({ "suspend": true }))).await;
    scene.world.not_ready("clusters", "Suspended").await;
    assert_eq!(scene.calls(), 0);
    scene.world.edit_token("clusters", json!({ "spec": { "suspend": null } })).await;
    scene.world.ready("clusters").await;
}

#[tokio::test]
async fn each_request_for_a_refresh_is_met_once_and_not_again_after_a_restart() {
    let mut scene = Scene::new().await;
    scene.world.stop_operator().await;
    scene.world.token("born-with-it", &scene.provider, LOGIN).await;
    scene.world.ask_for_refresh("born-with-it", "before the login").await;
    scene.world.start_operator().await;
    scene.world.ready("born-with-it").await;
    scene.issued("clusters", json!({})).await;
    scene.world.ask_for_refresh("clusters", "first").await;
    scene.world.ask_for_refresh("clusters", "second").await;
    // At most one request a minute: this one waits until the login is a minute ago.
    scene.palette.wait_for("the refresh", PATIENCE * 2, |all| all.len() > 2).await;
    let (newest, _) = scene.palette.newest_token(crate::scene::ACCOUNT).expect("a token");
    scene.world.until_secret("clusters", "the new token", |now| text(now, "token") == Some(&newest)).await;
    assert_eq!(scene.palette.refreshes().len(), 1, "a login meets a request, and two within a minute are one");
    scene.world.stop_operator().await;
    scene.world.start_operator().await;
    scene.world.looked_again("clusters").await;
    scene.world.ready("clusters").await;
    assert_eq!(scene.calls(), 3);
}

#[tokio::test]
async fn requests_for_a_refresh_do_not_drive_a_login_that_fails() {
    let scene = Scene::new().await;
    scene.palette.fail_always(On::Login, Fault::rate_limited("3000"));
    scene.world.token("clusters", &scene.provider, LOGIN).await;
    scene.world.not_ready("clusters", "RateLimited").await;
    for text in ["1", "2", "3", "4", "5"] {
        scene.world.ask_for_refresh("clusters", text).await;
        scene.world.looked_again("clusters").await;
    }
    assert!(scene.calls() <= 2, "{} logins in a minute", scene.calls());
}

#[tokio::test]
async fn a_status_that_somebody_else_wrote_is_put_right_and_decides_nothing() {
    let scene = Scene::new().await;
    scene.issued("clusters", json!({})).await;
    let right = scene.world.ready("clusters").await.status.expect("a status");
    let same = |status: &apitoken_operator::api::ApiTokenStatus| {
        (&status.expires_at, &status.renew_at) == (&right.expires_at, &right.renew_at)
            && status.secret_name == right.secret_name
            && status.conditions.len() == 3
    };
    for (when, ready_or_not, reason) in
        [("2001-01-01T00:00:00Z", "False", "Rejected"), ("2101-01-01T00:00:00Z", "True", "Issued")]
    {
        let lies = json!({
            "observedGeneration": 1, "expiresAt": when, "renewAt": when, "secretName": "elsewhere",
            "binding": { "name": "elsewhere" },
            "conditions": [{
                "type": "Ready", "status": ready_or_not, "reason": reason, "message": "no",
                "lastTransitionTime": "2001-01-01T00:00:00Z",
            }],
        });
        scene.world.write_status("clusters", lies).await;
        let mended = |token: &ApiToken| {
            token.status.as_ref().is_some_and(same) && ready(token).is_some_and(|one| one.status == "True")
        };
        scene.world.until("clusters", "the status is right again", mended).await;
    }
    assert_eq!(scene.calls(), 1, "a status decided something");
    row(75)
        .injected("a status with lies: expired, due, rejected, bound elsewhere; then one that is good for 75 years")
        .judged(&oracles::asked(&scene.palette.history()))
        .logins(scene.calls(), 1)
        .holds("put right from the session; it decides nothing, no call");
}
