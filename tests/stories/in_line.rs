//! ApiTokens that wait for their turn at a provider, and what changes meanwhile.

use std::time::Duration;

use apitoken_operator::api::ApiToken;
use futures::future::join_all;
use serde_json::json;
use testbed::{
    reliability::{oracles, row},
    vendors::{Fault, On, Palette},
};

use crate::{
    scene::ACCOUNT,
    world::{PATIENCE, World, ready},
};

/// Longer than the story: what was asked for first keeps the turn.
const HANG: &str = "280s";

async fn vendor(world: &World, name: &str, limits: serde_json::Value) -> Palette {
    let palette = Palette::start(&world.ca).expect("Palette");
    palette.add_account(ACCOUNT, "correct");
    let tls = json!({ "caBundle": world.ca.pem() });
    world.provider(name, json!({ "preset": "Palette", "url": palette.base_url(), "tls": tls, "limits": limits })).await;
    palette
}

#[tokio::test]
async fn an_apitoken_in_line_at_a_provider_that_hangs_goes_to_another_when_its_owner_says_so() {
    let world = World::new().await;
    let hanging = vendor(&world, "hanging", json!({ "timeout": HANG })).await;
    let healthy = vendor(&world, "healthy", json!({})).await;
    hanging.fail_always(On::Both, Fault::Hang);
    for name in ["shared", "own"] {
        world.credentials(name, &[("emailId", ACCOUNT), ("password", "correct")]).await;
    }
    for name in ["first", "second", "third"] {
        world.token(name, &format!("hanging-{}", world.namespace), "shared").await;
        hanging.wait_for("the first login hangs", PATIENCE, |all| all.len() == 1).await;
    }
    let there = json!({ "name": format!("healthy-{}", world.namespace) });
    world.edit_token("second", json!({ "spec": { "providerRef": there, "credentialsRef": { "name": "own" } } })).await;
    world.ready("second").await;
    world.edit_token("third", json!({ "spec": { "suspend": true } })).await;
    let suspended = |token: &ApiToken| ready(token).is_some_and(|ready| ready.reason == "Suspended");
    world.until("third", "suspended", suspended).await;
    let hung = hanging.logins();
    assert!(hung.len() == 1 && hung[0].answered.is_none(), "the line moved: {hung:?}");
    row(46)
        .injected("an ApiToken in line at a provider that hangs is sent to another one, and one behind it is suspended")
        .judged(&oracles::asked(&healthy.history()))
        .holds("both, while the first one still hangs");
}

#[tokio::test]
async fn a_wrong_password_that_comes_while_many_wait_for_their_turn_is_tried_once() {
    const SECRETS: usize = 10;
    let world = World::new().await;
    let limits = json!({ "concurrency": 3, "requestsPerSecond": 1000, "burst": 1000 });
    let palette = vendor(&world, "slow", limits).await;
    palette.script(|script| script.login_latency = Duration::from_secs(3));
    let names: Vec<_> = (0..SECRETS).map(|number| format!("copy-{number}")).collect();
    for name in &names {
        world.credentials(name, &[("emailId", ACCOUNT), ("password", "correct")]).await;
        world.token(&format!("{name}-token"), &format!("slow-{}", world.namespace), name).await;
    }
    // One is let in; then three at a time, and the others have their places in the line.
    palette.wait_for("three at once", PATIENCE, |all| all.len() == 1 + 3).await;
    join_all(names.iter().map(|name| world.edit_secret(name, &[("password", "wrong")]))).await;
    for name in &names {
        let told = |token: &ApiToken| token.status.as_ref().is_some_and(|status| status.failures.is_some());
        world.until(&format!("{name}-token"), "its password was refused", told).await;
    }
    let refused = palette.logins().iter().filter(|login| login.status.is_some_and(|status| status >= 400)).count();
    assert_eq!(refused, 1, "of {} logins", palette.logins().len());
    row(48)
        .injected(format!("a password is replaced by a wrong one in {SECRETS} Secrets while they wait for their turn"))
        .holds("tried once in all");
}
