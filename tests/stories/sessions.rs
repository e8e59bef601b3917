//! How sessions end, and that nobody who uses the token notices.

use std::time::Duration;

use apitoken_operator::token::schedule;
use jiff::Timestamp;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use testbed::vendors::{Exchange, Fault, On, Operation};

use testbed::reliability::{oracles, row};

use crate::{
    customers::{TENOVOS_KEY, assert_always_served, assert_never_stale, printed_preset},
    world::{PATIENCE, World, condition, ready},
};

#[tokio::test]
async fn a_revoked_session_costs_exactly_one_login_and_nobody_notices() {
    let world = World::new().await;
    world.logins().await;
    let (palette, tenovos) = (world.palette(), world.tenovos());
    world.early_token("clusters", &world.preset("Palette", &palette.base_url()).await, "palette-login").await;
    world.early_token("assets", &world.preset("Tenovos", &tenovos.base_url()).await, "tenovos-login").await;
    let watchers = [world.watch("clusters").await, world.watch("assets").await];
    let consumers = [
        world.consumer("clusters", palette.call(&world.ca, "token")),
        world.consumer("assets", tenovos.call(&world.ca, TENOVOS_KEY)),
    ];

    palette.revoke_sessions();
    tenovos.revoke_sessions();
    let renewed = |all: &[Exchange]| logins(all).count() == 2 && good_refreshes_after_login(all, 2) > 0;
    palette.wait_for("login and a refresh of the new session", PATIENCE, renewed).await;
    tenovos.wait_for("login and a refresh of the new session", PATIENCE, renewed).await;

    consumers.into_iter().for_each(assert_always_served);
    let [clusters, assets] = watchers.map(|watcher| watcher.versions().expect("a recording without gaps"));
    assert_never_stale(&clusters, "token", |text| palette.token(text));
    assert_never_stale(&assets, "accessToken", |text| tenovos.token(text));
    for (asked, refused) in [(palette.history(), palette.refreshes()), (tenovos.history(), tenovos.refreshes())] {
        assert_eq!(logins(&asked).count(), 2, "the first one and one for the revocation");
        assert_eq!(refused.iter().filter(|refresh| refresh.refusal.is_some()).count(), 1, "a refusal is no news twice");
    }
    row(58)
        .injected("all sessions are revoked at two vendors, access tokens live on")
        .judged(&oracles::asked(&palette.history()))
        .judged(&oracles::asked(&tenovos.history()))
        .judged(&oracles::output(&clusters, "token", Timestamp::now(), |text| palette.token(text)))
        .judged(&oracles::output(&assets, "accessToken", Timestamp::now(), |text| tenovos.token(text)))
        .logins(palette.logins().len() + tenovos.logins().len(), 4)
        .holds("one refused refresh, one login each; who uses the token is never refused");
}

#[tokio::test]
async fn a_session_with_a_limit_is_followed_by_a_login_before_it_ends() {
    let limit = Duration::from_secs(30);
    let mut world = World::without_operator().await;
    world.logins().await;
    let tenovos = world.tenovos();
    tenovos.script(|script| script.session_limit = Some(limit));
    let provider = limited_tenovos(&world, &tenovos.base_url(), limit).await;
    token_with_time_after_its_early_login(&world, &provider).await;
    world.start_operator().await;
    world.ready("assets").await;
    let consumer = world.consumer("assets", tenovos.call(&world.ca, TENOVOS_KEY));

    tenovos.wait_for("second login", PATIENCE, |all| logins(all).count() == 2).await;

    let (logins, refreshes) = (tenovos.logins(), tenovos.refreshes());
    assert!(!refreshes.is_empty(), "it logged in where a refresh would have done");
    assert!(refreshes.iter().all(|refresh| refresh.refusal.is_none()), "it ran into the limit: {refreshes:#?}");
    let age = logins[1].received.duration_since(logins[0].received);
    let late = limit.mul_f64(0.93).try_into().expect("a short time");
    assert!(age < late, "the login came when the session was all but over, after {age}");
    assert_always_served(consumer);
    row(59)
        .injected("a session limit of 30 s, tokens of 12 s")
        .judged(&oracles::asked(&tenovos.history()))
        .logins(tenovos.logins().len(), 2)
        .holds("one login at 80 to 95 % of the limit; no refresh is refused, no consumer");
}

#[tokio::test]
async fn a_refresh_that_gives_next_to_nothing_tells_that_the_session_ends_and_is_followed_by_a_login() {
    let world = World::new().await;
    world.logins().await;
    let palette = world.palette();
    palette.script(|script| script.lifetime = Duration::from_secs(60));
    let provider = world.preset("Palette", &palette.base_url()).await;
    let spec = json!({
        "providerRef": { "name": provider },
        "credentialsRef": { "name": "palette-login" },
        "refresh": { "atPercent": 15 },
    });
    world.token_with("clusters", spec).await;
    world.ready("clusters").await;
    // Renewed after 8 or 9 s: 3 or 4 s are left of the session then, less than a tenth of the lifetime.
    palette.script(|script| {
        script.session_limit = Some(Duration::from_secs(12));
        script.session_end_cuts_lifetime = true;
    });
    let consumer = world.consumer("clusters", palette.call(&world.ca, "token"));
    let watcher = world.watch("clusters").await;
    let changed =
        watcher.wait_for(|all| all.last().map(|last| &last.data) != all.first().map(|first| &first.data), PATIENCE);
    let versions = changed.await.expect("another token");

    // The login follows at once, so that the short token is never shown.
    let shown = versions.last().and_then(|last| palette.token(last.text("token")?)).expect("a token of Palette");
    assert_eq!(
        shown.session,
        palette.logins().pop().expect("a login").issued[0].session,
        "a token of the session that ends was shown"
    );
    let operations: Vec<_> = renewals(&palette.history()).map(|exchange| exchange.operation).collect();
    assert_eq!(operations[..3], [Operation::Login, Operation::Refresh, Operation::Login]);
    assert!(palette.refreshes().iter().all(|refresh| refresh.refusal.is_none()), "it ran into the session's end");
    assert_always_served(consumer);
}

#[tokio::test]
async fn a_session_goes_on_refreshing_to_its_end_when_the_early_login_fails() {
    let limit = Duration::from_secs(40);
    let mut world = World::without_operator().await;
    world.logins().await;
    let tenovos = world.tenovos();
    tenovos.script(|script| script.session_limit = Some(limit));
    let provider = limited_tenovos(&world, &tenovos.base_url(), limit).await;
    token_with_time_after_its_early_login(&world, &provider).await;
    world.start_operator().await;
    let first_ready = ready_since(&world.ready("assets").await);
    tenovos.fail_always(On::Login, Fault::status(503));
    let consumer = world.consumer("assets", tenovos.call(&world.ca, TENOVOS_KEY));
    let watcher = world.watch("assets").await;

    tenovos
        .wait_for("refresh after the login that failed", PATIENCE, |all| good_refreshes_after_login(all, 2) > 0)
        .await;
    let message = &ready(&world.ready("assets").await).expect("Ready").message.clone();
    assert!(message.contains("holds a valid token, but the last attempt failed"), "{message}");
    tenovos.heal();
    tenovos
        .wait_for("login that is let in", PATIENCE, |all| {
            logins(all).filter(|login| login.status == Some(200)).count() == 2
        })
        .await;
    tenovos
        .wait_for("refresh of the new session", PATIENCE, |all| {
            renewals(all).last().is_some_and(|last| last.operation == Operation::Refresh && last.status == Some(200))
        })
        .await;

    let token = world
        .until("assets", "no failure", |token| token.status.as_ref().is_some_and(|status| status.failures.is_none()))
        .await;
    assert_eq!(ready_since(&token), first_ready, "Ready was lost");
    assert!(condition(&token, "Stalled").is_some_and(|stalled| stalled.status == "False"));
    assert!(tenovos.refreshes().iter().all(|refresh| refresh.refusal.is_none()), "it refreshed beyond the limit");
    assert_always_served(consumer);
    assert_never_stale(&watcher.versions().expect("no gaps"), "accessToken", |text| tenovos.token(text));
    row(59)
        .injected("the early login fails with 503 until the session has almost ended")
        .judged(&oracles::asked(&tenovos.history()))
        .holds("the session is refreshed on; Ready stays True, nobody is refused; one login when it works");
}

/// The printed preset, with the session's limit shortened.
async fn limited_tenovos(world: &World, url: &str, limit: Duration) -> String {
    let preset = printed_preset("Tenovos");
    world
        .copied("limited", preset, url, |spec| {
            spec["http"]["refresh"]["sessionLimit"] = Value::from(format!("{}s", limit.as_secs()));
        })
        .await
}

/// The moment of the early login lies between 80 and 95 % of the limit, by uid. Near 80 % a refresh is due after it.
async fn token_with_time_after_its_early_login(world: &World, provider: &str) {
    loop {
        let uid = world.early_token_soon("assets", provider, "tenovos-login").await;
        if schedule::fraction(&uid, "early-login") < 0.1 {
            return;
        }
        world.tokens().delete("assets", &DeleteParams::default()).await.expect("the ApiToken is deleted");
    }
}

/// Logins and refreshes.
fn renewals(exchanges: &[Exchange]) -> impl Iterator<Item = &Exchange> {
    exchanges.iter().filter(|exchange| matches!(exchange.operation, Operation::Login | Operation::Refresh))
}

fn logins(exchanges: &[Exchange]) -> impl Iterator<Item = &Exchange> {
    exchanges.iter().filter(|exchange| exchange.operation == Operation::Login)
}

/// Refreshes that were granted after so many logins, good or bad.
fn good_refreshes_after_login(exchanges: &[Exchange], login: usize) -> usize {
    let Some(login) = logins(exchanges).nth(login - 1) else { return 0 };
    let granted = |exchange: &&Exchange| exchange.operation == Operation::Refresh && exchange.status == Some(200);
    exchanges.iter().filter(granted).filter(|refresh| refresh.number > login.number).count()
}

fn ready_since(token: &apitoken_operator::api::ApiToken) -> k8s_openapi::apimachinery::pkg::apis::meta::v1::Time {
    ready(token).expect("Ready").last_transition_time.clone()
}
