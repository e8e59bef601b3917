//! What changes nothing costs nothing: no request at the provider, and no write.

use serde_json::json;
use testbed::{control_plane::Options, users::User};

use crate::{
    scene::{LOGIN, Scene},
    world::{World, ready},
};

#[tokio::test]
async fn labels_annotations_and_unrelated_keys_cost_no_call_and_no_write() {
    let scene = Scene::new().await;
    scene.issued("clusters", json!({})).await;
    scene.world.looked_again("clusters").await;
    let session = scene.world.session_name("clusters").await;
    let mark = scene.world.mark();
    let metadata = json!({ "metadata": { "labels": { "team": "web" }, "annotations": { "example.com/note": "new" } } });
    scene.world.edit_token("clusters", metadata.clone()).await;
    scene.world.patch_secret(LOGIN, metadata.clone()).await;
    scene.world.patch_secret(&session, metadata.clone()).await;
    scene.world.patch_secret("clusters", metadata).await;
    scene.world.edit_secret(LOGIN, &[("note", "not one of the provider's keys")]).await;
    scene.world.looked_again("clusters").await;
    scene.world.ready("clusters").await;
    assert_eq!(scene.calls(), 1);
    assert_eq!(scene.world.writes_of("clusters", mark), 0, "the output");
    assert_eq!(scene.world.writes_of(LOGIN, mark), 0, "the credentials are the user's");
    assert!(scene.world.writes_of(&session, mark) <= 1, "at most the credentials' new resourceVersion is remembered");
}

#[tokio::test]
async fn a_restarted_operator_that_finds_all_in_order_asks_nothing_and_writes_nothing() {
    let mut scene = Scene::new().await;
    scene.issued("clusters", json!({})).await;
    scene.world.stop_operator().await;
    let mark = scene.world.mark();
    scene.world.start_operator().await;
    // The newcomer is served after the first lists; by then everything that was due at the start has been looked at.
    scene.issued("newcomer", json!({})).await;
    let session = scene.world.session_name("clusters").await;
    assert_eq!(scene.palette.logins().len(), 2, "one for the newcomer");
    assert_eq!(scene.world.writes_of("clusters", mark) + scene.world.writes_of(&session, mark), 0);
}

#[tokio::test]
async fn a_restart_of_the_api_server_costs_no_call_and_no_write() {
    let mut scene = Scene::within(World::apart(Options::default()).await).await;
    let cluster = scene.world.cluster;
    scene.world.start_operator().await;
    scene.issued("clusters", json!({})).await;
    let session = scene.world.session_name("clusters").await;
    let mark = scene.world.mark();
    cluster.start_apiserver().await.expect("the API server starts again");
    // It answers with a new connection, and the operator's watches are begun again.
    scene.world.client = cluster.client(&User::Admin).expect("a client");
    scene.world.looked_again("clusters").await;
    let token = scene.world.ready("clusters").await;
    assert_eq!(ready(&token).expect("Ready").reason, "Issued");
    assert_eq!(scene.calls(), 1);
    assert_eq!(scene.world.writes_of("clusters", mark) + scene.world.writes_of(&session, mark), 0);
}
