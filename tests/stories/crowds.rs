//! Many ApiTokens at once, and one that keeps everybody busy.

use std::time::{Duration, Instant};

use kube::api::{Patch, PatchParams};
use serde_json::json;
use testbed::{
    eventually::await_until,
    reliability::{oracles, row},
    vendors::{Fault, On, Operation, Palette},
};

use crate::{
    scene::{LOGIN, Scene},
    world::{PATIENCE, World},
};

const HANGING: usize = 150;
const EXPIRED: usize = 60;
const CONCURRENCY: usize = 4;
const LATENCY: Duration = Duration::from_millis(200);

async fn vendor(world: &World, name: &str, limits: serde_json::Value) -> Palette {
    let palette = Palette::start(&world.ca).expect("Palette");
    let tls = json!({ "caBundle": world.ca.pem() });
    world.provider(name, json!({ "preset": "Palette", "url": palette.base_url(), "tls": tls, "limits": limits })).await;
    palette
}

/// An ApiToken with an account and credentials of its own.
async fn customer(world: &World, palette: &Palette, provider: &str, name: &str) {
    palette.add_account(name, "correct");
    world.credentials(name, &[("emailId", name), ("password", "correct")]).await;
    world.token(name, &format!("{provider}-{}", world.namespace), name).await;
}

/// From its creation until its output is there; the longest of five.
async fn first_token(world: &World, palette: &Palette, prefix: &str) -> Duration {
    let mut longest = Duration::ZERO;
    for number in 0..5 {
        let name = format!("{prefix}-{number}");
        let made = Instant::now();
        customer(world, palette, "healthy", &name).await;
        world.until_secret(&name, "issued", |_| true).await;
        longest = longest.max(made.elapsed());
    }
    longest
}

#[tokio::test]
async fn a_hundred_and_fifty_apitokens_of_a_provider_that_hangs_delay_nobody_elses() {
    let world = World::new().await;
    let healthy = vendor(&world, "healthy", json!({})).await;
    let hanging = vendor(&world, "hanging", json!({ "timeout": "60s" })).await;
    let alone = first_token(&world, &healthy, "before").await;
    hanging.fail_always(On::Both, Fault::Hang);
    for number in 0..HANGING {
        customer(&world, &hanging, "hanging", &format!("stuck-{number}")).await;
    }
    hanging.wait_for("the provider is full", PATIENCE, |all| all.len() >= 10).await;
    let beside = first_token(&world, &healthy, "beside").await;
    assert!(hanging.logins().iter().all(|login| login.answered.is_none()), "it was no hang");
    let more = beside.saturating_sub(alone);
    assert!(more < Duration::from_secs(1), "I7: {more:?} longer than the {alone:?} without them");
    row(46)
        .injected(format!("a provider that hangs with {HANGING} ApiTokens, beside a healthy one"))
        .judged(&oracles::asked(&healthy.history()))
        .took("an ApiToken made, its output (longest of five, nobody hangs)", alone)
        .took("an ApiToken made, its output (longest of five, 150 others hang)", beside)
        .holds(format!(
            "{} requests hang at their own provider; the other's first tokens come as fast",
            hanging.logins().len()
        ));
}

#[tokio::test]
async fn an_apitoken_that_is_edited_all_the_time_costs_no_call_and_delays_nobody() {
    let scene = Scene::new().await;
    scene.issued("busy", json!({})).await;
    let passes = async || {
        let all = scene.world.operator().metric("apitoken_reconcile_duration_seconds_count", &[]).await;
        all.expect("metrics").unwrap_or_default()
    };
    let before = passes().await;
    let api = scene.world.tokens();
    let editing = tokio::spawn(async move {
        let mut edits = 0_u32;
        loop {
            let percent = 20 + edits % 60;
            let patch = Patch::Merge(json!({ "spec": { "refresh": { "atPercent": percent } } }));
            if api.patch("busy", &PatchParams::default(), &patch).await.is_err() || edits >= 600 {
                return edits;
            }
            edits += 1;
        }
    });
    let begun = Instant::now();
    let mut longest = Duration::ZERO;
    for number in 0..5 {
        let made = Instant::now();
        scene.world.token(&format!("other-{number}"), &scene.provider, LOGIN).await;
        scene.world.until_secret(&format!("other-{number}"), "issued", |_| true).await;
        longest = longest.max(made.elapsed());
    }
    let edits = editing.await.expect("it edits to its end");
    let rate = f64::from(edits) / begun.elapsed().as_secs_f64();
    scene.world.ready("busy").await;
    let more = passes().await - before;
    assert_eq!(scene.calls(), 6, "an edit without a meaning led to a call");
    row(76)
        .injected(format!("{edits} edits of one ApiToken's spec, {rate:.0} a second"))
        .judged(&oracles::asked(&scene.palette.history()))
        .logins(scene.calls(), 6)
        .took("an ApiToken made while another is edited all the time, its output (longest of five)", longest)
        .holds(format!("{more} passes in all; no call for the edits"));
}

#[tokio::test]
async fn tokens_that_expired_while_the_operator_was_down_are_renewed_as_fast_as_the_provider_allows() {
    let mut world = World::new().await;
    let limits = json!({ "concurrency": CONCURRENCY, "requestsPerSecond": 1000, "burst": 1000 });
    let palette = vendor(&world, "narrow", limits).await;
    palette.script(|script| (script.lifetime, script.login_latency) = (Duration::from_secs(25), LATENCY));
    for number in 0..EXPIRED {
        customer(&world, &palette, "narrow", &format!("token-{number}")).await;
    }
    for number in 0..EXPIRED {
        world.until_secret(&format!("token-{number}"), "issued", |_| true).await;
    }
    world.stop_operator().await;
    palette.script(|script| script.lifetime = Duration::from_secs(3600));
    let expired = || {
        let now = jiff::Timestamp::now();
        (0..EXPIRED).all(|number| {
            palette
                .newest_token(&format!("token-{number}"))
                .is_none_or(|(_, token)| token.expires_at.is_some_and(|at| at <= now))
        })
    };
    await_until("all have expired", PATIENCE, async || if expired() { Ok(()) } else { Err("not yet") }).await;
    let last: Vec<_> = (0..EXPIRED).map(|number| output_expiry(&world, number)).collect();
    let last = futures::future::join_all(last).await;
    palette.clear();
    world.start_operator().await;
    palette
        .wait_for("all are renewed", PATIENCE * 2, |all| {
            all.iter().filter(|one| one.answered.is_some()).count() >= EXPIRED
        })
        .await;
    let calls = palette.history();
    let first = calls.iter().map(|one| one.received).min().expect("calls");
    let end = calls.iter().filter_map(|one| one.answered).max().expect("answers");
    let took = end.duration_since(first).as_secs_f64();
    let least = (LATENCY * u32::try_from(EXPIRED / CONCURRENCY).unwrap()).as_secs_f64();
    for number in 0..EXPIRED {
        world.ready(&format!("token-{number}")).await;
    }
    assert!(palette.peak_in_flight() <= CONCURRENCY);
    let share = took / least;
    row(79)
        .injected(format!(
            "{EXPIRED} tokens expire while the operator is down; the provider allows {CONCURRENCY} at once, {} ms each",
            LATENCY.as_millis()
        ))
        .judged(&oracles::asked(&calls))
        .logins(calls.len(), EXPIRED)
        .took("the first call after a long absence, the last answer", Duration::from_secs_f64(took))
        .holds(format!(
            "{share:.2} times what the provider's bounds make necessary; {} calls came before an older deadline's",
            overtaken(&calls, &last)
        ));
}

async fn output_expiry(world: &World, number: usize) -> (String, String) {
    let secret = world.secrets().get(&format!("token-{number}")).await.expect("an output");
    (format!("token-{number}"), secret.metadata.annotations.expect("annotations")["apitoken.dev/expires-at"].clone())
}

/// How many were asked for though another that had expired a second and more before was asked for later.
fn overtaken(calls: &[testbed::vendors::Exchange], expiries: &[(String, String)]) -> usize {
    let expiry = |account: &str| -> Option<i64> {
        let (_, at) = expiries.iter().find(|(name, _)| name == account)?;
        at.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
    };
    let logins = calls.iter().filter(|one| one.operation == Operation::Login);
    let order: Vec<i64> = logins.filter_map(|one| expiry(one.account.as_deref()?)).collect();
    order.iter().enumerate().filter(|(at, mine)| order[at + 1..].iter().any(|later| later < *mine)).count()
}
