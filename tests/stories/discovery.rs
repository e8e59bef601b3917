//! OAuth 2.0 by `issuer`: where the token endpoint is, is asked once for many, and never costs a login.

use std::time::Duration;

use apitoken_operator::api::ClusterTokenProvider;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use rcgen::KeyPair;
use serde_json::{Value, json};
use testbed::{
    reliability::oracles,
    vendors::{Exchange, Fault, OAuth, On, Operation, Place, Registered, consumer::present, oauth::SECOND_TOKEN_PATH},
};

use crate::{
    customers::{LIFETIME, assert_always_served},
    world::{PATIENCE, World, ready},
};

const CLIENT: &str = "reporting";
const SECRET: &str = "correct";
const USER: &str = "ops@example.com";
/// Not renewed within a story.
const LONG: Duration = Duration::from_secs(3600);

fn server(world: &World, lifetime: Duration) -> OAuth {
    let idp = OAuth::start(&world.ca).expect("the server");
    idp.add_account(CLIENT, SECRET);
    idp.script(|script| script.lifetime = lifetime);
    idp
}

/// A provider by its issuer, and the credentials of a client.
async fn provider(world: &World, idp: &OAuth, more: Value) -> String {
    world.credentials("login", &[("clientId", CLIENT), ("clientSecret", SECRET)]).await;
    let mut oauth2 = json!({ "issuer": idp.issuer() });
    if let (Some(oauth2), Value::Object(more)) = (oauth2.as_object_mut(), more) {
        oauth2.extend(more);
    }
    world.provider("issuer", json!({ "oauth2": oauth2, "tls": { "caBundle": world.ca.pem() } })).await
}

fn logins(all: &[Exchange]) -> usize {
    all.iter().filter(|exchange| exchange.operation == Operation::Login).count()
}

/// How often tokens were given.
fn given(all: &[Exchange], operation: Operation) -> usize {
    all.iter().filter(|one| one.operation == operation && one.status == Some(200)).count()
}

async fn message(world: &World, token: &str, reason: &str) -> String {
    let token = world.not_ready(token, reason).await;
    ready(&token).map(|ready| ready.message.clone()).unwrap_or_default()
}

#[tokio::test]
async fn an_issuer_is_asked_once_for_all_tokens_and_renewals() {
    let world = World::new().await;
    let idp = server(&world, LIFETIME);
    let provider = provider(&world, &idp, json!({})).await;
    for name in ["one", "two", "three"] {
        world.early_token_soon(name, &provider, "login").await;
    }
    for name in ["one", "two", "three"] {
        world.ready(name).await;
    }
    let consumer = world.consumer("one", idp.call_with(&world.ca, present::bearer("token")));
    idp.wait_for("renewals of all three", PATIENCE, |all| logins(all) >= 6).await;
    assert_always_served(consumer);
    assert_eq!(idp.discoveries(), 1);
    idp.assert_no_protocol_errors();
}

#[tokio::test]
async fn a_restart_with_a_good_token_asks_nobody_anything() {
    let mut world = World::new().await;
    let idp = server(&world, LONG);
    let provider = provider(&world, &idp, json!({})).await;
    world.token("items", &provider, "login").await;
    world.ready("items").await;
    idp.clear();
    world.stop_operator().await;
    world.start_operator().await;
    // Seen, and written, by the operator that was started again.
    world.edit_token("items", json!({ "spec": { "output": { "data": { "again": "${accessToken}" } } } })).await;
    world.ready("items").await;
    assert!(world.data("items", "again").await.len() > 20);
    assert_eq!(idp.history().len(), 0, "{:#?}", idp.history());
}

#[tokio::test]
async fn an_issuer_that_is_down_costs_no_login_and_no_intent_and_is_asked_until_it_answers() {
    let world = World::new().await;
    let idp = server(&world, LONG);
    idp.fail_always(On::Metadata, Fault::status(503).body("a text that nobody may repeat"));
    let provider = provider(&world, &idp, json!({})).await;
    world.token("items", &provider, "login").await;
    let message = message(&world, "items", "ProviderUnavailable").await;
    assert!(message.contains("discovery was answered with HTTP 503"), "{message}");
    assert!(!message.contains("nobody may repeat"), "{message}");
    let session = world.session_name("items").await;
    let document: Value = serde_json::from_str(&world.data(&session, "session.json").await).expect("a document");
    assert_eq!(document["facts"]["loginFailure"]["class"], "Transient");
    assert_eq!(document["facts"]["intent"], Value::Null);
    idp.heal();
    idp.fail_next(On::Metadata, Fault::CloseBeforeAnswer);
    world.ready("items").await;
    assert_eq!(idp.logins().len(), 1);
    idp.assert_no_protocol_errors();
}

#[tokio::test]
async fn metadata_of_another_issuer_leads_nowhere_and_says_what_to_correct() {
    let world = World::new().await;
    let idp = server(&world, LONG);
    idp.script(|script| script.quirks.published.issuer_path.push('/'));
    let provider = provider(&world, &idp, json!({})).await;
    world.token("items", &provider, "login").await;
    let message = message(&world, "items", "ProviderUnavailable").await;
    assert!(message.contains("names another issuer: write oauth2.issuer byte for byte"), "{message}");
    assert_eq!(idp.logins().len(), 0);
    let corrected = Patch::Merge(json!({ "spec": { "oauth2": { "issuer": format!("{}/", idp.issuer()) } } }));
    let providers: Api<ClusterTokenProvider> = Api::all(world.client.clone());
    providers.patch(&provider, &PatchParams::default(), &corrected).await.expect("the provider is corrected");
    world.ready("items").await;
    assert_eq!(idp.logins().len(), 1);
    idp.assert_no_protocol_errors();
}

#[tokio::test]
async fn metadata_may_stand_at_the_place_of_rfc_8414_and_assertions_are_for_the_endpoint_that_it_names() {
    let world = World::new().await;
    let idp = server(&world, LONG);
    let key = KeyPair::generate().expect("a key");
    idp.script(|script| {
        script.quirks.published.place = Place::OAuth;
        script.quirks.registered = Registered::Key(key.public_key_raw().to_vec());
    });
    let signed = json!({ "clientAuth": { "method": "PrivateKeyJWT", "algorithm": "ES256" } });
    let provider = provider(&world, &idp, signed).await;
    world.credentials("key", &[("clientId", CLIENT), ("privateKey", &key.serialize_pem())]).await;
    world.token("items", &provider, "key").await;
    world.ready("items").await;
    assert_eq!((idp.discoveries(), idp.logins().len()), (2, 1));
    idp.assert_no_protocol_errors();
}

#[tokio::test]
async fn an_endpoint_that_moves_is_found_again_before_a_token_ends() {
    let world = World::new().await;
    let idp = server(&world, LIFETIME);
    let provider = provider(&world, &idp, json!({})).await;
    world.early_token("items", &provider, "login").await;
    let consumer = world.consumer("items", idp.call_with(&world.ca, present::bearer("token")));
    idp.script(|script| script.quirks.published.token_path = SECOND_TOKEN_PATH.to_owned());
    let good = |all: &[Exchange]| given(all, Operation::Login);
    idp.wait_for("renewals at the new endpoint", PATIENCE, |all| good(all) >= 3).await;
    assert_always_served(consumer);
    assert_eq!(idp.discoveries(), 2);
    idp.assert_no_protocol_errors();
}

#[tokio::test]
async fn an_endpoint_that_moves_costs_a_rotating_session_no_login() {
    let world = World::new().await;
    let idp = server(&world, LIFETIME);
    idp.add_account(USER, "correct");
    let provider = provider(&world, &idp, json!({ "grant": "Password" })).await;
    let login = [("clientId", CLIENT), ("clientSecret", SECRET), ("username", USER), ("password", "correct")];
    world.credentials("user", &login).await;
    world.early_token("items", &provider, "user").await;
    let good = |all: &[Exchange]| given(all, Operation::Refresh);
    idp.wait_for("a refresh", PATIENCE, |all| good(all) >= 1).await;
    idp.script(|script| script.quirks.published.token_path = SECOND_TOKEN_PATH.to_owned());
    idp.wait_for("refreshes at the new endpoint", PATIENCE, |all| good(all) >= 3).await;
    assert!(idp.refreshes().iter().any(|refresh| refresh.status == Some(404)), "the endpoint has not moved");
    assert_eq!(idp.logins().len(), 1);
    idp.assert_no_protocol_errors();
}

#[tokio::test]
async fn neither_a_silent_issuer_nor_an_endpoint_that_moves_costs_a_consent() {
    let world = World::new().await;
    let idp = server(&world, LIFETIME);
    idp.fail_always(On::Metadata, Fault::CloseBeforeAnswer);
    let provider = provider(&world, &idp, json!({ "grant": "RefreshToken" })).await;
    let consent = [("clientId", CLIENT), ("clientSecret", SECRET), ("refreshToken", &*idp.consent(CLIENT))];
    world.credentials("consent", &consent).await;
    world.early_token_soon("items", &provider, "consent").await;
    let message = message(&world, "items", "ProviderUnavailable").await;
    assert!(message.contains("discovery failed"), "{message}");
    idp.heal();
    world.ready("items").await;
    idp.script(|script| script.quirks.published.token_path = SECOND_TOKEN_PATH.to_owned());
    let good = |all: &[Exchange]| given(all, Operation::Refresh);
    idp.wait_for("refreshes at the new endpoint", PATIENCE, |all| good(all) >= 4).await;
    world.ready("items").await;
    assert!(idp.refreshes().iter().any(|refresh| refresh.status == Some(404)), "the endpoint has not moved");
    let findings = oracles::presented_once(&idp.history());
    assert!(findings.broken.is_empty(), "{:?}", findings.broken);
    idp.assert_no_protocol_errors();
}

#[tokio::test]
async fn an_endpoint_at_an_address_that_is_refused_is_sent_nothing() {
    let world = World::new().await;
    let idp = server(&world, LONG);
    idp.script(|script| script.quirks.published.lie = Some("https://169.254.169.254/token".to_owned()));
    let provider = provider(&world, &idp, json!({})).await;
    world.token("items", &provider, "login").await;
    let message = message(&world, "items", "ResponseInvalid").await;
    assert!(message.contains("no request is sent to"), "{message}");
    assert_eq!(idp.logins().len(), 0);
}
