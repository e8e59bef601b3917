//! A refresh token to which somebody consented is in the credentials: it is presented once, whatever happens.
//!
//! The vendor ends the whole session, the access token in use included, if one is presented twice.

use std::time::Duration;

use kube::{ResourceExt, api::DeleteParams};
use serde_json::json;
use testbed::{
    api_proxy::When,
    eventually::await_until,
    reliability::oracles,
    vendors::{Fault, OAuth, On, Rotation, consumer::present},
};

use crate::{
    customers::{LIFETIME, assert_always_served, refreshed},
    lone::{on_its_way, stores_answer},
    world::{PATIENCE, World, ready},
};

const CLIENT: &str = "reporting";
const LOGIN: &str = "login";
/// Good for longer than any story.
const LONG: Duration = Duration::from_secs(3600);

struct Consent {
    world: World,
    idp: OAuth,
    provider: String,
    seed: String,
}

impl Consent {
    /// Somebody has consented, and the operator runs.
    async fn new(lifetime: Duration) -> Self {
        let mut consent = Self::given(World::without_operator().await, lifetime).await;
        consent.world.start_operator().await;
        consent
    }

    async fn given(world: World, lifetime: Duration) -> Self {
        let idp = OAuth::start(&world.ca).expect("the server");
        idp.add_account(CLIENT, "secret");
        idp.script(|script| script.lifetime = lifetime);
        let seed = idp.consent(CLIENT);
        world.credentials(LOGIN, &[("clientId", CLIENT), ("clientSecret", "secret"), ("refreshToken", &seed)]).await;
        let oauth2 = json!({ "tokenURL": idp.token_url(), "grant": "RefreshToken" });
        let provider = world.provider("idp", json!({ "oauth2": oauth2, "tls": { "caBundle": world.ca.pem() } })).await;
        Self { world, idp, provider, seed }
    }

    async fn token(&self, name: &str) {
        self.world.early_token_soon(name, &self.provider, LOGIN).await;
    }

    /// How often a refresh token was presented, whatever the answer.
    fn presented(&self, seed: &str) -> usize {
        let id = self.idp.token(seed).expect("a token of the server").id;
        self.idp.refreshes().iter().filter(|refresh| refresh.presented.contains(&id)).count()
    }

    async fn refreshed(&self, times: usize) {
        self.idp.wait_for(&format!("{times} tokens"), PATIENCE, |all| refreshed(all, times)).await;
    }

    /// Waits until the output holds the newest token: then all that the server gave is stored.
    async fn newest_is_out(&self, output: &str) {
        await_until("the newest token in the output", PATIENCE, async || {
            let newest = self.idp.newest_token(CLIENT).map(|(text, _)| text);
            if Some(self.world.data(output, "token").await) == newest { Ok(()) } else { Err("another token") }
        })
        .await;
    }

    /// Somebody consents once more, and replaces the refresh token in the credentials.
    async fn again(&self) -> String {
        let seed = self.idp.consent(CLIENT);
        self.world.edit_secret(LOGIN, &[("refreshToken", &seed)]).await;
        seed
    }

    /// The session Secret's name.
    async fn session(&self) -> String {
        let credentials = self.world.secrets().get(LOGIN).await.expect("the credentials");
        format!("apitoken-session-{}", credentials.uid().expect("a uid"))
    }

    async fn told(&self, name: &str) -> String {
        let token = self.world.not_ready(name, "CredentialsRejected").await;
        ready(&token).map(|ready| ready.message.clone()).unwrap_or_default()
    }

    #[track_caller]
    fn nothing_was_presented_twice(&self) {
        let findings = oracles::presented_once(&self.idp.history());
        assert!(findings.broken.is_empty(), "{:?}", findings.broken);
        self.idp.assert_no_protocol_errors();
    }
}

#[tokio::test]
async fn a_consent_gives_a_token_that_is_refreshed_over_restarts_and_belongs_to_the_credentials() {
    let mut consent = Consent::new(Duration::from_secs(20)).await;
    consent.token("items").await;
    consent.world.ready("items").await;
    let consumer = consent.world.consumer("items", consent.idp.call_with(&consent.world.ca, present::bearer("token")));
    consent.refreshed(3).await;
    consent.newest_is_out("items").await;
    consent.world.kill_operator();
    consent.world.start_operator().await;
    let before = consent.idp.refreshes().len();
    consent.refreshed(before + 2).await;
    assert_always_served(consumer);
    assert_eq!(consent.presented(&consent.seed), 1);
    consent.nothing_was_presented_twice();

    let session = consent.world.secrets().get(&consent.session().await).await.expect("the session");
    let credentials = consent.world.secrets().get(LOGIN).await.expect("the credentials");
    let [owner] = session.owner_references() else { panic!("{:?}", session.owner_references()) };
    assert_eq!((owner.kind.as_str(), Some(&owner.uid)), ("Secret", credentials.uid().as_ref()));
    assert_eq!((owner.controller, owner.block_owner_deletion), (None, None));
    let user = consent.world.get("items").await.uid().expect("a uid");
    assert_eq!(session.annotations()["apitoken.dev/owner"], format!("items/{user}"));
}

#[tokio::test]
async fn an_apitoken_that_is_made_anew_goes_on_from_the_session() {
    let consent = Consent::new(LONG).await;
    consent.token("items").await;
    consent.world.ready("items").await;
    let before = consent.world.data("items", "token").await;
    consent.world.delete_token("items").await;
    consent.world.until_gone("items").await;
    consent.token("items").await;
    consent.world.ready("items").await;
    assert_eq!(consent.world.data("items", "token").await, before, "its token lives, and nobody has to be asked");
    assert_eq!(consent.idp.refreshes().len(), 1);
    consent.nothing_was_presented_twice();
}

#[tokio::test]
async fn a_second_apitoken_is_told_who_uses_the_credentials_and_takes_over_when_that_is_gone() {
    let consent = Consent::new(LIFETIME).await;
    consent.token("first").await;
    consent.world.ready("first").await;
    consent.token("second").await;
    let message = consent.told("second").await;
    assert!(message.contains(&format!("in use by ApiToken {}/first", consent.world.namespace)), "{message}");
    assert!(consent.world.all_data("second").await.is_none());
    consent.refreshed(2).await;
    consent.world.delete_token("first").await;
    consent.world.ready("second").await;
    let before = consent.idp.refreshes().len();
    consent.refreshed(before + 1).await;
    consent.token("first").await;
    let message = consent.told("first").await;
    assert!(message.contains(&format!("in use by ApiToken {}/second", consent.world.namespace)), "{message}");
    assert_eq!(consent.presented(&consent.seed), 1);
    consent.nothing_was_presented_twice();
}

#[tokio::test]
async fn of_many_apitokens_that_are_made_at_once_one_presents_the_refresh_token() {
    let consent = Consent::new(LONG).await;
    let names = ["a", "b", "c", "d", "e", "f"];
    for name in names {
        consent.token(name).await;
    }
    let settled = |token: &apitoken_operator::api::ApiToken| {
        ready(token).is_some_and(|it| it.status == "True" || it.reason == "CredentialsRejected")
    };
    let mut served = 0;
    for name in names {
        let token = consent.world.until(name, "served or told", settled).await;
        served += usize::from(ready(&token).is_some_and(|it| it.status == "True"));
    }
    assert_eq!((served, consent.idp.refreshes().len()), (1, 1));
}

#[tokio::test]
async fn the_same_refresh_token_in_another_secret_is_not_presented_either() {
    let consent = Consent::new(LONG).await;
    consent.token("items").await;
    consent.world.ready("items").await;
    let copied = [("clientId", CLIENT), ("clientSecret", "secret"), ("refreshToken", &*consent.seed)];
    consent.world.credentials("copy", &copied).await;
    consent.world.early_token_soon("second", &consent.provider, "copy").await;
    let message = consent.told("second").await;
    assert!(message.contains("by another Secret that holds it too"), "{message}");
    assert_eq!(consent.idp.refreshes().len(), 1);
    consent.world.ready("items").await;
}

#[tokio::test]
async fn killed_between_the_answer_and_its_storage_it_asks_for_a_new_consent_and_takes_it_at_once() {
    let (world, proxy) = World::by_proxy().await;
    let mut consent = Consent::given(world, LONG).await;
    let hold = proxy.hold(When::Before, stores_answer);
    consent.world.start_operator().await;
    consent.token("items").await;
    hold.first(PATIENCE).await.expect("an answer is about to be stored");
    consent.world.kill_operator();
    drop(hold);
    consent.world.start_operator().await;
    let message = consent.told("items").await;
    assert!(message.contains("a login was interrupted"), "{message}");
    assert!(message.contains("replace refreshToken in Secret \"login\""), "{message}");
    // Neither who asks nor another start changes that.
    consent.world.kill_operator();
    let asked = json!({ "metadata": { "annotations": { "apitoken.dev/refresh-requested-at": "now" } } });
    consent.world.edit_token("items", asked).await;
    consent.world.start_operator().await;
    consent.world.looked_again("items").await;
    assert_eq!(consent.presented(&consent.seed), 1);
    let new = consent.again().await;
    consent.world.ready("items").await;
    assert_eq!((consent.presented(&consent.seed), consent.presented(&new)), (1, 1));
    consent.nothing_was_presented_twice();
}

#[tokio::test]
async fn killed_between_a_refresh_and_its_storage_it_presents_neither_again() {
    let (world, proxy) = World::by_proxy().await;
    let mut consent = Consent::given(world, LIFETIME).await;
    consent.world.start_operator().await;
    consent.token("items").await;
    consent.world.ready("items").await;
    let hold = proxy.hold(When::Before, stores_answer);
    hold.first(PATIENCE).await.expect("an answer is about to be stored");
    consent.world.kill_operator();
    drop(hold);
    consent.world.start_operator().await;
    let message = consent.told("items").await;
    assert!(message.contains("a refresh was interrupted"), "{message}");
    assert_eq!(consent.presented(&consent.seed), 1);
    consent.nothing_was_presented_twice();
    consent.again().await;
    consent.world.ready("items").await;
}

#[tokio::test]
async fn an_apitoken_that_is_made_anew_during_a_refresh_gets_what_that_brings() {
    let consent = Consent::new(LIFETIME).await;
    consent.token("items").await;
    consent.world.ready("items").await;
    consent.idp.script(|script| script.refresh_latency = Duration::from_secs(3));
    consent.idp.wait_for("a refresh is on its way", PATIENCE, on_its_way).await;
    consent.world.delete_token("items").await;
    consent.token("items").await;
    consent.idp.script(|script| script.refresh_latency = Duration::ZERO);
    consent.world.ready("items").await;
    let before = consent.idp.refreshes().len();
    consent.refreshed(before + 2).await;
    consent.world.ready("items").await;
    assert_eq!(consent.presented(&consent.seed), 1);
    consent.nothing_was_presented_twice();
}

#[tokio::test]
async fn an_answer_that_says_nothing_costs_the_consent_and_a_request_that_was_never_sent_does_not() {
    let consent = Consent::given(World::new().await, LIFETIME).await;
    consent.idp.stop();
    consent.token("items").await;
    consent.world.not_ready("items", "ProviderUnavailable").await;
    consent.idp.fail_next(On::Refresh, Fault::status(503));
    consent.idp.restart().expect("it is back");
    let message = consent.told("items").await;
    assert!(message.contains("503") && message.contains("have somebody consent anew"), "{message}");
    assert_eq!(consent.idp.refreshes().len(), 1);
    let new = consent.again().await;
    consent.world.ready("items").await;
    // The first one is known for as long as the session is there.
    consent.world.edit_secret(LOGIN, &[("refreshToken", &consent.seed)]).await;
    let before = consent.idp.refreshes().len();
    consent.refreshed(before + 1).await;
    consent.idp.revoke_sessions();
    consent.told("items").await;
    assert_eq!((consent.presented(&consent.seed), consent.presented(&new)), (0, 1));
    consent.nothing_was_presented_twice();
}

#[tokio::test]
async fn another_client_secret_is_tried_with_the_sessions_own_refresh_token() {
    let consent = Consent::new(LONG).await;
    consent.token("items").await;
    consent.world.ready("items").await;
    consent.idp.set_password(CLIENT, "another");
    consent.world.edit_secret(LOGIN, &[("clientSecret", "another")]).await;
    consent.refreshed(2).await;
    consent.world.ready("items").await;
    assert_eq!(consent.presented(&consent.seed), 1);
    consent.nothing_was_presented_twice();
}

#[tokio::test]
async fn a_session_that_is_revoked_asks_for_a_new_consent_and_leaves_what_is_valid() {
    let consent = Consent::new(LIFETIME).await;
    consent.token("items").await;
    consent.world.ready("items").await;
    consent.idp.revoke_sessions();
    let message = consent.told("items").await;
    assert!(message.contains("the provider refused the refresh with HTTP 400 (invalid_grant)"), "{message}");
    let asked = consent.idp.refreshes().len();
    assert_eq!(asked, 2, "the login, and the refresh that was refused");
    consent.again().await;
    consent.world.ready("items").await;
    consent.nothing_was_presented_twice();
}

#[tokio::test]
async fn the_session_goes_with_the_credentials_and_new_ones_begin_another() {
    let consent = Consent::new(LONG).await;
    consent.token("items").await;
    consent.world.ready("items").await;
    let session = consent.session().await;
    consent.world.secrets().delete(LOGIN, &DeleteParams::default()).await.expect("deleted");
    consent.world.until_gone(&session).await;
    consent.world.not_ready("items", "CredentialsNotFound").await;
    let seed = consent.idp.consent(CLIENT);
    let data = [("clientId", CLIENT), ("clientSecret", "secret"), ("refreshToken", &*seed)];
    consent.world.credentials(LOGIN, &data).await;
    consent.world.ready("items").await;
    assert_ne!(consent.session().await, session);
    assert_eq!((consent.presented(&consent.seed), consent.presented(&seed)), (1, 1));
}

#[tokio::test]
async fn a_refresh_token_that_the_server_keeps_valid_is_presented_by_whoever_needs_it_once_the_provider_says_so() {
    let consent = Consent::new(LIFETIME).await;
    consent.idp.script(|script| script.quirks.rotation = Rotation::Never);
    consent.idp.fail_next(On::Refresh, Fault::status(500));
    consent.token("first").await;
    consent.told("first").await;
    let reusable = json!({ "spec": { "oauth2": { "refresh": { "reuse": "Reusable" } } } });
    consent.world.edit_provider(&consent.provider, reusable).await;
    consent.world.ready("first").await;
    consent.token("second").await;
    consent.world.ready("second").await;
    consent.refreshed(4).await;
    assert!(consent.presented(&consent.seed) >= 4);
    consent.idp.assert_no_protocol_errors();
}
