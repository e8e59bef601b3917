//! OAuth 2.0 with `try`: the discovery that comes first, signed assertions, and what refusals mean.

use std::fs;

use rcgen::KeyPair;
use testbed::{
    ca::TestCa,
    vendors::{Fault, OAuth, On, Place, Registered},
};

use crate::bench::{Bench, Said};

const SECRET: &str = "canary+secret%41";

struct Idp {
    bench: Bench,
    server: OAuth,
}

impl Idp {
    /// A server, a provider with these fields of `oauth2`, and credentials.
    fn new(oauth2: &str) -> Self {
        let ca = TestCa::new().unwrap();
        let server = OAuth::start(&ca).unwrap();
        server.add_account("reporting", SECRET);
        let bench = Bench::new([]);
        bench.write("login/clientId", "reporting");
        bench.write("login/clientSecret", SECRET);
        fs::create_dir(bench.path("tls")).unwrap();
        bench.write("tls/ca.crt", &ca.pem());
        let oauth2 = oauth2.replace("ISSUER", &server.issuer()).replace("TOKEN_URL", &server.token_url());
        bench.write(
            "provider.yaml",
            &format!(
                "apiVersion: apitoken.dev/v1alpha1\nkind: ClusterTokenProvider\nmetadata: {{ name: idp }}\n\
                 spec:\n  oauth2:\n    {oauth2}\n"
            ),
        );
        Self { bench, server }
    }

    /// With a key in the credentials that the server knows.
    fn signed(oauth2: &str) -> Self {
        let idp = Self::new(oauth2);
        let key = KeyPair::generate().unwrap();
        idp.bench.write("login/privateKey", &key.serialize_pem());
        idp.bench.write("login/keyId", "key-1");
        idp.server.script(|script| script.quirks.registered = Registered::Key(key.public_key_raw().to_vec()));
        idp
    }

    async fn run(&self, flags: &[&str]) -> Said {
        let said = self.bench.run(&[&["--tls", "tls"], flags].concat()).await;
        let all = format!("{}{}", said.out, said.err);
        for secret in self.server.issued_secrets().iter().map(String::as_str).chain([SECRET, "PRIVATE KEY"]) {
            assert!(!all.contains(secret), "a secret is shown:\n{all}");
        }
        said
    }
}

#[tokio::test]
async fn an_issuer_is_asked_first_and_what_it_names_is_shown_and_used() {
    let idp = Idp::new("{ issuer: ISSUER }");
    let (issuer, endpoint) = (idp.server.issuer(), idp.server.token_url());
    let said = idp.run(&[]).await;
    let lines = [
        format!("issuer        {issuer}"),
        format!(
            "\nDiscovery\n  GET {issuer}/.well-known/openid-configuration\n  accept: application/json\n\n  200 after"
        ),
        format!("issuer:         \"{issuer}\"\n  token_endpoint: \"{endpoint}\"\n"),
        format!("\nLogin\n  POST {endpoint}\n"),
    ];
    said.expect(0, &lines.each_ref().map(String::as_str));
    assert_eq!((idp.server.discoveries(), idp.server.logins().len()), (1, 1));
    idp.server.assert_no_protocol_errors();
}

#[tokio::test]
async fn a_dry_run_says_what_an_issuer_would_be_asked_and_asks_nothing() {
    let idp = Idp::signed("{ issuer: ISSUER, clientAuth: { method: PrivateKeyJWT, algorithm: ES256 } }");
    let said = idp.run(&["--dry-run"]).await;
    let words = [
        "/realms/main/.well-known/openid-configuration\n  and, where that is answered with 404,\n  GET https://127.0.0.1",
        "/.well-known/oauth-authorization-server/realms/main\n",
        "POST (the token_endpoint that the metadata names)\n",
        "client_assertion=ES256.•••",
        "Nothing was sent",
    ];
    said.expect(0, &words);
    assert_eq!(idp.server.history().len(), 0);
    assert_eq!(idp.server.connections_accepted(), 0);
}

#[tokio::test]
async fn a_discovery_that_leads_nowhere_says_why_and_sends_no_login() {
    let idp = Idp::new("{ issuer: ISSUER }");
    idp.server.script(|script| script.quirks.published.issuer_path.push('/'));
    let named = format!("issuer:         \"{}/\"", idp.server.issuer());
    idp.run(&[]).await.expect(1, &[&named, "names another issuer: write oauth2.issuer byte for byte"]);
    idp.server.fail_next(On::Metadata, Fault::status(500).body("canary"));
    idp.run(&[]).await.expect(1, &["500 after", "Transient: discovery was answered with HTTP 500"]);
    idp.server.stop();
    idp.run(&[]).await.expect(1, &["Transient: discovery failed", "no connection: it was refused"]);
    assert_eq!(idp.server.logins().len(), 0);
}

#[tokio::test]
async fn a_client_and_a_service_that_sign_get_their_tokens() {
    let ways = [
        "{ issuer: ISSUER, clientAuth: { method: PrivateKeyJWT, algorithm: ES256 } }",
        "{ tokenURL: TOKEN_URL, clientAuth: { method: PrivateKeyJWT, algorithm: ES256 } }",
        "{ tokenURL: TOKEN_URL, grant: JWTBearer, clientAuth: { method: None }, assertion: { algorithm: ES256 } }",
        "{ issuer: ISSUER, grant: JWTBearer, clientAuth: { method: None }, assertion: { algorithm: ES256 } }",
    ];
    for way in ways {
        let idp = Idp::signed(way);
        idp.server.script(|script| script.quirks.published.place = Place::OAuth);
        idp.run(&[]).await.expect(0, &["assertion=ES256.•••", "Output Secret idp\n  token         •••("]);
        assert_eq!(idp.server.logins().len(), 1);
        idp.server.assert_no_protocol_errors();
    }
}

#[tokio::test]
async fn a_key_of_the_wrong_kind_is_named_before_anything_is_sent_to_the_endpoint() {
    let idp = Idp::signed("{ tokenURL: TOKEN_URL, clientAuth: { method: PrivateKeyJWT } }");
    idp.run(&[]).await.expect(1, &["Misconfigured: no request was sent: ${credentials.privateKey}"]);
    assert_eq!(idp.server.history().len(), 0);
}

#[tokio::test]
async fn a_refused_secret_that_encoding_changes_names_the_encoding() {
    let idp = Idp::new("{ tokenURL: TOKEN_URL }");
    idp.server.script(|script| script.quirks.registered = Registered::RawBasic);
    idp.run(&[]).await.expect(1, &["error: \"invalid_client\"", "Rejected: ", "oauth2.clientAuth.encoding to Raw"]);
    let idp = Idp::new("{ tokenURL: TOKEN_URL, clientAuth: { encoding: Raw } }");
    idp.server.script(|script| script.quirks.registered = Registered::RawBasic);
    idp.run(&[]).await.expect(0, &["Output Secret idp"]);
}

#[tokio::test]
async fn a_reply_that_says_no_end_points_at_the_block_and_names_the_field() {
    let idp = Idp::new("{ tokenURL: TOKEN_URL }");
    let reply =
        Fault::status(200).header("content-type", "application/json").body(r#"{"access_token":"canary-token"}"#);
    idp.server.fail_next(On::Login, reply);
    idp.run(&[]).await.expect(1, &["neither expires_in nor the token says when it ends: set oauth2.lifetime"]);
    idp.server.fail_next(On::Login, Fault::status(200).header("content-type", "application/json").body("{}"));
    idp.run(&[]).await.expect(1, &["see           provider.yaml:5  spec.oauth2\n"]);
}
