//! Ory Hydra and clients with credentials of their own: each renewal is a login.

use std::time::Duration;

use serde_json::json;
use testbed::real::Passed;

use crate::{
    client::{Auth, CLIENT, Client, SECRET, given, statuses},
    customers::assert_always_served,
    world::{PATIENCE, condition, ready},
};

/// Renewed after 5 s, the youngest age at which the operator renews.
const SHORT: Duration = Duration::from_secs(12);
const EARLY: i32 = 40;
/// Renewed after 6 s, and then good for most of a minute: time to start something again on a loaded machine.
const LONG: Duration = Duration::from_secs(60);
const VERY_EARLY: i32 = 10;
/// Not renewed within a story.
const LATE: i32 = 90;

async fn is_renewed_three_times_and_its_pods_are_always_served(auth: Auth) {
    let client = Client::with_tokens_of(SHORT, auth).await;
    client.token("api", EARLY, "openid").await;
    client.world.ready("api").await;
    let consumer = client.consumer("api");
    let passed = client.hydra.front.wait_for("four tokens", PATIENCE, |passed| given(passed, 4)).await;
    assert_eq!(statuses(&passed)[..4], [200; 4]);
    assert_eq!(passed[0].text("scope"), "openid");
    assert_always_served(consumer);
}

#[tokio::test]
async fn a_client_that_authenticates_by_basic_has_its_token_renewed() {
    is_renewed_three_times_and_its_pods_are_always_served(Auth::Basic).await;
}

#[tokio::test]
async fn a_client_that_authenticates_in_the_form_has_its_token_renewed() {
    is_renewed_three_times_and_its_pods_are_always_served(Auth::Body).await;
}

#[tokio::test]
async fn an_issuer_names_its_endpoint_once_for_all_renewals() {
    let client = Client::with_tokens_of(SHORT, Auth::Issuer).await;
    client.token("api", EARLY, "openid").await;
    client.world.ready("api").await;
    let consumer = client.consumer("api");
    let tokens = |passed: &[Passed]| passed.iter().filter(|one| one.path == "/oauth2/token" && one.is_good()).count();
    let passed = client.hydra.front.wait_for("four tokens", PATIENCE, |passed| tokens(passed) >= 4).await;
    let discoveries = passed.iter().filter(|one| one.path == "/.well-known/openid-configuration").count();
    assert_eq!((discoveries, passed[0].status), (1, Some(200)));
    assert_always_served(consumer);
}

#[tokio::test]
async fn a_wrong_secret_is_tried_once_for_all_and_not_again_by_a_restart() {
    let mut client = Client::with_tokens_of(LONG, Auth::Basic).await;
    client.says_the_secret("wrong").await;
    let names = ["one", "two", "three"];
    for name in names {
        client.token(name, LATE, "read").await;
    }
    for name in names {
        client.world.not_ready(name, "CredentialsRejected").await;
    }
    client.world.stop_operator().await;
    client.world.start_operator().await;
    // What it does first for a new ApiToken comes after what it would do for the old ones.
    client.token("four", LATE, "read").await;
    client.world.not_ready("four", "CredentialsRejected").await;
    assert_eq!(statuses(&client.hydra.front.passed()), [401]);
    client.says_the_secret(SECRET).await;
    for name in names {
        client.world.ready(name).await;
    }
}

#[tokio::test]
async fn a_secret_that_changed_there_takes_nothing_away_until_the_token_ends() {
    let client = Client::with_tokens_of(SHORT, Auth::Body).await;
    client.token("api", EARLY, "read").await;
    client.world.ready("api").await;
    client.hydra.set_secret(CLIENT, "another secret").await.expect("another secret");
    let refused = |passed: &[_]| statuses(passed).contains(&401);
    client.hydra.front.wait_for("the old secret", PATIENCE, refused).await;
    let token = client
        .world
        .until("api", "stalled", |token| condition(token, "Stalled").is_some_and(|stalled| stalled.status == "True"));
    let token = token.await;
    let left = &ready(&token).expect("a Ready condition").status;
    let held = client.world.data("api", "token").await;
    // The token may have ended meanwhile; if the status says that it has not, Hydra must agree.
    assert!(left != "True" || client.hydra.is_active(&held).await.expect("an answer"), "Ready with a dead token");
    client.says_the_secret("another secret").await;
    client.world.ready("api").await;
    let all = statuses(&client.hydra.front.passed());
    assert_eq!(all.iter().filter(|status| **status == 401).count(), 1, "{all:?}");
}

#[tokio::test]
async fn a_scope_that_the_client_may_not_have_is_no_fault_of_its_secret() {
    let client = Client::with_tokens_of(LONG, Auth::Basic).await;
    client.token("api", LATE, "admin").await;
    client.world.not_ready("api", "ResponseInvalid").await;
    client.world.edit_token("api", json!({ "spec": { "parameters": { "scope": "read" } } })).await;
    client.world.ready("api").await;
    let held = client.world.data("api", "token").await;
    assert!(client.hydra.is_active(&held).await.expect("an answer"));
}

#[tokio::test]
async fn a_server_that_is_away_when_a_renewal_is_due_leaves_the_token_where_it_is() {
    let client = Client::with_tokens_of(LONG, Auth::Basic).await;
    client.token("api", VERY_EARLY, "read").await;
    client.world.ready("api").await;
    let held = client.world.data("api", "token").await;
    client.hydra.stop();
    let away = |passed: &[_]| statuses(passed).contains(&502);
    client.hydra.front.wait_for("a renewal in vain", PATIENCE, away).await;
    assert_eq!(client.world.data("api", "token").await, held);
    client.hydra.start_again().await.expect("Hydra is back");
    assert!(client.hydra.is_active(&held).await.expect("an answer"));
    client.hydra.front.wait_for("another token", PATIENCE, |passed| given(passed, 2)).await;
    client.world.ready("api").await;
}
