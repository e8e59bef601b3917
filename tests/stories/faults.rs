//! A provider that misbehaves: what is reported, how long is waited, and that nothing is lost by it.

use std::{ops::RangeInclusive, time::Duration};

use apitoken_operator::api::{ApiToken, http::FailureClass, reasons, status::Failures};
use jiff::Timestamp;
use serde_json::json;
use testbed::vendors::{Damage, Fault, On, Palette, Trap, http_date};

use testbed::reliability::row;

use crate::world::{PATIENCE, World, ready};

/// More than any fault that answers in time takes, less than any that does not.
const TIMEOUT: &str = "2s";
const HOUR: i64 = 3600;
const WAITS: &str =
    "each is told by its class and tried again as the table of classes says; what passes, passes by itself";
const TIMED_OUT: &str = "no complete reply within the provider's timeout: given up then";

struct Case {
    name: &'static str,
    fault: Fault,
    class: FailureClass,
    /// Of the Ready condition while there is no token.
    reason: &'static str,
    /// Seconds from the failure to the next attempt of a first login.
    wait: RangeInclusive<i64>,
    says: &'static str,
}

fn limited(name: &'static str, fault: Fault, wait: RangeInclusive<i64>) -> Case {
    let class = FailureClass::RateLimited;
    Case { name, fault, class, reason: reasons::RATE_LIMITED, wait, says: "" }
}

fn passing(name: &'static str, fault: Fault, says: &'static str) -> Case {
    let class = FailureClass::Transient;
    Case { name, fault, class, reason: reasons::PROVIDER_UNAVAILABLE, wait: 1..=120, says }
}

fn wrong(name: &'static str, fault: Fault, says: &'static str) -> Case {
    let class = FailureClass::Misconfigured;
    Case { name, fault, class, reason: reasons::RESPONSE_INVALID, wait: 60..=900, says }
}

fn cases(trap: &Trap) -> Vec<Case> {
    let tomorrow = http_date(Timestamp::now() + Duration::from_secs(86_400));
    let pace = Duration::from_millis(150);
    let (not_followed, too_large) = ("redirects are not followed", "larger than 65536 bytes");
    vec![
        limited("seconds", Fault::rate_limited("30"), 30..=33),
        limited("date", Fault::rate_limited(tomorrow), HOUR..=HOUR + 6),
        limited("absurd", Fault::rate_limited("99999999999999999999"), HOUR..=HOUR + 6),
        limited("no-number", Fault::rate_limited("soon"), 1..=132),
        limited("maintenance", Fault::status(503).header("retry-after", "30"), 30..=33),
        passing("error", Fault::status(500), "HTTP 500"),
        passing("hang", Fault::Hang, "no complete reply within 2 s"),
        passing("slow-head", Fault::SlowHead(pace), "no complete reply within 2 s"),
        passing("slow-body", Fault::SlowBody(pace), "no complete reply within 2 s"),
        passing("ten-megabytes", Fault::HugeBody(10 << 20), too_large),
        passing("endless", Fault::EndlessBody, too_large),
        passing("huge-header", Fault::HugeHeader(200_000), "head of the reply"),
        passing("half-json", Fault::MalformedJson, "not with JSON"),
        passing("gzip", Fault::ClaimedGzip, "compressed"),
        passing("close", Fault::CloseBeforeAnswer, "closed before the reply was complete"),
        passing("close-in-head", Fault::CloseInHead, ""),
        passing("redirect", Fault::redirect(302, trap.url()), not_followed),
        passing("redirect-with-body", Fault::redirect(307, trap.url()), not_followed),
        passing("redirect-for-ever", Fault::redirect(308, trap.url()), not_followed),
        wrong("error-as-200", Fault::ErrorWithStatus200, "/Authorization"),
        wrong("control-characters", Fault::Token(Damage::ControlCharacters), "not visible ASCII"),
        wrong("empty-token", Fault::Token(Damage::Empty), "/Authorization"),
        wrong("null-token", Fault::Token(Damage::Null), "/Authorization"),
        wrong("no-token", Fault::Token(Damage::Missing), "/Authorization"),
        wrong("long-token", Fault::Token(Damage::Long(20_000)), "longer than 16 KiB"),
    ]
}

/// A vendor of its own for each case, so that none is blamed for another.
async fn vendor(world: &World, name: &str) -> Palette {
    let palette = Palette::start(&world.ca).expect("Palette");
    palette.add_account("ops@example.com", "correct");
    palette.script(|script| script.lifetime = Duration::from_secs(120));
    provider(world, name, &palette, TIMEOUT).await;
    palette
}

async fn provider(world: &World, name: &str, palette: &Palette, timeout: &str) {
    let (tls, limits) = (json!({ "caBundle": world.ca.pem() }), json!({ "timeout": timeout }));
    world.provider(name, json!({ "preset": "Palette", "url": palette.base_url(), "tls": tls, "limits": limits })).await;
}

/// An ApiToken that is renewed as early as the API allows.
async fn token(world: &World, name: &str) {
    let provider = format!("{name}-{}", world.namespace);
    let (provider, credentials) = (json!({ "name": provider }), json!({ "name": "login" }));
    let spec = json!({ "providerRef": provider, "credentialsRef": credentials, "refresh": { "atPercent": 10 } });
    world.token_with(name, spec).await;
}

async fn world_with_login() -> World {
    let world = World::new().await;
    world.credentials("login", &[("emailId", "ops@example.com"), ("password", "correct")]).await;
    world
}

async fn failed(world: &World, name: &str) -> (ApiToken, Failures) {
    let token = world.until(name, "a failure is told", |token| failures(token).is_some()).await;
    let failures = failures(&token).expect("just seen").clone();
    (token, failures)
}

fn failures(token: &ApiToken) -> Option<&Failures> {
    token.status.as_ref()?.failures.as_ref()
}

fn as_the_table_says(case: &Case, failures: &Failures) {
    let (name, said) = (case.name, &failures.message);
    assert_eq!(failures.class, case.class, "{name}: {said}");
    assert!(said.contains(case.says), "{name}: {said}");
}

#[tokio::test]
async fn a_first_login_that_goes_wrong_is_classified_and_waits_as_the_table_says() {
    let world = world_with_login().await;
    let trap = Trap::start(&world.ca).expect("a trap");
    let mut vendors = Vec::new();
    for case in cases(&trap) {
        let palette = vendor(&world, case.name).await;
        palette.fail_always(On::Both, case.fault.clone());
        token(&world, case.name).await;
        vendors.push((case, palette));
    }
    for (case, palette) in &vendors {
        let (token, failures) = failed(&world, case.name).await;
        as_the_table_says(case, &failures);
        let condition = ready(&token).expect("a condition");
        assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("False", case.reason), "{}", case.name);
        let wait = failures.next_at.expect("a next attempt").0.as_second() - failures.last_at.0.as_second();
        assert!(case.wait.contains(&wait), "{}: waits {wait} s", case.name);
        assert_eq!(world.all_data(case.name).await, None, "{}: there is nothing to write", case.name);
        palette.heal();
    }
    // What passes, passes by itself.
    for (case, palette) in &vendors {
        if case.class == FailureClass::Transient {
            let token = world.ready(case.name).await;
            assert_eq!(failures(&token), None, "{}", case.name);
        }
        palette.assert_no_protocol_errors();
    }
    assert_eq!((trap.arrivals(), trap.connections_accepted()), (Vec::new(), 0));
    let kinds = vendors.len();
    row(34).injected(format!("first logins that meet 500 and {} other faults", kinds - 1)).holds(WAITS);
    row(35).injected("429 and 503 at first logins: Retry-After 30, tomorrow, 1e20, `soon`").holds(
        "30 s are 30 s; a day and 1e20 are an hour, as there is no token to lose; what is no number is a back-off",
    );
    row(37).injected("a byte each 150 ms of the head, of the body, at first logins").holds(TIMED_OUT);
    row(40)
        .injected("200 with an error; a token that is empty, null, absent, 20 kB, with CR LF NUL")
        .holds("ResponseInvalid, nothing is written, tried again after a minute and more");
    row(41)
        .injected("302, 307, 308 of logins and refreshes to a server that takes everything")
        .holds(format!("not followed: {} connections reached it", trap.connections_accepted()));
}

#[tokio::test]
async fn a_renewal_that_goes_wrong_leaves_the_old_token_in_the_output_and_ready_true() {
    let world = world_with_login().await;
    let trap = Trap::start(&world.ca).expect("a trap");
    let mut vendors = Vec::new();
    for case in cases(&trap) {
        let palette = vendor(&world, case.name).await;
        palette.fail_always(On::Refresh, case.fault.clone());
        token(&world, case.name).await;
        vendors.push((case, palette));
    }
    let mut before = Vec::new();
    for (case, palette) in &vendors {
        world.ready(case.name).await;
        before.push(world.data(case.name, "token").await);
        // A refresh whose answer cannot be used falls back to a login.
        palette.fail_always(On::Login, case.fault.clone());
    }
    for ((case, palette), before) in vendors.iter().zip(before) {
        let (token, failures) = failed(&world, case.name).await;
        as_the_table_says(case, &failures);
        let condition = ready(&token).expect("a condition");
        assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("True", "Issued"), "{}", case.name);
        assert!(condition.message.contains(&failures.message), "{}: {}", case.name, condition.message);
        assert_eq!(world.data(case.name, "token").await, before, "{}: the old token stays", case.name);
        let wait = failures.next_at.expect("a next attempt").0.as_second() - failures.last_at.0.as_second();
        assert!((1..=120).contains(&wait), "{}: waits {wait} s, longer than the token lives", case.name);
        palette.assert_no_protocol_errors();
    }
    assert_eq!((trap.arrivals(), trap.connections_accepted()), (Vec::new(), 0));
    row(34)
        .injected("the same faults at renewals")
        .holds("the old token stays, Ready stays True, and says what failed");
    row(35)
        .injected("429 and 503 with Retry-After at renewals of tokens that live 120 s")
        .holds("bounded by what is left of the token: no wait is longer than it lives");
    row(40).injected("such replies at renewals").holds("the output is as it was");
}

#[tokio::test]
async fn a_provider_that_hangs_delays_no_other() {
    let world = world_with_login().await;
    let hanging = Palette::start(&world.ca).expect("Palette");
    hanging.add_account("ops@example.com", "correct");
    hanging.fail_always(On::Both, Fault::Hang);
    provider(&world, "hanging", &hanging, "60s").await;
    let _healthy = vendor(&world, "healthy").await;
    for number in 0..10 {
        let login = format!("login-{number}");
        world.credentials(&login, &[("emailId", "ops@example.com"), ("password", "correct")]).await;
        world.token(&format!("stuck-{number}"), &format!("hanging-{}", world.namespace), &login).await;
    }
    hanging.wait_for("a login hangs", PATIENCE, |all| !all.is_empty()).await;
    token(&world, "healthy").await;
    world.ready("healthy").await;
    assert!(hanging.logins().iter().all(|login| login.answered.is_none()), "it was no hang that was survived");
    assert!(failures(&world.get("stuck-0").await).is_none());
    row(46)
        .injected("a provider that hangs with ten ApiTokens, each with credentials of its own")
        .holds("another provider's first token comes while all ten hang");
}

#[tokio::test]
async fn floods_from_providers_show_neither_in_the_memory_nor_at_the_others() {
    let world = world_with_login().await;
    let calm = vendor(&world, "calm").await;
    token(&world, "calm").await;
    world.ready("calm").await;
    let before = world.operator().peak_rss_kib().expect("it runs");
    let floods = [
        ("huge", Fault::HugeBody(10 << 20)),
        ("endless", Fault::EndlessBody),
        ("headers", Fault::HugeHeader(10 << 20)),
        ("compressed", Fault::ClaimedGzip),
    ];
    let names = floods.each_ref().map(|(name, _)| (0..10).map(move |number| format!("{name}-{number}")));
    for (name, fault) in &floods {
        let flood = vendor(&world, name).await;
        flood.fail_always(On::Both, fault.clone());
        for number in 0..10 {
            let login = format!("login-{name}-{number}");
            world.credentials(&login, &[("emailId", "ops@example.com"), ("password", "correct")]).await;
            world.token(&format!("{name}-{number}"), &format!("{name}-{}", world.namespace), &login).await;
        }
    }
    for name in names.into_iter().flatten() {
        failed(&world, &name).await;
    }
    // The floods are tried again and again; a token of two minutes is renewed at a tenth of its life all the same.
    let so_far = calm.history().len();
    calm.wait_for("it is renewed", PATIENCE, |all| all.len() > so_far).await;
    assert_eq!(failures(&world.get("calm").await), None);
    let after = world.operator().peak_rss_kib().expect("it runs");
    // One reply of 10 MiB kept whole would be more already, and there were forty.
    assert!(after < before + (8 << 10), "{before} KiB before, {after} KiB at most");
    row(38)
        .injected("20 replies of 10 MiB at once")
        .holds(format!("{} KiB of resident memory more, at most", after.saturating_sub(before)));
}
