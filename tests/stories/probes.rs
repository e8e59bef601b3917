//! Tokens that die at the vendor before their time, and the probe that finds out.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;
use testbed::{
    eventually::await_until,
    reliability::{oracles, row},
    vendors::{Exchange, Fault, OAuth, On, Operation},
};

use crate::{
    clocks::Clock,
    scene::text,
    world::{PATIENCE, World, ready},
};

const CLIENT: [(&str, &str); 4] =
    [("clientId", "reporting"), ("clientSecret", "correct"), ("username", USER), ("password", "correct")];
const USER: &str = "ops@example.com";

/// A server of OAuth 2.0 whose tokens live for a day, probed every minute, and an operator whose clock can be put on.
struct Probed {
    world: World,
    idp: OAuth,
    clock: Clock,
}

impl Probed {
    async fn new(interval: &str) -> Self {
        let mut world = World::without_operator().await;
        let clock = Clock::of(&mut world);
        world.start_operator().await;
        let idp = OAuth::start(&world.ca).expect("the server");
        idp.add_account("reporting", "correct");
        idp.add_account(USER, "correct");
        idp.script(|script| script.lifetime = Duration::from_secs(24 * 3600));
        world.credentials("login", &CLIENT).await;
        let oauth2 = json!({
            "tokenURL": idp.token_url(),
            "grant": "Password",
            "probe": { "resourceURL": idp.protected_url(), "interval": interval },
        });
        let provider = world.provider("idp", json!({ "oauth2": oauth2, "tls": { "caBundle": world.ca.pem() } })).await;
        world.token("items", &provider, "login").await;
        world.ready("items").await;
        Self { world, idp, clock }
    }

    async fn probed(&self, times: usize) {
        self.idp.wait_for(&format!("probe {times}"), PATIENCE * 2, |all| of(all, Operation::Protected) >= times).await;
    }

    /// Another probe than those before: it comes soon after the clock was put on, or a minute later.
    async fn probed_at(&self, shift: &str) {
        let before = of(&self.idp.history(), Operation::Protected);
        self.clock.shift(shift);
        self.probed(before + 1).await;
    }

    /// Logins and refreshes. How many probes there were is a matter of how busy the machine is.
    fn renewals(&self) -> (usize, usize) {
        let all = self.idp.history();
        (of(&all, Operation::Login), of(&all, Operation::Refresh))
    }

    async fn metric(&self, outcome: &str) -> f64 {
        let value = self.world.operator().metric("apitoken_probes_total", &[("outcome", outcome)]).await;
        value.expect("metrics").unwrap_or_default()
    }

    async fn message(&self, holds: impl Fn(&str) -> bool) -> String {
        await_until("the message", PATIENCE * 2, async || {
            let token = self.world.get("items").await;
            let message = ready(&token).expect("Ready").message.clone();
            if holds(&message) { Ok(message) } else { Err(message) }
        })
        .await
    }

    fn tells_nothing(&self) {
        let log = self.world.operator().logs().join("\n");
        for secret in self.idp.issued_secrets() {
            assert!(!log.contains(&secret), "a token stands in the log");
        }
        self.idp.assert_no_protocol_errors();
    }
}

fn of(all: &[Exchange], operation: Operation) -> usize {
    all.iter().filter(|exchange| exchange.operation == operation).count()
}

#[tokio::test]
async fn a_token_that_somebody_killed_is_found_by_the_probe_and_healed_by_one_renewal() {
    let scene = Probed::new("1m").await;
    let outputs = scene.world.watch("items").await;
    scene.probed_at("+2m").await;
    assert_eq!(scene.renewals(), (1, 0), "a good probe costs nothing");
    let before = scene.world.data("items", "token").await;

    scene.idp.revoke_everything();
    scene.clock.shift("+4m");
    let killed = Instant::now();
    let other = |now: &k8s_openapi::api::core::v1::Secret| text(now, "token").is_some_and(|text| text != before);
    scene.world.until_secret("items", "another token", other).await;
    let took = killed.elapsed();
    let after = scene.world.data("items", "token").await;
    assert!(scene.idp.token(&after).expect("known").dead.is_none(), "a dead token was put in its place");
    assert_eq!(scene.renewals(), (2, 1), "one refused refresh and one login");
    scene.world.ready("items").await;
    await_until("an Event", PATIENCE, async || {
        let events = scene.world.events("items").await;
        if events.contains(&"TokenRefused".to_owned()) { Ok(()) } else { Err(format!("{events:?}")) }
    })
    .await;

    // The next one is good, and that is the end of it.
    scene.probed_at("+7m").await;
    scene.world.looked_again("items").await;
    assert_eq!(scene.renewals(), (2, 1));
    assert!(scene.metric("Good").await >= 2.0);
    assert_eq!(scene.metric("Refused").await.to_bits(), 1f64.to_bits());
    scene.tells_nothing();
    let versions = outputs.versions().expect("a recording without gaps");
    row(60)
        .injected("the session and its valid access token are revoked at the vendor; a probe asks every minute")
        .judged(&oracles::asked(&scene.idp.history()))
        .judged(&oracles::output(&versions, "token", Timestamp::now(), |text| scene.idp.token(text)))
        .logins(2, 2)
        .took("the probe is due at a revoked token (its interval apart), a good one is in the output", took)
        .holds("one refused probe, one refused refresh, one login; the next probes are good and cost nothing");
}

#[tokio::test]
async fn a_probe_that_is_always_refused_renews_once_and_then_after_growing_pauses() {
    let scene = Probed::new("1m").await;
    scene.idp.fail_always(On::Protected, Fault::status(401));
    scene.clock.shift("+2m");
    scene.idp.wait_for("a renewal", PATIENCE, |all| of(all, Operation::Refresh) == 1).await;
    scene.clock.shift("+4m");
    let message = scene.message(|message| message.contains("but the provider refuses it")).await;
    assert!(
        message.starts_with("Secret \"items\" holds a valid token") && message.contains("in a row: 2"),
        "{message}"
    );
    for shift in ["+6m", "+8m"] {
        scene.probed_at(shift).await;
    }
    scene.world.looked_again("items").await;
    assert_eq!(scene.renewals(), (1, 1), "a refused probe led to more than one renewal");
    // Ten minutes after the second refusal.
    scene.clock.shift("+15m");
    scene.idp.wait_for("another renewal", PATIENCE, |all| of(all, Operation::Refresh) == 2).await;
    scene.clock.shift("+18m");
    scene.message(|message| message.contains("in a row: 3")).await;
    for shift in ["+24m", "+27m"] {
        scene.probed_at(shift).await;
    }
    assert_eq!(scene.renewals(), (1, 2), "the third pause is twice as long");

    // Somebody corrects the account's rights.
    scene.idp.heal();
    scene.clock.shift("+29m");
    scene.message(|message| !message.contains("refuses")).await;
    assert_eq!(scene.renewals(), (1, 2), "a good probe needs no renewal");
    scene.world.ready("items").await;
    scene.tells_nothing();
}

#[tokio::test]
async fn a_probe_that_a_vendor_in_trouble_answers_changes_nothing() {
    let scene = Probed::new("1m").await;
    let before = scene.world.all_data("items").await;
    let troubles = [Fault::status(503), Fault::status(403), Fault::status(302), Fault::CloseBeforeAnswer];
    for (fault, shift) in troubles.into_iter().zip(["+2m", "+4m", "+6m", "+8m"]) {
        scene.idp.heal();
        scene.idp.fail_always(On::Protected, fault);
        scene.probed_at(shift).await;
    }
    scene.world.looked_again("items").await;
    assert_eq!(scene.renewals(), (1, 0));
    assert!(scene.metric("Unproven").await >= 4.0);
    assert_eq!(scene.metric("Refused").await.to_bits(), 0f64.to_bits());
    assert_eq!(scene.world.all_data("items").await, before);
    let token = scene.world.ready("items").await;
    assert!(token.status.and_then(|status| status.failures).is_none(), "a probe is no renewal that failed");
    scene.tells_nothing();
}

#[tokio::test]
async fn a_rejected_credential_is_not_tried_again_because_a_probe_was_refused() {
    let scene = Probed::new("1m").await;
    scene.idp.set_password(USER, "another");
    scene.idp.revoke_everything();
    scene.clock.shift("+2m");
    scene.idp.wait_for("a refused login", PATIENCE, |all| of(all, Operation::Login) == 2).await;
    let message = scene.message(|message| message.contains("CredentialsRejected")).await;
    assert!(message.contains("holds a valid token"), "{message}");
    // The session is over, and nothing is asked about its token any more.
    let provider = scene.world.get("items").await.spec.provider_ref.name;
    for (shift, witness) in [("+4m", "first-witness"), ("+6m", "second-witness")] {
        scene.clock.shift(shift);
        // What is overdue goes first: when this one has been looked at, the other has been.
        scene.world.token(witness, &provider, "login").await;
        scene.world.not_ready(witness, "CredentialsRejected").await;
    }
    assert_eq!(scene.renewals(), (2, 1), "the refused probe led to more than one attempt");
    scene.tells_nothing();
}
