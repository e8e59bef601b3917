//! PocketBase, when it does not let somebody in.

use std::time::Duration;

use serde_json::json;

use crate::{
    user::{Asked, User, asked, count},
    world::{PATIENCE, ready},
};

/// No renewal falls due within a story.
const LONG: Duration = Duration::from_secs(3600);
const LATE: i32 = 90;

#[tokio::test]
async fn a_wrong_password_is_tried_once_for_all_and_not_again_by_a_restart() {
    let mut user = User::with_tokens_of(LONG).await;
    user.says_the_password("wrong").await;
    let names = ["one", "two", "three"];
    for name in names {
        user.token(name, LATE).await;
    }
    for name in names {
        user.world.not_ready(name, "CredentialsRejected").await;
    }
    user.world.stop_operator().await;
    user.world.start_operator().await;
    // What it does first for a new ApiToken comes after what it would do for the old ones.
    user.token("four", LATE).await;
    user.world.not_ready("four", "CredentialsRejected").await;
    assert_eq!(user.asked(), [Asked::Login(400)]);
    user.says_the_password(crate::user::PASSWORD).await;
    for name in names {
        user.world.ready(name).await;
    }
}

#[tokio::test]
async fn an_account_with_a_second_factor_is_told_by_its_name() {
    let user = User::with_tokens_of(LONG).await;
    let factors = json!({ "mfa": { "enabled": true }, "otp": { "enabled": true } });
    user.pocketbase.configure_users(&factors).await.expect("two factors");
    user.token("records", LATE).await;
    let token = user.world.not_ready("records", "CredentialsRejected").await;
    let message = &ready(&token).expect("a Ready condition").message;
    assert!(message.contains("MfaRequired"), "{message}");
    assert_eq!(user.asked(), [Asked::Login(401)]);
}

#[tokio::test]
async fn tokens_that_pocketbase_limits_the_rate_of_all_come_in_the_end() {
    let user = User::with_tokens_of(LONG).await;
    let rule = json!({ "label": "*:auth", "audience": "", "duration": 3, "maxRequests": 2 });
    user.pocketbase.configure(&json!({ "rateLimits": { "enabled": true, "rules": [rule] } })).await.expect("a limit");
    let names: Vec<_> = (0..6).map(|number| format!("records-{number}")).collect();
    for name in &names {
        user.token(name, LATE).await;
    }
    for name in &names {
        user.world.ready(name).await;
    }
    let limited = |passed: &[_]| count(&asked(passed), Asked::Login(429)) > 0;
    user.pocketbase.front.wait_for("a refusal for too many requests", PATIENCE, limited).await;
    assert_eq!(count(&user.asked(), Asked::Login(200)), names.len());
}
