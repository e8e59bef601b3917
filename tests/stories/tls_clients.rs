//! Client certificates: presented to a vendor that wants one, rotated, wrong, expired, and never seen anywhere else.

use apitoken_operator::api::ApiToken;
use kube::api::ListParams;
use serde_json::{Value, json};
use testbed::{
    ca::{ServerCertificate, TestCa},
    leaks::Canaries,
    vendors::{OAuth, Operation, Palette, Registered},
};

use crate::{
    customers::LIFETIME,
    scene::{ACCOUNT, LOGIN},
    tls_references::message,
    world::{PATIENCE, World, ready},
};

const CLIENT: &str = "reporting";

impl World {
    /// A Secret as cert-manager makes them, with the label.
    pub async fn client_certificate(&self, name: &str, certificate: &ServerCertificate) {
        let (chain, key) = certificate.to_pem();
        self.secret(name, Some("tls"), &[("tls.crt", &chain), ("tls.key", &key)]).await;
    }

    async fn replace_certificate(&self, name: &str, certificate: &ServerCertificate) {
        let (chain, key) = certificate.to_pem();
        self.edit_secret(name, &[("tls.crt", &chain), ("tls.key", &key)]).await;
    }

    fn mutual_tls(&self, secret: &str) -> Value {
        json!({ "caBundle": self.ca.pem(), "clientCertificateRef": { "name": secret } })
    }
}

pub fn clients() -> TestCa {
    TestCa::named("clients").expect("a CA")
}

/// One that admits nobody without a certificate of this authority.
async fn palette(world: &World, clients: &TestCa) -> Palette {
    let palette = Palette::start_admitting(&world.ca, clients).expect("Palette");
    palette.add_account(ACCOUNT, "correct");
    palette.script(|script| script.lifetime = LIFETIME);
    world.credentials(LOGIN, &[("emailId", ACCOUNT), ("password", "correct")]).await;
    palette
}

pub fn client(of: &TestCa) -> ServerCertificate {
    of.issue_client(CLIENT).expect("a certificate")
}

#[tokio::test]
async fn a_vendor_that_wants_a_certificate_gets_the_present_one_and_refuses_a_strangers() {
    let world = World::new().await;
    let (admitted, strangers) = (clients(), TestCa::named("strangers").expect("a CA"));
    let palette = palette(&world, &admitted).await;
    world.client_certificate("client", &client(&strangers)).await;
    let spec = json!({ "preset": "Palette", "url": palette.base_url(), "tls": world.mutual_tls("client") });
    world.tenants_provider("mutual", spec).await;
    world.tenants_token("clusters", "mutual").await;
    let token = world.until("clusters", "the stranger's is refused", |token| {
        message(token).contains("check spec.tls.clientCertificateRef")
    });
    token.await;
    assert_eq!(palette.logins().len(), 0, "nothing is sent to whom the handshake failed with");

    // The right one counts from the next request on, and its end is told.
    world.replace_certificate("client", &client(&admitted)).await;
    world.ready("clusters").await;
    world.tenants_provider_says("mutual", "True", "its client certificate expires at 4096-").await;

    // The vendor changes its authority: kept connections are closed, the old certificate is refused, the new one is taken.
    let renewed = TestCa::named("renewed").expect("a CA");
    palette.admit(&world.ca, &renewed).expect("the authority is changed");
    world.until("clusters", "the old one is refused", |token| message(token).contains("client certificate")).await;
    world.replace_certificate("client", &client(&renewed)).await;
    world
        .until("clusters", "it is renewed again", |token| token.status.as_ref().is_some_and(|it| it.failures.is_none()))
        .await;
    palette.assert_no_protocol_errors();
}

#[tokio::test]
async fn a_client_certificate_that_cannot_be_used_is_told_before_anything_is_sent() {
    let world = World::new().await;
    let (admitted, other) = (clients(), clients());
    let palette = palette(&world, &admitted).await;
    let ((chain, key), (_, other_key)) = (client(&admitted).to_pem(), client(&other).to_pem());
    let expired = admitted.issue_expired_client(CLIENT).expect("a certificate").to_pem();
    let good = [("tls.crt", chain.as_str()), ("tls.key", key.as_str())];
    let replace = "kubectl create secret tls";
    for (name, data, words) in [
        ("no-key", &[("tls.crt", chain.as_str())][..], "has no key \"tls.key\""),
        ("empty-key", &[("tls.crt", chain.as_str()), ("tls.key", "")], "has no key \"tls.key\""),
        ("mismatch", &[("tls.crt", chain.as_str()), ("tls.key", other_key.as_str())], "do not belong together"),
        ("no-pem", &[("tls.crt", "MIIB"), ("tls.key", key.as_str())], "holds no PEM certificate"),
        ("expired", &[("tls.crt", expired.0.as_str()), ("tls.key", expired.1.as_str())], "expired at 2001-01-02"),
    ] {
        world.secret(name, Some("tls"), data).await;
        let spec = json!({ "preset": "Palette", "url": palette.base_url(), "tls": world.mutual_tls(name) });
        world.tenants_provider(name, spec).await;
        let told = world.tenants_provider_says(name, "False", words).await;
        assert!(told.message.starts_with("spec.tls.clientCertificateRef: "), "{}", told.message);
        assert!(told.message.contains(replace), "{}", told.message);
        world.tenants_token(&format!("of-{name}"), name).await;
        world.not_ready(&format!("of-{name}"), "ProviderInvalid").await;
    }
    assert_eq!(palette.connections_accepted(), 0);
    for name in ["no-key", "mismatch", "expired"] {
        world.edit_secret(name, &good).await;
        world.ready(&format!("of-{name}")).await;
    }
}

fn logins(all: &[testbed::vendors::Exchange]) -> usize {
    all.iter().filter(|exchange| exchange.operation == Operation::Login).count()
}

#[tokio::test]
async fn an_oauth_client_that_a_certificate_stands_for_logs_in_without_a_secret_and_keeps_doing_so() {
    let world = World::new().await;
    let admitted = clients();
    let (first, second) = (client(&admitted), client(&admitted));
    let idp = OAuth::start_admitting(&world.ca, &admitted).expect("the server");
    idp.add_account(CLIENT, "no secret of this client is ever sent");
    idp.script(|script| {
        script.lifetime = LIFETIME;
        script.quirks.registered = Registered::Certificate(first.der().to_vec());
    });
    world.client_certificate("client", &second).await;
    let oauth2 = json!({ "tokenURL": idp.token_url(), "clientId": CLIENT, "clientAuth": { "method": "TLS" } });
    let spec = json!({ "oauth2": oauth2, "tls": world.mutual_tls("client") });
    world.tenants_provider("idp", spec).await;
    let token = json!({ "providerRef": { "kind": "TokenProvider", "name": "idp" }, "refresh": { "atPercent": 40 } });
    world.token_with("items", token).await;
    // Of the right authority, and registered for nobody: the server knows no such client.
    let refused = world.not_ready("items", "CredentialsRejected").await;
    assert!(message(&refused).contains("invalid_client"), "{}", message(&refused));

    // What it refers to is part of the provider: as after an edit, what was refused is tried again.
    world.replace_certificate("client", &first).await;
    world.ready("items").await;
    let before = logins(&idp.history());
    idp.wait_for("two more logins", PATIENCE, |all| logins(all) >= before + 2).await;
    idp.assert_no_protocol_errors();
}

#[tokio::test]
async fn no_byte_of_a_private_key_stands_anywhere_whatever_goes_wrong_with_it() {
    let world = World::new().await;
    let admitted = clients();
    let palette = palette(&world, &admitted).await;
    let (good, stranger) = (client(&admitted).to_pem(), client(&clients()).to_pem());
    let broken = format!("-----BEGIN PRIVATE KEY-----\nc4n4ryc4n4ryc4n4ry\n{}", stranger.1);
    let keys = [("good", &good.0, &good.1), ("stranger", &stranger.0, &stranger.1), ("broken", &good.0, &broken)];
    for (name, chain, key) in keys {
        world.secret(name, Some("tls"), &[("tls.crt", chain), ("tls.key", key)]).await;
        let spec = json!({ "preset": "Palette", "url": palette.base_url(), "tls": world.mutual_tls(name) });
        world.tenants_provider(name, spec).await;
        world.tenants_token(&format!("of-{name}"), name).await;
    }
    world.ready("of-good").await;
    world.not_ready("of-broken", "ProviderInvalid").await;
    world.until("of-stranger", "it is refused", |token: &ApiToken| message(token).contains("client certificate")).await;
    assert!(ready(&world.get("of-stranger").await).is_some_and(|ready| ready.status != "True"));

    no_key_stands_anywhere(&world, &[&good.1, &stranger.1, &broken]).await;
}

/// Of Secrets it may stand in those only that have it as `tls.key`.
pub async fn no_key_stands_anywhere(world: &World, keys: &[&str]) {
    let mut canaries = Canaries::default();
    for key in keys {
        key.lines()
            .filter(|line| line.len() > 8 && !line.starts_with("---"))
            .for_each(|line| canaries.add("a key", line));
    }
    let list = ListParams::default();
    let text = |objects: Result<String, serde_json::Error>| objects.expect("JSON");
    let mut secrets = world.secrets().list(&list).await.expect("Secrets").items;
    assert!(
        !canaries.find("the Secrets", &text(serde_json::to_string(&secrets))).is_empty(),
        "not found where they are"
    );
    secrets.retain(|secret| secret.data.as_ref().is_none_or(|data| !data.contains_key("tls.key")));
    let places = [
        ("Secrets of ours", text(serde_json::to_string(&secrets))),
        ("providers", text(serde_json::to_string(&world.tenants_providers().list(&list).await.expect("them").items))),
        ("ApiTokens", text(serde_json::to_string(&world.tokens().list(&list).await.expect("them").items))),
        ("/metrics", world.operator().metrics().await.expect("metrics")),
        ("the log", world.operator().logs().join("\n")),
    ];
    let leaks: Vec<_> = places.iter().flat_map(|(place, text)| canaries.find(place, text)).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
}
