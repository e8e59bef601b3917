//! Many ApiTokens at once, and one that keeps everybody busy.

use std::time::{Duration, Instant};

use futures::future::join_all;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use testbed::{
    eventually::await_until,
    reliability::{oracles, row},
    vendors::{Exchange, Fault, On, Operation, Palette},
};

use crate::{
    scene::{LOGIN, Scene},
    world::{PATIENCE, World},
};

const HANGING: usize = 150;
const HANG: Duration = Duration::from_secs(60);
/// Who edit one ApiToken side by side, and how often each.
const EDITORS: u32 = 4;
const EDITS: u32 = 250;
const EXPIRED: usize = 60;
const CONCURRENCY: usize = 4;
/// Of the provider that was away: enough to see how many of it are used.
const WIDE: usize = 16;
/// While the first tokens are given.
const AT_FIRST: Duration = Duration::from_millis(200);
/// While all are renewed: long beside what the operator and a loaded machine need for a request.
const LATENCY: Duration = Duration::from_secs(1);
/// Times what the provider's bounds make necessary.
const MOST_TO_DRAIN: f64 = 1.25;

async fn vendor(world: &World, name: &str, limits: serde_json::Value) -> Palette {
    let palette = Palette::start(&world.ca).expect("Palette");
    let tls = json!({ "caBundle": world.ca.pem() });
    world.provider(name, json!({ "preset": "Palette", "url": palette.base_url(), "tls": tls, "limits": limits })).await;
    palette
}

/// An ApiToken with an account and credentials of its own.
async fn customer(world: &World, palette: &Palette, provider: &str, name: &str) {
    palette.add_account(name, "correct");
    let login = format!("{name}-login");
    world.credentials(&login, &[("emailId", name), ("password", "correct")]).await;
    world.token(name, &format!("{provider}-{}", world.namespace), &login).await;
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
    let hanging = vendor(&world, "hanging", json!({ "timeout": format!("{}s", HANG.as_secs()) })).await;
    let alone = first_token(&world, &healthy, "before").await;
    hanging.fail_always(On::Both, Fault::Hang);
    for number in 0..HANGING {
        customer(&world, &hanging, "hanging", &format!("stuck-{number}")).await;
    }
    hanging.wait_for("the provider is full", PATIENCE, |all| all.len() >= 10).await;
    let beside = first_token(&world, &healthy, "beside").await;
    let hung = hanging.logins();
    assert!(hung.iter().all(|login| login.answered.is_none()), "it was no hang that was survived");
    assert!(beside < HANG / 10, "{beside:?} beside requests that hang for {HANG:?}; {alone:?} alone");
    row(46)
        .injected(format!("a provider that hangs with {HANGING} ApiTokens, beside a healthy one"))
        .judged(&oracles::asked(&healthy.history()))
        .took("an ApiToken made, its output (longest of five, nobody hangs)", alone)
        .took("an ApiToken made, its output (longest of five, 150 others hang)", beside)
        .holds(format!(
            "{} requests hang at their own provider; the other's first tokens take less than a tenth of that",
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
    let edit_all = move |editor: u32| {
        let api = api.clone();
        async move {
            for number in 0..EDITS {
                let percent = 20 + (editor + number * EDITORS) % 60;
                let patch = Patch::Merge(json!({ "spec": { "refresh": { "atPercent": percent } } }));
                api.patch("busy", &PatchParams::default(), &patch).await.expect("edited");
            }
        }
    };
    let begun = Instant::now();
    let editing = tokio::spawn(async move {
        join_all((0..EDITORS).map(edit_all)).await;
        begun.elapsed()
    });
    let mut longest = Duration::ZERO;
    for number in 0..5 {
        let made = Instant::now();
        scene.world.token(&format!("other-{number}"), &scene.provider, LOGIN).await;
        scene.world.until_secret(&format!("other-{number}"), "issued", |_| true).await;
        longest = longest.max(made.elapsed());
    }
    assert!(!editing.is_finished(), "the others had to wait until nobody edited any more");
    let took = editing.await.expect("it edits to its end");
    let edits = f64::from(EDITORS * EDITS);
    let rate = edits / took.as_secs_f64();
    scene.world.ready("busy").await;
    let more = passes().await - before;
    assert!(more <= edits + 5.0 * 10.0, "{more} passes for {edits} edits and five first tokens");
    assert_eq!(scene.calls(), 6, "an edit without a meaning led to a call");
    row(76)
        .injected(format!("{edits} edits of one ApiToken's spec, {rate:.0} a second"))
        .judged(&oracles::asked(&scene.palette.history()))
        .logins(scene.calls(), 6)
        .took("an ApiToken made while another is edited all the time, its output (longest of five)", longest)
        .holds(format!("{more} passes in all, at most one for an edit; five others had their tokens before the edits ended; no call for the edits"));
}

/// A provider that allows little, and customers of it whose tokens have all expired by the time that this returns.
struct Expired {
    world: World,
    palette: Palette,
    /// How many requests at once the provider allows.
    concurrency: usize,
    /// Name and expiry.
    expiries: Vec<(String, String)>,
}

impl Expired {
    /// `outage` begins when all have their first token.
    async fn during(concurrency: usize, outage: impl AsyncFnOnce(&mut World, &Palette)) -> Self {
        let mut world = World::new().await;
        let limits = json!({ "concurrency": concurrency, "requestsPerSecond": 1000, "burst": 1000 });
        let palette = vendor(&world, "narrow", limits).await;
        palette.script(|script| (script.lifetime, script.login_latency) = (Duration::from_secs(25), AT_FIRST));
        for number in 0..EXPIRED {
            customer(&world, &palette, "narrow", &format!("token-{number}")).await;
        }
        for number in 0..EXPIRED {
            world.until_secret(&format!("token-{number}"), "issued", |_| true).await;
        }
        outage(&mut world, &palette).await;
        palette.script(|script| (script.lifetime, script.login_latency) = (Duration::from_secs(3600), LATENCY));
        let lives = |number| palette.newest_token(&format!("token-{number}")).is_some();
        await_until("all have expired", PATIENCE, async || {
            match (0..EXPIRED).filter(|number| lives(*number)).count() {
                0 => Ok(()),
                some => Err(format!("{some} live")),
            }
        })
        .await;
        let expiries = join_all((0..EXPIRED).map(|number| output_expiry(&world, number))).await;
        palette.clear();
        Self { world, palette, concurrency, expiries }
    }

    /// Waits until all are renewed. Returns how long the provider was busy with it, and how much longer than it had to.
    async fn drained(&self) -> (Duration, f64) {
        let good = |all: &[Exchange]| all.iter().filter(|one| one.status == Some(200)).count();
        self.palette.wait_for("all are renewed", PATIENCE * 3, |all| good(all) >= EXPIRED).await;
        for number in 0..EXPIRED {
            self.world.ready(&format!("token-{number}")).await;
        }
        let calls = self.palette.history();
        let first = calls.iter().map(|one| one.received).min().expect("calls");
        let end = calls.iter().filter_map(|one| one.answered).max().expect("answers");
        let took = end.duration_since(first).as_secs_f64();
        let least = LATENCY.as_secs_f64() * oracles::count(EXPIRED) / oracles::count(self.concurrency);
        assert!(self.palette.peak_in_flight() <= self.concurrency, "more than the provider allows");
        (Duration::from_secs_f64(took), took / least)
    }
}

#[tokio::test]
async fn tokens_that_expired_while_the_operator_was_down_are_renewed_as_fast_as_the_provider_allows() {
    let mut expired = Expired::during(CONCURRENCY, async |world, _| world.stop_operator().await).await;
    expired.world.start_operator().await;
    let (took, share) = expired.drained().await;
    let calls = expired.palette.history();
    let overtaken = overtaken(&calls, &expired.expiries);
    assert!(share <= MOST_TO_DRAIN, "{share:.2} times what the provider's bounds make necessary");
    // Whoever is ready first is not kept waiting while nobody else is: so many find the provider free.
    assert!(overtaken <= CONCURRENCY, "{overtaken} calls came before one that was more urgent");
    row(79)
        .injected(format!(
            "{EXPIRED} tokens expire while the operator is down; the provider allows {CONCURRENCY} requests at once, of {} ms",
            LATENCY.as_millis()
        ))
        .judged(&oracles::asked(&calls))
        .logins(calls.len(), EXPIRED)
        .took("the first call after a long absence, the last answer", took)
        .holds(format!(
            "{share:.2} times what the provider's bounds make necessary, and no more than {MOST_TO_DRAIN}; {overtaken} calls came before one whose token had expired seconds before"
        ));
}

#[tokio::test]
async fn tokens_that_expired_while_the_provider_was_down_are_renewed_within_its_bounds() {
    let expired = Expired::during(WIDE, async |_, palette| palette.stop()).await;
    let back = Instant::now();
    expired.palette.restart().expect("it is back");
    let (took, share) = expired.drained().await;
    let calls = expired.palette.history();
    let peak = expired.palette.peak_in_flight();
    leaps_nowhere(&calls);
    assert!(peak > CONCURRENCY, "never more than {peak} at once, however long it has been back");
    row(78)
        .injected(format!("a provider is down until {EXPIRED} tokens have expired; it allows {WIDE} requests at once"))
        .judged(&oracles::asked(&calls))
        .took("the provider is back, all of its expired tokens are renewed", back.elapsed())
        .holds(format!(
            "{:.1} s from the first call to the last answer, {share:.1} times what its bounds make necessary: each waits for its own back-off; one at once at first, one more for each reply at most, and never more than {peak}",
            took.as_secs_f64()
        ));
}

/// A provider that was away has one request to answer, and for each of its replies one more at most.
fn leaps_nowhere(calls: &[Exchange]) {
    for call in calls {
        let before = calls.iter().filter(|other| other.received <= call.received).count();
        let replies = calls.iter().filter(|other| other.answered.is_some_and(|at| at <= call.received)).count();
        assert!(before - replies <= 1 + replies, "{} in flight after {replies} replies", before - replies);
    }
}

async fn output_expiry(world: &World, number: usize) -> (String, String) {
    let secret = world.secrets().get(&format!("token-{number}")).await.expect("an output");
    (format!("token-{number}"), secret.metadata.annotations.expect("annotations")["apitoken.dev/expires-at"].clone())
}

/// How many were asked for though another that had expired a second and more before was asked for later.
fn overtaken(calls: &[Exchange], expiries: &[(String, String)]) -> usize {
    let expiry = |account: &str| -> Option<i64> {
        let (_, at) = expiries.iter().find(|(name, _)| name == account)?;
        at.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
    };
    let logins = calls.iter().filter(|one| one.operation == Operation::Login);
    let order: Vec<i64> = logins.filter_map(|one| expiry(one.account.as_deref()?)).collect();
    order.iter().enumerate().filter(|(at, mine)| order[at + 1..].iter().any(|later| later < *mine)).count()
}
