//! Ory Hydra and assertions: a client that shows who it is by a key, and tokens for what a trusted issuer signs.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;

use crate::{
    client::{CLIENT, Client, given, statuses},
    customers::assert_always_served,
    world::PATIENCE,
};

/// Renewed after 5 s, the youngest age at which the operator renews.
const SHORT: Duration = Duration::from_secs(12);
const EARLY: i32 = 40;
/// Not renewed within a story.
const LONG: Duration = Duration::from_secs(3600);
const LATE: i32 = 90;

#[tokio::test]
async fn a_client_that_authenticates_by_a_key_signs_each_renewal_anew() {
    let client = Client::with_key(SHORT, "hydra-client-key.yaml", None).await;
    client.token("api", EARLY, "openid").await;
    client.world.ready("api").await;
    let consumer = client.consumer("api");
    let passed = client.hydra.front.wait_for("four tokens", PATIENCE, |passed| given(passed, 4)).await;
    // Hydra takes each assertion once.
    assert_eq!(statuses(&passed)[..4], [200; 4]);
    let assertions: BTreeSet<_> = passed.iter().map(|passed| &passed.form["client_assertion"]).collect();
    assert_eq!(assertions.len(), passed.len());
    assert_always_served(consumer);
}

#[tokio::test]
async fn an_assertion_of_a_trusted_issuer_buys_a_token_again_and_again() {
    let client = Client::with_key(SHORT, "hydra-jwt-bearer.yaml", Some("https://ci.example.com")).await;
    client.token_with("api", EARLY, &json!({ "scope": "openid", "subject": CLIENT })).await;
    client.world.ready("api").await;
    let consumer = client.consumer("api");
    let passed = client.hydra.front.wait_for("four tokens", PATIENCE, |passed| given(passed, 4)).await;
    assert_eq!(statuses(&passed)[..4], [200; 4]);
    assert_always_served(consumer);
}

#[tokio::test]
async fn a_key_that_hydra_does_not_know_is_tried_once() {
    let mut client = Client::with_key(LONG, "hydra-client-key.yaml", None).await;
    client.says_another_key().await;
    client.token("one", LATE, "read").await;
    client.world.not_ready("one", "CredentialsRejected").await;
    client.world.stop_operator().await;
    client.world.start_operator().await;
    client.token("two", LATE, "read").await;
    client.world.not_ready("two", "CredentialsRejected").await;
    assert_eq!(statuses(&client.hydra.front.passed()), [401]);
}
