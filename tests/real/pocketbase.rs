//! PocketBase, where the current token buys the next: renewals, and what ends a session or does not.

use std::time::Duration;

use serde_json::json;

use crate::{
    customers::assert_always_served,
    user::{Asked, User, count},
    world::PATIENCE,
};

/// Renewed after 5 s, the youngest age at which the operator renews.
const SHORT: Duration = Duration::from_secs(12);
const EARLY: i32 = 40;
/// Renewed after 6 s, and then good for most of a minute: time to start something again on a loaded machine.
const LONG: Duration = Duration::from_secs(60);
const VERY_EARLY: i32 = 10;

#[tokio::test]
async fn one_login_and_then_the_current_token_buys_the_next_again_and_again() {
    let user = User::with_tokens_of(SHORT).await;
    user.token("records", EARLY).await;
    user.world.ready("records").await;
    let consumer = user.consumer("records");
    user.refreshed(4).await;
    let asked = user.asked();
    assert_eq!(asked[..5], [&[Asked::Login(200)][..], &[Asked::Refresh(200); 4]].concat());
    assert_eq!(user.logins(), 1);
    assert_always_served(consumer);
}

#[tokio::test]
async fn a_session_that_pocketbase_revoked_costs_one_refused_refresh_and_one_login() {
    let user = User::with_tokens_of(SHORT).await;
    user.token("records", EARLY).await;
    user.world.ready("records").await;
    user.refreshed(1).await;
    user.pocketbase.revoke_tokens(&user.id).await.expect("revoked");
    let before = user.refreshes();
    let again = |passed: &[_]| count(&crate::user::asked(passed), Asked::Refresh(200)) > before;
    user.pocketbase.front.wait_for("a refresh in the new session", PATIENCE, again).await;
    let rest = &user.asked()[1 + before..];
    assert_eq!(rest[..3], [Asked::Refresh(401), Asked::Login(200), Asked::Refresh(200)]);
    assert_eq!(user.logins(), 2);
}

#[tokio::test]
async fn a_password_that_changed_there_and_then_here_is_refused_once_in_between() {
    let user = User::with_tokens_of(SHORT).await;
    user.token("records", EARLY).await;
    user.world.ready("records").await;
    user.pocketbase.set_password(&user.id, "battery staple").await.expect("another password");
    user.pocketbase
        .front
        .wait_for("the old password", PATIENCE, |passed| crate::user::asked(passed).contains(&Asked::Login(400)))
        .await;
    user.world.not_ready("records", "CredentialsRejected").await;
    user.says_the_password("battery staple").await;
    user.world.ready("records").await;
    let asked = user.asked();
    assert_eq!(count(&asked, Asked::Login(400)), 1, "{asked:?}");
    assert_eq!(count(&asked, Asked::Login(200)), 2, "{asked:?}");
}

#[tokio::test]
async fn a_server_that_is_away_when_a_renewal_is_due_costs_no_login() {
    let user = User::with_tokens_of(LONG).await;
    user.token("records", VERY_EARLY).await;
    user.world.ready("records").await;
    user.pocketbase.stop();
    let away = |passed: &[_]| count(&crate::user::asked(passed), Asked::Refresh(502)) >= 1;
    user.pocketbase.front.wait_for("a renewal in vain", PATIENCE, away).await;
    user.pocketbase.start_again().await.expect("PocketBase is back");
    user.refreshed(2).await;
    assert_eq!(user.logins(), 1);
    user.world.ready("records").await;
}

#[tokio::test]
async fn an_operator_that_starts_again_goes_on_with_the_session() {
    let mut user = User::with_tokens_of(LONG).await;
    user.token("records", VERY_EARLY).await;
    user.world.ready("records").await;
    for end in ["as it should", "by a crash"] {
        if end == "by a crash" {
            user.world.kill_operator();
        } else {
            user.world.stop_operator().await;
        }
        let before = user.refreshes();
        user.world.start_operator().await;
        user.refreshed(before + 1).await;
        assert_eq!(user.logins(), 1, "it ended {end}");
    }
}

#[tokio::test]
async fn another_collection_is_a_parameter_of_the_apitoken() {
    let user = User::with_tokens_of(LONG).await;
    let spec = json!({
        "providerRef": { "name": user.provider },
        "credentialsRef": { "name": "pocketbase-login" },
        "parameters": { "collection": "nobody" },
    });
    user.world.token_with("records", spec).await;
    // PocketBase has no such collection and says 404: nothing is wrong with the credentials.
    user.world.not_ready("records", "ResponseInvalid").await;
    let parameters = json!({ "spec": { "parameters": { "collection": "_pb_users_auth_" } } });
    user.world.edit_token("records", parameters).await;
    user.world.ready("records").await;
}
