//! Nothing secret anywhere: a life with all that goes right and wrong, and then a look into everything that it left.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
    time::Duration,
};

use apitoken_operator::api::{ClusterTokenProvider, reasons};
use k8s_openapi::{api::events::v1::Event, serde::Serialize};
use kube::{Api, ResourceExt, api::ListParams};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use testbed::{
    audit::Mark,
    leaks::{Canaries, Leak},
    operator::{OperatorOptions, OperatorProcess},
    users::User,
    vendors::{Damage, Fault, On, Palette, Tenovos, Virtana},
};

use crate::world::{PATIENCE, World, ready};

/// With what needs care in URLs, JSON, headers and logs.
const PASSWORD: &str = "c4n4ry-p4ss/Zq+&=% \"ä";
const WRONG: &str = "c4n4ry-wr0ng/Zq+&=%";
const API_KEY: &str = "c4n4ry-k3y/Zq+&=0123";
const CLIENT_SECRET: &str = "c4n4ry-cl1ent/Zq+&=%";
const FOREIGN: &str = "c4n4ry-f0reign/Zq+&=%";
const FIXED: [(&str, &str); 5] = [
    ("the password", PASSWORD),
    ("the wrong password", WRONG),
    ("the API key", API_KEY),
    ("the client secret", CLIENT_SECRET),
    ("a Secret of somebody else", FOREIGN),
];

/// Replies that say what they were sent, or hold a token that cannot be used.
fn echoes() -> Vec<(&'static str, Fault)> {
    let error = json!({ "error": PASSWORD, "error_description": PASSWORD, "message": API_KEY, "code": WRONG });
    let error = error.to_string();
    let challenge = format!("Bearer error=\"{API_KEY}\"");
    vec![
        ("echo-500", Fault::status(500).body(format!("cannot log in with {PASSWORD}"))),
        ("echo-400", Fault::status(400).body(error.clone())),
        ("echo-401", Fault::status(401).header("www-authenticate", challenge).body(error.clone())),
        ("echo-404", Fault::status(404).body(error.clone())),
        ("echo-200", Fault::status(200).body(error)),
        ("echo-429", Fault::rate_limited(API_KEY).body(PASSWORD)),
        ("echo-type", Fault::status(200).header("content-type", API_KEY).header("set-cookie", API_KEY)),
        ("echo-user", Fault::redirect(302, format!("https://me:{API_KEY}@vendor.example/{API_KEY}?p={API_KEY}"))),
        ("echo-place", Fault::redirect(307, format!("/{API_KEY}?password={API_KEY}"))),
        ("half-json", Fault::MalformedJson),
        ("bad-token", Fault::Token(Damage::ControlCharacters)),
        ("long-token", Fault::Token(Damage::Long(20_000))),
        ("lost", Fault::LostReply),
        ("gzip", Fault::ClaimedGzip),
    ]
}

struct Vendors {
    palette: Vec<Palette>,
    tenovos: Vec<Tenovos>,
    virtana: Vec<Virtana>,
}

impl Vendors {
    fn issued(&self) -> Vec<String> {
        let palette = self.palette.iter().flat_map(|fake| fake.issued_secrets());
        let tenovos = self.tenovos.iter().flat_map(|fake| fake.issued_secrets());
        palette.chain(tenovos).chain(self.virtana.iter().flat_map(|fake| fake.issued_secrets())).collect()
    }

    async fn palette(&mut self, world: &World, name: &str, credentials: &str) -> &Palette {
        let fake = Palette::start(&world.ca).expect("Palette");
        fake.add_account("ops@example.com", PASSWORD);
        fake.script(|script| script.lifetime = Duration::from_secs(60));
        self.palette.push(fake);
        let fake = self.palette.last().expect("just pushed");
        provided(world, name, json!({ "preset": "Palette", "url": fake.base_url() }), credentials).await;
        fake
    }

    async fn virtana(&mut self, world: &World, name: &str, form: &str) -> &Virtana {
        let fake = Virtana::start(&world.ca).expect("Virtana");
        fake.add_account("client", CLIENT_SECRET);
        fake.script(|script| script.lifetime = Duration::from_secs(60));
        self.virtana.push(fake);
        let fake = self.virtana.last().expect("just pushed");
        let mut spec: Value = serde_json::from_str(form).expect("JSON");
        spec["url"] = json!(fake.base_url());
        provided(world, name, spec, "virtana-login").await;
        fake
    }
}

/// The secret stands in the URL.
const BY_GET: &str = r#"{ "http": {
    "credentials": { "required": ["clientId", "clientSecret"] },
    "login": { "method": "GET", "path": "/authorization/oauth/token",
        "query": { "grant_type": "client_credentials", "client_id": "${credentials.clientId}",
            "client_secret": "${credentials.clientSecret}" },
        "response": { "accessToken": { "json": "/access_token" }, "expiry": [{ "after": "60s" }] } } } }"#;

/// A provider and an ApiToken of the same name, renewed as early as may be.
async fn provided(world: &World, name: &str, mut spec: Value, credentials: &str) {
    spec["tls"] = json!({ "caBundle": world.ca.pem() });
    spec["limits"] = json!({ "timeout": "2s" });
    let provider = world.provider(name, spec).await;
    let spec = json!({
        "providerRef": { "name": provider }, "credentialsRef": { "name": credentials }, "refresh": { "atPercent": 10 },
    });
    world.token_with(name, spec).await;
}

async fn secrets(world: &World) {
    let login = |password| [("emailId", "ops@example.com"), ("password", password)];
    world.credentials("palette-login", &login(PASSWORD)).await;
    world.credentials("wrong-login", &login(WRONG)).await;
    world.credentials("incomplete", &[("emailId", "ops@example.com"), ("pass", PASSWORD)]).await;
    world.secret("unlabelled", None, &login(PASSWORD)).await;
    world.credentials("virtana-login", &[("clientId", "client"), ("clientSecret", CLIENT_SECRET)]).await;
    let media = [("username", "media"), ("password", PASSWORD), ("apiKey", API_KEY)];
    world.credentials("tenovos-login", &media).await;
    let key = format!("{API_KEY}\r\nX-More: 1");
    let media = [("username", "media"), ("password", PASSWORD), ("apiKey", key.as_str())];
    world.credentials("unsendable-login", &media).await;
    world.secret("conflict", None, &[("data", FOREIGN)]).await;
}

/// What goes right: logins and refreshes, with secrets in bodies, headers, paths and queries.
async fn what_goes_right(world: &World, vendors: &mut Vendors) {
    vendors.palette(world, "palette", "palette-login").await;
    vendors.virtana(world, "virtana", r#"{ "preset": "Virtana" }"#).await;
    vendors.virtana(world, "virtana-get", BY_GET).await;
    let tenovos = Tenovos::start(&world.ca).expect("Tenovos");
    tenovos.add_account("media", PASSWORD, API_KEY);
    tenovos.script(|script| script.lifetime = Duration::from_secs(60));
    let spec = json!({ "preset": "Tenovos", "url": tenovos.base_url() });
    provided(world, "tenovos", spec.clone(), "tenovos-login").await;
    provided(world, "unsendable", spec, "unsendable-login").await;
    vendors.tenovos.push(tenovos);
    for name in ["palette", "virtana", "virtana-get", "tenovos"] {
        world.ready(name).await;
    }
    vendors.palette[0].wait_for("refreshes", PATIENCE, |all| all.len() > 2).await;
    vendors.tenovos[0].wait_for("refreshes", PATIENCE, |all| all.len() > 2).await;
    vendors.virtana[1].wait_for("renewals", PATIENCE, |all| all.len() > 2).await;
}

/// What goes wrong at the provider, at a first login and at a renewal.
async fn what_goes_wrong(world: &World, vendors: &mut Vendors) {
    for (name, fault) in echoes() {
        vendors.palette(world, name, "palette-login").await.fail_always(On::Both, fault);
    }
    vendors.palette(world, "mfa", "palette-login").await.script(|script| script.quirks.is_mfa = true);
    vendors.palette(world, "wrong", "wrong-login").await;
    vendors.virtana(world, "hanging-get", BY_GET).await.fail_always(On::Both, Fault::Hang);
    vendors.virtana(world, "closing-get", BY_GET).await.fail_always(On::Both, Fault::CloseInHead);
    vendors.virtana(world, "stopped-get", BY_GET).await.stop();
    // The token stands in the path of what is not answered.
    vendors.palette[0].fail_always(On::Both, Fault::CloseBeforeAnswer);
    vendors.tenovos[0].fail_always(On::Both, Fault::status(500).body(format!("{PASSWORD} {API_KEY}")));
    let others = ["mfa", "wrong", "hanging-get", "closing-get", "stopped-get", "unsendable", "palette", "tenovos"];
    for name in echoes().iter().map(|(name, _)| *name).chain(others) {
        world
            .until(name, "a failure is told", |token| {
                token.status.as_ref().is_some_and(|status| status.failures.is_some())
            })
            .await;
    }
}

/// What is wrong with the objects.
async fn what_is_wrong(world: &World, vendors: &mut Vendors) {
    vendors.palette(world, "conflict", "palette-login").await;
    vendors.palette(world, "not-labelled", "unlabelled").await;
    vendors.palette(world, "lacks-a-key", "incomplete").await;
    vendors.palette(world, "bad-template", "palette-login").await;
    world
        .edit_token("bad-template", json!({ "spec": { "output": { "data": { "x": "${credentials.password}" } } } }))
        .await;
    world.not_ready("conflict", reasons::OUTPUT_CONFLICT).await;
    world.not_ready("not-labelled", reasons::CREDENTIALS_NOT_LABELLED).await;
    world.not_ready("lacks-a-key", reasons::CREDENTIALS_INCOMPLETE).await;
    world.until("bad-template", "it is refused", |token| ready(token).is_some_and(|it| it.reason != "Issued")).await;
}

fn text<T: Serialize>(objects: &[T]) -> String {
    serde_json::to_string_pretty(objects).expect("JSON")
}

/// Everything that somebody can read who may not read Secrets.
async fn places(world: &World, since: &Mark) -> Vec<(&'static str, String)> {
    let list = ListParams::default();
    let events: Api<Event> = Api::namespaced(world.client.clone(), &world.namespace);
    let providers: Api<ClusterTokenProvider> = Api::all(world.client.clone());
    let mut providers = providers.list(&list).await.expect("providers").items;
    providers.retain(|provider| provider.name_any().contains(&world.namespace));
    let mut secrets = world.secrets().list(&list).await.expect("Secrets").items;
    secrets.iter_mut().for_each(|secret| secret.data = None);
    let uris = world.cluster.audit().since(since).expect("the audit log");
    let uris = uris.into_iter().filter(|event| event.user == User::Operator.name()).map(|event| event.uri);
    vec![
        ("the Events", text(&events.list(&list).await.expect("Events").items)),
        ("the providers", text(&providers)),
        ("the ApiTokens", text(&world.tokens().list(&list).await.expect("ApiTokens").items)),
        ("the Secrets without their data", text(&secrets)),
        ("the audit log", uris.collect::<Vec<_>>().join("\n")),
        ("/metrics", world.operator().metrics().await.expect("metrics")),
        ("/readyz", world.operator().get("/readyz").await.expect("an answer").1),
        ("/livez", world.operator().get("/livez").await.expect("an answer").1),
    ]
}

#[tokio::test]
async fn nothing_secret_stands_anywhere_after_a_life_with_all_that_can_go_wrong() {
    let since = World::without_operator().await.cluster.audit().mark().expect("the audit log");
    let world = World::new().await;
    let mut vendors = Vendors { palette: Vec::new(), tenovos: Vec::new(), virtana: Vec::new() };
    secrets(&world).await;
    what_goes_right(&world, &mut vendors).await;
    what_is_wrong(&world, &mut vendors).await;
    what_goes_wrong(&world, &mut vendors).await;
    let mut places = places(&world, &since).await;
    let whole = text(&world.secrets().list(&ListParams::default()).await.expect("Secrets").items);
    assert!(world.operator().terminate().await.expect("it ends").success());
    places.push(("the log", world.operator().logs().join("\n")));

    let mut canaries = Canaries::default();
    FIXED.iter().for_each(|(label, secret)| canaries.add(label, secret));
    vendors.issued().iter().for_each(|token| canaries.add("a token", token));
    let seen = canaries.find("the Secrets", &whole);
    for label in FIXED.iter().map(|(label, _)| *label).chain(["a token"]) {
        assert!(seen.iter().any(|leak| leak.what.label == label), "{label} is not even found where it stands");
    }
    let leaks: Vec<String> =
        places.iter().flat_map(|(place, text)| canaries.find(place, text)).map(|leak: Leak| leak.to_string()).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
    for (place, text) in &places {
        assert!(!text.is_empty(), "{place}: there was nothing to look into");
    }
}

/// Answers every request with something that no API server says.
fn babbling_server(body: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
            let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        }
    });
    port
}

#[tokio::test]
async fn an_api_server_that_answers_with_something_else_is_not_quoted() {
    let world = World::without_operator().await;
    let mut canaries = Canaries::default();
    canaries.add("what was answered", PASSWORD);
    for body in [format!("<html>{PASSWORD}"), json!({ "kind": PASSWORD, "items": PASSWORD }).to_string()] {
        let config = json!({
            "clusters": [{ "name": "c", "cluster": { "server": format!("http://127.0.0.1:{}", babbling_server(body)) } }],
            "users": [{ "name": "u", "user": {} }],
            "contexts": [{ "name": "x", "context": { "cluster": "c", "user": "u" } }],
            "current-context": "x",
        });
        let mut file = NamedTempFile::new().expect("a file");
        file.write_all(config.to_string().as_bytes()).expect("writable");
        let options = OperatorOptions { kubeconfig: file.path().to_owned(), ..world.operator_options() };
        let operator = OperatorProcess::start(&options).expect("it starts");
        assert_eq!(operator.wait(PATIENCE).await.expect("it ends by itself").code(), Some(1));
        let said = operator.logs().join("\n");
        assert!(said.contains("API server"), "{said}");
        assert_eq!(canaries.find("the log", &said), [], "{said}");
    }
}
