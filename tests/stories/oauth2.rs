//! OAuth 2.0: each grant that logs in by itself, each client authentication, rotation, and what refusals cost.

use std::time::Duration;

use rcgen::KeyPair;
use serde_json::{Value, json};
use testbed::vendors::{OAuth, On, Operation, Registered, consumer::present};

use crate::{
    customers::{LIFETIME, assert_always_served, refreshed},
    world::{PATIENCE, World, ready},
};

const CLIENT: &str = "reporting";
/// Form-urlencoded before base64, or a server reads another secret.
const SECRET: &str = "p%41ss+w:rd &é";
/// For servers that do not decode; nothing in it looks like a broken escape to those that do.
const RAW_SECRET: &str = "p%41ss+word";
const USER: &str = "ops@example.com";

fn server(world: &World) -> OAuth {
    let idp = OAuth::start(&world.ca).expect("the server");
    idp.add_account(CLIENT, SECRET);
    idp.add_account(USER, "correct");
    idp.script(|script| script.lifetime = LIFETIME);
    idp
}

async fn provider(world: &World, idp: &OAuth, name: &str, more: Value) -> String {
    let mut oauth2 = json!({ "tokenURL": idp.token_url() });
    if let (Some(oauth2), Value::Object(more)) = (oauth2.as_object_mut(), more) {
        oauth2.extend(more);
    }
    world.provider(name, json!({ "oauth2": oauth2, "tls": { "caBundle": world.ca.pem() } })).await
}

fn logins(idp: &OAuth) -> usize {
    idp.logins().len()
}

#[tokio::test]
async fn a_client_logs_in_with_a_secret_in_the_header_in_the_body_and_with_a_signed_assertion() {
    let world = World::new().await;
    let key = KeyPair::generate().expect("a key");
    world.credentials("secret", &[("clientId", CLIENT), ("clientSecret", SECRET)]).await;
    world.credentials("key", &[("clientId", CLIENT), ("privateKey", &key.serialize_pem())]).await;
    let registered = Registered::Key(key.public_key_raw().to_vec());
    let ways = [
        ("basic", "secret", Registered::Basic, json!({ "scopes": ["read"] })),
        ("body", "secret", Registered::Body, json!({ "clientAuth": { "method": "Body" } })),
        ("signed", "key", registered, json!({ "clientAuth": { "method": "PrivateKeyJWT", "algorithm": "ES256" } })),
    ];
    let mut tried = Vec::new();
    for (name, credentials, registered, more) in ways {
        let idp = server(&world);
        idp.script(|script| {
            script.quirks.registered = registered;
            script.quirks.scopes = vec!["read".to_owned()];
        });
        let provider = provider(&world, &idp, name, more).await;
        world.early_token(name, &provider, credentials).await;
        let consumer = world.consumer(name, idp.call_with(&world.ca, present::bearer("token")));
        tried.push((idp, consumer));
    }
    for (idp, consumer) in tried {
        idp.wait_for("two more logins", PATIENCE, |all| {
            all.iter().filter(|exchange| exchange.operation == Operation::Login).count() >= 3
        })
        .await;
        assert_eq!(idp.refreshes().len(), 0, "a client without a refresh token has refreshed");
        idp.assert_no_protocol_errors();
        assert_always_served(consumer);
    }
}

#[tokio::test]
async fn a_users_rotating_refresh_token_is_presented_once_and_one_login_lasts() {
    let world = World::new().await;
    let idp = server(&world);
    let login = [("clientId", CLIENT), ("clientSecret", SECRET), ("username", USER), ("password", "correct")];
    world.credentials("login", &login).await;
    let provider = provider(&world, &idp, "password", json!({ "grant": "Password" })).await;
    world.early_token("items", &provider, "login").await;
    idp.wait_for("three refreshes", PATIENCE, |all| refreshed(all, 3)).await;
    assert_eq!(logins(&idp), 1, "a refresh cost a login");

    // Somebody ends the session: the refresh is refused with invalid_grant, and exactly one login follows.
    idp.revoke_sessions();
    idp.wait_for("a second login", PATIENCE, |all| {
        all.iter().filter(|exchange| exchange.operation == Operation::Login).count() >= 2
    })
    .await;
    let after = idp.refreshes().len();
    idp.wait_for("a refresh of the new session", PATIENCE, |all| refreshed(all, after + 1)).await;
    assert_eq!(logins(&idp), 2);
    idp.assert_no_protocol_errors();
}

#[tokio::test]
async fn an_assertion_alone_logs_a_service_in() {
    let world = World::new().await;
    let idp = server(&world);
    let key = KeyPair::generate().expect("a key");
    idp.script(|script| script.quirks.registered = Registered::Key(key.public_key_raw().to_vec()));
    world.credentials("key", &[("privateKey", &key.serialize_pem()), ("keyId", "key-1")]).await;
    let bearer = json!({
        "grant": "JWTBearer",
        "clientId": CLIENT,
        "clientAuth": { "method": "None" },
        "assertion": { "subject": USER, "algorithm": "ES256" },
    });
    let provider = provider(&world, &idp, "bearer", bearer).await;
    world.early_token("items", &provider, "key").await;
    let token = world.data("items", "token").await;
    assert_eq!(idp.token(&token).map(|token| token.account), Some(USER.to_owned()));
    idp.wait_for("a renewal by another assertion", PATIENCE, |all| {
        all.iter().filter(|exchange| exchange.operation == Operation::Login).count() >= 2
    })
    .await;
    idp.assert_no_protocol_errors();
}

#[tokio::test]
async fn a_client_that_the_server_does_not_know_is_rejected_once_and_tried_again_when_its_secret_is_corrected() {
    let world = World::new().await;
    let idp = server(&world);
    idp.script(|script| script.lifetime = Duration::from_secs(3600));
    world.credentials("login", &[("clientId", CLIENT), ("clientSecret", "wrong")]).await;
    let provider = provider(&world, &idp, "rejected", json!({})).await;
    world.token("items", &provider, "login").await;
    world.token("second", &provider, "login").await;
    let token = world.not_ready("items", "CredentialsRejected").await;
    let message = ready(&token).map(|ready| ready.message.clone()).unwrap_or_default();
    assert!(message.contains("HTTP 401 (invalid_client)"), "{message}");
    assert!(!message.contains("nobody may repeat"), "{message}");
    world.not_ready("second", "CredentialsRejected").await;
    assert_eq!(logins(&idp), 1);
    world.edit_secret("login", &[("clientSecret", SECRET)]).await;
    world.ready("items").await;
    world.ready("second").await;
    assert_eq!(logins(&idp), 3, "one for the wrong secret, one for each token");
}

#[tokio::test]
async fn what_the_definition_asks_wrongly_is_told_by_the_field_and_tried_when_that_is_corrected() {
    let world = World::new().await;
    let idp = server(&world);
    world.credentials("login", &[("clientId", CLIENT), ("clientSecret", SECRET)]).await;
    let name = provider(&world, &idp, "scoped", json!({ "scopes": ["everything"] })).await;
    world.token("items", &name, "login").await;
    let token = world.not_ready("items", "ResponseInvalid").await;
    let message = ready(&token).map(|ready| ready.message.clone()).unwrap_or_default();
    assert!(message.contains("invalid_scope") && message.contains("oauth2.scopes"), "{message}");
    // A server that is away for a moment rejects nobody.
    idp.script(|script| script.quirks.scopes = vec!["everything".to_owned()]);
    idp.fail_next(On::Login, testbed::vendors::Fault::CloseBeforeAnswer);
    world.edit_token("items", json!({ "spec": { "refresh": { "atPercent": 50 } } })).await;
    world.ready("items").await;
    idp.assert_no_protocol_errors();
}

#[tokio::test]
async fn a_secret_that_a_server_may_have_read_otherwise_is_refused_with_a_word_on_its_encoding() {
    let world = World::new().await;
    world.credentials("login", &[("clientId", CLIENT), ("clientSecret", SECRET)]).await;
    let raw = || json!({ "clientAuth": { "encoding": "Raw" } });
    let said = async |name: &str, idp: &OAuth, more: Value, reason: &str| {
        let provider = provider(&world, idp, name, more).await;
        world.token(name, &provider, "login").await;
        let token = world.not_ready(name, reason).await;
        ready(&token).map(|ready| ready.message.clone()).unwrap_or_default()
    };
    let (decodes, takes_it_raw, closes) = (server(&world), server(&world), server(&world));
    takes_it_raw.script(|script| script.quirks.registered = Registered::RawBasic);
    let message = said("encoded", &takes_it_raw, json!({}), "CredentialsRejected").await;
    assert!(message.contains("set oauth2.clientAuth.encoding to Raw"), "{message}");
    let message = said("raw", &decodes, raw(), "CredentialsRejected").await;
    assert!(message.contains("oauth2.clientAuth.encoding, or set it to FormURLEncoded"), "{message}");
    closes.fail_always(On::Login, testbed::vendors::Fault::CloseBeforeAnswer);
    let message = said("closed", &closes, json!({}), "ProviderUnavailable").await;
    assert!(message.contains("set oauth2.clientAuth.encoding to Raw"), "{message}");
    // What the message says is right.
    let other = OAuth::start(&world.ca).expect("the server");
    other.add_account(CLIENT, RAW_SECRET);
    other.script(|script| script.quirks.registered = Registered::RawBasic);
    world.credentials("raw-login", &[("clientId", CLIENT), ("clientSecret", RAW_SECRET)]).await;
    let provider = provider(&world, &other, "heeded", raw()).await;
    world.token("heeded", &provider, "raw-login").await;
    world.ready("heeded").await;
}
