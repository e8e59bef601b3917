//! The token before the one in the output: revoked when pods have had their time, and never the one that they use.

use std::time::Duration;

use kube::api::DeleteParams;
use serde_json::{Value, json};
use testbed::{
    eventually::await_until,
    vendors::{
        OAuth, Scripted,
        scripted::{Reply, Request},
    },
};

use crate::{
    clocks::Clock,
    scene::text,
    world::{PATIENCE, World},
};

const USER: &str = "ops@example.com";

struct Revoking {
    world: World,
    idp: OAuth,
    /// Where tokens are revoked; it has an origin of its own.
    revoker: Scripted,
    clock: Clock,
}

impl Revoking {
    async fn new(replies: Vec<Reply>) -> Self {
        let mut world = World::without_operator().await;
        let clock = Clock::of(&mut world);
        world.start_operator().await;
        let idp = OAuth::start(&world.ca).expect("the server");
        idp.add_account("reporting", "correct");
        idp.add_account(USER, "correct");
        idp.script(|script| script.lifetime = Duration::from_secs(24 * 3600));
        let revoker = Scripted::start(&world.ca, replies).expect("the other server");
        let login =
            [("clientId", "reporting"), ("clientSecret", "correct"), ("username", USER), ("password", "correct")];
        world.credentials("login", &login).await;
        let oauth2 = json!({
            "tokenURL": idp.token_url(),
            "grant": "Password",
            "revoke": { "revocationURL": format!("{}/revoke", revoker.origin()) },
        });
        let spec = json!({ "oauth2": oauth2, "tls": { "caBundle": world.ca.pem() } });
        let provider = world.provider("idp", spec).await;
        world.token("items", &provider, "login").await;
        world.ready("items").await;
        Self { world, idp, revoker, clock }
    }

    /// Asks for a refresh, and returns the token before and the one after it.
    async fn refreshed(&self, request: &str) -> (String, String) {
        let before = self.world.data("items", "token").await;
        let annotation = json!({ "metadata": { "annotations": { "apitoken.dev/refresh-requested-at": request } } });
        self.world.edit_token("items", annotation).await;
        let other = |now: &k8s_openapi::api::core::v1::Secret| text(now, "token").is_some_and(|text| text != before);
        self.world.until_secret("items", "another token", other).await;
        let after = self.world.data("items", "token").await;
        (before, after)
    }

    /// Twice the patience: what had no turn in time is left out, and comes half a minute later.
    async fn asked(&self, times: usize) -> Vec<Request> {
        await_until(&format!("request {times} to revoke"), PATIENCE * 2, async || {
            let requests = self.revoker.requests();
            if requests.len() >= times { Ok(requests) } else { Err(format!("{} so far", requests.len())) }
        })
        .await
    }

    async fn metric(&self, outcome: &str) -> f64 {
        let value = self.world.operator().metric("apitoken_revocations_total", &[("outcome", outcome)]).await;
        value.expect("metrics").unwrap_or_default()
    }

    /// The session's document.
    async fn session(&self) -> Value {
        let name = self.world.session_name("items").await;
        serde_json::from_str(&self.world.data(&name, "session.json").await).expect("JSON")
    }
}

#[tokio::test]
async fn the_token_before_is_revoked_when_pods_have_had_their_time_and_the_one_they_use_never() {
    let scene = Revoking::new(vec![Reply::text(503, ""), Reply::text(200, "")]).await;
    scene.clock.shift("+61s");
    let (before, after) = scene.refreshed("first").await;
    assert_eq!(scene.session().await["material"]["replaced"]["accessToken"], json!(before));
    scene.clock.shift("+5m30s");
    scene.world.looked_again("items").await;
    assert_eq!(scene.revoker.requests().len(), 0, "pods may still use it");

    // The server is away for a moment.
    scene.clock.shift("+8m");
    scene.asked(1).await;
    scene.clock.shift("+10m");
    let requests = scene.asked(2).await;
    await_until("nothing more is to be revoked", PATIENCE, async || {
        let session = scene.session().await;
        let left = [&session["material"]["replaced"], &session["facts"]["replaced"]];
        if left == [&Value::Null; 2] { Ok(()) } else { Err("the token before is still kept") }
    })
    .await;
    for request in &requests {
        let fields = request.form_pairs().expect("a form");
        let expected = [("token", before.as_str()), ("token_type_hint", "access_token")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!((request.path.as_str(), fields), ("/revoke", expected.to_vec()));
        assert_eq!(request.header("authorization"), Some("Basic cmVwb3J0aW5nOmNvcnJlY3Q="), "the client's own");
    }
    scene.clock.shift("+15m");
    scene.world.looked_again("items").await;
    assert_eq!(scene.revoker.requests().len(), 2, "it is revoked once");
    assert_eq!(scene.world.data("items", "token").await, after);
    assert_eq!(
        (scene.metric("Revoked").await.to_bits(), scene.metric("Unproven").await.to_bits()),
        (1f64.to_bits(), 1f64.to_bits())
    );
    let token = scene.world.ready("items").await;
    assert!(token.status.and_then(|status| status.failures).is_none(), "what a revocation fails at is no failure here");
    assert_eq!((scene.idp.logins().len(), scene.idp.refreshes().len()), (1, 1));
    let log = scene.world.operator().logs().join("\n");
    for secret in scene.idp.issued_secrets() {
        assert!(!log.contains(&secret), "a token stands in the log");
    }
}

#[tokio::test]
async fn nothing_is_revoked_for_what_is_deleted_and_a_server_that_refuses_is_asked_once() {
    let scene = Revoking::new(vec![Reply::text(400, "")]).await;
    scene.clock.shift("+61s");
    scene.refreshed("first").await;
    scene.clock.shift("+8m");
    scene.asked(1).await;
    scene.clock.shift("+10m");
    scene.refreshed("second").await;
    let session = scene.world.session_name("items").await;
    let provider = scene.world.get("items").await.spec.provider_ref.name;
    scene.world.tokens().delete("items", &DeleteParams::default()).await.expect("deleted");
    scene.world.until_gone(&session).await;
    scene.clock.shift("+20m");
    // What is overdue goes first: when this one has its token, everything that was due has been looked at.
    scene.world.token("witness", &provider, "login").await;
    scene.world.ready("witness").await;
    assert_eq!(scene.revoker.requests().len(), 1);
    assert_eq!(scene.metric("Refused").await.to_bits(), 1f64.to_bits());
}
