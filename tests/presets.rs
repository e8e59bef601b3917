//! Each preset against what its vendor's documentation says that the API answers: what it asks, and what it understands.
//!
//! A scripted server gives the documented reply. That shows that a preset is the documentation; whether the
//! documentation is the API only the real service can show.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at what it cannot go on with")]

use std::collections::BTreeMap;

use apitoken_operator::{
    api::{TokenProviderSpec, http::Operation},
    operator::{
        address::{AddressPolicy, Tenancy},
        egress::{Egress, EgressConfig},
        tls::{CaBundle, TlsMaterial},
    },
    provider::{
        definition::Definition,
        grant::Grant,
        interpret::interpret,
        presets,
        render::{Once, render},
        validate,
        values::{Credentials, SessionValues, Values},
    },
};
use k8s_openapi::jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use testbed::{
    ca::TestCa,
    vendors::{
        Scripted,
        scripted::{Reply, Request},
    },
};

/// A documented exchange.
struct Row {
    preset: &'static str,
    parameters: &'static [(&'static str, &'static str)],
    replies: Vec<Reply>,
    /// Method, path, and texts that stand in head or body, of each request.
    asks: Vec<(&'static str, &'static [&'static str])>,
    token: &'static str,
    /// In seconds.
    lifetime: i64,
}

/// Every key that a preset may want, with a value that tells where it went.
const CREDENTIALS: [&str; 10] = [
    "accountId",
    "clientId",
    "clientSecret",
    "id",
    "memberCid",
    "password",
    "roleId",
    "secret",
    "secretId",
    "username",
];

/// `robot:pw`-like pairs as HTTP basic authentication writes them.
const CLIENT_BASIC: &str = "Basic dGhlLWNsaWVudElkOnRoZS1jbGllbnRTZWNyZXQ=";
const USER_BASIC: &str = "Basic dGhlLXVzZXJuYW1lOnRoZS1wYXNzd29yZA==";
const CLIENT_BODY: &str = "client_id=the-clientId&client_secret=the-clientSecret";

fn bearer(expires_in: i64) -> Value {
    json!({ "access_token": "eyJz93a...k4laUWw", "token_type": "Bearer", "expires_in": expires_in })
}

fn oauth(preset: &'static str, parameters: Parameters, expires_in: i64, path: &'static str, holds: Texts) -> Row {
    let replies = vec![Reply::json(200, &bearer(expires_in))];
    Row { preset, parameters, replies, asks: vec![(path, holds)], token: "eyJz93a...k4laUWw", lifetime: expires_in }
}

type Parameters = &'static [(&'static str, &'static str)];
type Texts = &'static [&'static str];

/// OAuth 2.0 in a form body.
fn token_endpoints() -> Vec<Row> {
    vec![
        oauth(
            "Zoom",
            &[],
            3600,
            "POST /oauth/token",
            &[CLIENT_BASIC, "account_id=the-accountId&grant_type=account_credentials"],
        ),
        oauth(
            "Entra",
            &[("tenant", "acme.example.com"), ("scope", "https://graph.microsoft.com/.default")],
            3599,
            "POST /acme.example.com/oauth2/v2.0/token",
            &[CLIENT_BODY, "grant_type=client_credentials", "scope=https%3A%2F%2Fgraph.microsoft.com%2F.default"],
        ),
        oauth(
            "Auth0",
            &[("audience", "https://api.example.com/")],
            86400,
            "POST /oauth/token",
            &[CLIENT_BODY, "audience=https%3A%2F%2Fapi.example.com%2F", "grant_type=client_credentials"],
        ),
        oauth(
            "Okta",
            &[("scope", "customScope")],
            3600,
            "POST /oauth2/default/v1/token",
            &[CLIENT_BASIC, "grant_type=client_credentials&scope=customScope"],
        ),
        oauth(
            "Keycloak",
            &[("realm", "main")],
            60,
            "POST /realms/main/protocol/openid-connect/token",
            &[CLIENT_BODY, "grant_type=client_credentials"],
        ),
        oauth(
            "Databricks",
            &[],
            3600,
            "POST /oidc/v1/token",
            &[CLIENT_BASIC, "grant_type=client_credentials&scope=all-apis"],
        ),
        oauth("JamfClient", &[], 59, "POST /api/oauth/token", &[CLIENT_BODY, "grant_type=client_credentials"]),
        Row {
            replies: vec![Reply::json(201, &bearer(1799))],
            ..oauth("CrowdStrike", &[], 1799, "POST /oauth2/token", &[CLIENT_BODY, "member_cid=the-memberCid"])
        },
        Row {
            replies: vec![Reply::json(
                200,
                &json!({
                    "access_token": "00D...", "signature": "...", "scope": "api", "instance_url": "https://acme.my.salesforce.com",
                    "id": "https://login.salesforce.com/id/00D/005", "token_type": "Bearer", "issued_at": "1657741493799",
                }),
            )],
            token: "00D...",
            ..oauth(
                "Salesforce",
                &[],
                900,
                "POST /services/oauth2/token",
                &[CLIENT_BODY, "grant_type=client_credentials"],
            )
        },
    ]
}

/// Logins of their own kind.
fn login_apis() -> Vec<Row> {
    let in_an_hour = Timestamp::now() + k8s_openapi::jiff::SignedDuration::from_hours(1);
    let jamf = |token: &str| Reply::json(200, &json!({ "token": token, "expires": in_an_hour.to_string() }));
    let ticket = |ticket: &str| {
        let data = json!({ "CSRFPreventionToken": "4EEC61E2:lwk7od06fa1", "ticket": ticket, "username": "root@pam" });
        Reply::json(200, &json!({ "data": data }))
    };
    let lease = |seconds: i64| {
        let auth =
            json!({ "renewable": true, "lease_duration": seconds, "metadata": null, "client_token": "5b1a0318-679c" });
        Reply::json(
            200,
            &json!({ "auth": auth, "data": null, "lease_duration": 0, "renewable": false, "lease_id": "" }),
        )
    };
    let keystone = json!({ "token": { "methods": ["application_credential"], "expires_at": in_an_hour.to_string() } });
    vec![
        Row {
            preset: "Jamf",
            parameters: &[],
            replies: vec![jamf("eyJhbGciOiJIUzUxMiJ9.1"), jamf("eyJhbGciOiJIUzUxMiJ9.2")],
            asks: vec![
                ("POST /api/v1/auth/token", &[USER_BASIC]),
                ("POST /api/v1/auth/keep-alive", &["Bearer eyJhbGciOiJIUzUxMiJ9.1"]),
            ],
            token: "eyJhbGciOiJIUzUxMiJ9.2",
            lifetime: 3600,
        },
        Row {
            preset: "VCenter",
            parameters: &[],
            replies: vec![Reply::json(201, &json!("b00db39f948d13ea1e59b4d6fce56389"))],
            asks: vec![("POST /api/session", &[USER_BASIC])],
            token: "b00db39f948d13ea1e59b4d6fce56389",
            lifetime: 300,
        },
        Row {
            preset: "ArgoCD",
            parameters: &[],
            replies: vec![Reply::json(200, &json!({ "token": "eyJhbGciOiJIUzI1NiJ9.e30.c2ln" }))],
            asks: vec![("POST /api/v1/session", &[r#"{"password":"the-password","username":"the-username"}"#])],
            token: "eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
            lifetime: 43200,
        },
        Row {
            preset: "Keystone",
            parameters: &[],
            replies: vec![Reply::json(201, &keystone).header("X-Subject-Token", "gAAAAABaXT")],
            asks: vec![(
                "POST /v3/auth/tokens",
                &[r#""methods":["application_credential"]"#, r#"{"id":"the-id","secret":"the-secret"}"#],
            )],
            token: "gAAAAABaXT",
            lifetime: 3600,
        },
        Row {
            preset: "Vault",
            parameters: &[("namespace", "team")],
            replies: vec![lease(1200), lease(3600)],
            asks: vec![
                (
                    "POST /v1/auth/approle/login",
                    &[r#"{"role_id":"the-roleId","secret_id":"the-secretId"}"#, "x-vault-namespace: team"],
                ),
                ("POST /v1/auth/token/renew-self", &["x-vault-token: 5b1a0318-679c"]),
            ],
            token: "5b1a0318-679c",
            lifetime: 3600,
        },
        Row {
            preset: "Proxmox",
            parameters: &[],
            replies: vec![ticket("PVE:root@pam:1::rsKo"), ticket("PVE:root@pam:2::xyz+/=")],
            asks: vec![
                ("POST /api2/json/access/ticket", &["password=the-password&username=the-username"]),
                ("POST /api2/json/access/ticket", &["password=PVE%3Aroot%40pam%3A1%3A%3ArsKo"]),
            ],
            token: "PVE:root@pam:2::xyz+/=",
            lifetime: 7200,
        },
    ]
}

/// A definition, and the way to a server that stands in for its vendor.
struct Way {
    definition: Definition,
    credentials: Credentials,
    parameters: BTreeMap<String, String>,
    egress: Egress,
    tls: TlsMaterial,
}

impl Way {
    fn new(row: &Row, server: &Scripted, ca: &TestCa) -> Self {
        let url = server.origin();
        let spec: TokenProviderSpec = serde_json::from_value(json!({ "preset": row.preset, "url": url })).unwrap();
        let definition = validate::compile(&spec).unwrap();
        let values: Vec<_> = CREDENTIALS.iter().map(|key| (*key, format!("the-{key}"))).collect();
        let credentials =
            Credentials::read(&definition, values.iter().map(|(key, value)| (*key, value.as_bytes()))).unwrap();
        let given = row.parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let parameters = definition.parameters(&given).unwrap();
        let addresses = AddressPolicy { allow: vec!["127.0.0.0/8".parse().unwrap()], ..AddressPolicy::default() };
        let egress = Egress::new(EgressConfig { addresses, ..EgressConfig::default() }).unwrap();
        let tls =
            TlsMaterial { ca_bundle: Some(CaBundle::parse(&ca.pem(), "test").unwrap()), ..TlsMaterial::default() };
        Self { definition, credentials, parameters, egress, tls }
    }

    async fn ask(&self, operation: Operation, session: Option<SessionValues<'_>>) -> Grant {
        let (credentials, parameters) = (&self.credentials, &self.parameters);
        let values = Values { credentials, parameters, uid: "uid", session };
        let once = Once { random: "boundary", at: Timestamp::now(), shown: false };
        let request = render(&self.definition, operation, &values, &once).unwrap();
        let timeout = self.definition.limits.timeout;
        let reply = self.egress.send(request, &self.tls, Tenancy::Cluster, timeout, Timestamp::now).await.unwrap();
        interpret(&self.definition, operation, &reply, session).unwrap_or_else(|failure| panic!("{}", failure.message))
    }
}

fn text(request: &Request) -> String {
    let headers = request.headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()));
    format!("{}\n{}", headers.collect::<String>(), String::from_utf8_lossy(&request.body))
}

#[tokio::test]
async fn each_preset_asks_as_documented_and_understands_the_documented_reply() {
    let ca = TestCa::named("presets").unwrap();
    for row in token_endpoints().into_iter().chain(login_apis()) {
        let server = Scripted::start(&ca, row.replies.clone()).unwrap();
        let way = Way::new(&row, &server, &ca);
        let mut grant = way.ask(Operation::Login, None).await;
        assert_eq!(way.definition.refresh.is_some(), row.asks.len() > 1, "{}", row.preset);
        if way.definition.refresh.is_some() {
            let (old, outputs) = (grant.access_token.clone(), grant.outputs.clone());
            let session = SessionValues { access_token: &old, refresh_token: None, outputs: &outputs };
            grant = way.ask(Operation::Refresh, Some(session)).await;
        }
        let requests = server.requests();
        assert_eq!(requests.len(), row.asks.len(), "{}", row.preset);
        for (request, (line, texts)) in requests.iter().zip(&row.asks) {
            assert_eq!(format!("{} {}", request.method, request.path), *line, "{}", row.preset);
            for part in *texts {
                assert!(text(request).contains(part), "{}: no {part:?} in\n{}", row.preset, text(request));
            }
        }
        assert_eq!(grant.access_token.expose_secret(), row.token, "{}", row.preset);
        let lifetime = grant.expires_at.as_second() - grant.issued_at.as_second();
        assert!((row.lifetime - 30..=row.lifetime).contains(&lifetime), "{}: {lifetime} s", row.preset);
    }
}

#[test]
fn every_preset_is_among_the_documented_ones_or_has_a_vendor_of_its_own() {
    let documented: Vec<_> = token_endpoints().iter().chain(&login_apis()).map(|row| row.preset).collect();
    for name in presets::names().into_iter().filter(|name| !["Palette", "Tenovos", "Virtana"].contains(name)) {
        assert!(documented.contains(&name), "no documented reply of {name} is played");
    }
}

#[test]
fn the_page_of_the_presets_has_all_of_them_with_their_sources() {
    let page = std::fs::read_to_string(format!("{}/docs/providers/presets.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    for name in presets::names() {
        assert!(page.contains(&format!("| `{name}` |")), "{name} is not on the page");
        for source in presets::source(name).unwrap().lines().filter(|line| line.starts_with("# Source: ")) {
            let url = source.split_whitespace().find(|word| word.starts_with("https://")).unwrap();
            assert!(page.contains(url), "{name}: {url} is not on the page");
        }
    }
}
