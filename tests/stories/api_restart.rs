//! The API server is killed and comes back, or loses its CRD: nothing is lost, nothing is asked twice.

use std::time::{Duration, Instant};

use apitoken_operator::api::ApiToken;
use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, api::DeleteParams};
use serde_json::json;
use testbed::{
    control_plane::Options,
    eventually::await_until,
    reliability::{oracles, row},
    users::User,
    vendors::{Exchange, Operation},
};

use crate::{
    scene::{ACCOUNT, Scene, text},
    world::{PATIENCE, World, ready, repository},
};

const LONG: Duration = Duration::from_secs(3600);

/// On a control plane of its own, which only these stories disturb.
async fn scene() -> Scene {
    let mut world = World::apart(Options::default()).await;
    world.start_operator().await;
    Scene::within(world).await
}

impl Scene {
    async fn holds_the_newest(&self, name: &str) {
        let newest = || self.palette.newest_token(ACCOUNT).map(|(text, _)| text);
        self.world.until_secret(name, "the newest token", |now| text(now, "token") == newest().as_deref()).await;
    }
}

fn refreshed(all: &[Exchange]) -> usize {
    all.iter().filter(|one| one.operation == Operation::Refresh && one.answered.is_some()).count()
}

#[tokio::test]
async fn an_api_server_that_restarts_costs_no_login_and_no_output_is_ever_late() {
    let scene = scene().await;
    scene.palette.script(|script| script.lifetime = Duration::from_secs(120));
    // Renewed after 12 s at the latest.
    scene.issued("clusters", json!({ "refresh": { "atPercent": 10 } })).await;
    let outputs = scene.world.watch("clusters").await;
    let before = refreshed(&scene.palette.history());
    scene.world.cluster.stop_apiserver();
    await_until("/readyz says so", PATIENCE, async || match scene.world.operator().get("/readyz").await {
        Ok((503, _)) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert_eq!(scene.world.operator().get("/livez").await.expect("an answer").0, 200);
    scene.world.cluster.start_apiserver().await.expect("the API server is back");
    let back = Instant::now();
    scene.palette.wait_for("a refresh after it", PATIENCE * 2, |all| refreshed(all) > before).await;
    scene.holds_the_newest("clusters").await;
    let took = back.elapsed();
    scene.world.ready("clusters").await;
    let versions = outputs.versions().expect("no gaps");
    row(17)
        .injected("kill -9 of the API server, which comes back when /readyz has noticed")
        .judged(&oracles::output(&versions, "token", Timestamp::now(), |text| scene.palette.token(text)))
        .judged(&oracles::asked(&scene.palette.history()))
        .logins(scene.palette.logins().len(), 1)
        .took("the API server is back, the next refresh is in the output", took)
        .holds("/readyz 503, /livez 200; the session goes on");
}

#[tokio::test]
async fn an_answer_that_comes_while_the_api_server_is_away_is_kept_beyond_the_old_tokens_end_and_written_on_its_return()
{
    let scene = scene().await;
    scene
        .palette
        .script(|script| (script.lifetime, script.refresh_latency) = (Duration::from_secs(40), Duration::from_secs(3)));
    scene.issued("clusters", json!({ "refresh": { "atPercent": 20 } })).await;
    let expires = scene.world.get("clusters").await.status.and_then(|status| status.expires_at).expect("an expiry").0;
    scene.palette.script(|script| script.lifetime = LONG);
    let on_its_way = |all: &[Exchange]| all.iter().any(|one| one.operation == Operation::Refresh);
    scene.palette.wait_for("a refresh on its way", PATIENCE, on_its_way).await;
    scene.world.cluster.stop_apiserver();
    scene.palette.wait_for("the answer", PATIENCE, |all| refreshed(all) == 1).await;
    await_until("the old token has expired", PATIENCE * 2, async || {
        let left = expires.duration_since(Timestamp::now());
        if left.is_negative() { Ok(()) } else { Err(left) }
    })
    .await;
    assert_eq!(scene.calls(), 2, "a token that was there was asked for again");
    scene.world.cluster.start_apiserver().await.expect("the API server is back");
    let back = Instant::now();
    scene.holds_the_newest("clusters").await;
    let took = back.elapsed();
    scene.world.ready("clusters").await;
    assert_eq!(scene.calls(), 2, "the kept token was not enough");
    row(18)
        .injected("kill -9 of the API server during a refresh; it stays away until the old token has expired")
        .judged(&oracles::asked(&scene.palette.history()))
        .logins(scene.palette.logins().len(), 1)
        .took("the API server is back, the kept token is in the output", took)
        .holds("the answer is kept in memory and written on its return; the provider is not asked again");
}

#[tokio::test]
async fn a_crd_that_is_deleted_and_made_again_ends_nothing() {
    let scene = scene().await;
    scene.issued("clusters", json!({})).await;
    let crds: Api<CustomResourceDefinition> = Api::all(scene.world.client.clone());
    let name = "apitokens.apitoken.dev";
    crds.delete(name, &DeleteParams::default()).await.expect("deleted");
    await_until("the CRD is gone", PATIENCE, async || match crds.get_opt(name).await {
        Ok(None) => Ok(()),
        other => Err(format!("{:?}", other.map(|there| there.is_some()))),
    })
    .await;
    scene.world.until_gone("clusters").await;
    let yaml = std::fs::read_to_string(repository().join("crds/apitokens.yaml")).expect("the CRD");
    scene.world.cluster.apply(&User::Admin, &yaml).await.expect("made again");
    let again = Instant::now();
    await_until("it takes ApiTokens again", PATIENCE, async || {
        let token = json!({
            "apiVersion": "apitoken.dev/v1alpha1", "kind": "ApiToken", "metadata": { "name": "clusters" },
            "spec": scene.spec(json!({})),
        });
        let token: ApiToken = serde_json::from_value(token).expect("an ApiToken");
        scene.world.tokens().create(&kube::api::PostParams::default(), &token).await.map(drop)
    })
    .await;
    // The watch comes back by its back-off, which has grown meanwhile.
    let api = scene.world.tokens();
    await_until("ready", PATIENCE * 3, async || {
        let token = api.get("clusters").await.map_err(|error| error.to_string())?;
        if ready(&token).is_some_and(|one| one.status == "True") { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    let took = again.elapsed();
    assert!(scene.world.operator().ended().is_none());
    row(33)
        .injected("the CRD of ApiTokens is deleted with all of them, and made again with one of the same name")
        .judged(&oracles::asked(&scene.palette.history()))
        .logins(scene.palette.logins().len(), 2)
        .took("the CRD is back, a new ApiToken is ready", took)
        .holds("the process goes on; outputs go with their owners; the new one is issued");
}
