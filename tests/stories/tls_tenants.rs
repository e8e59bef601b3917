//! One provider that knows its clients by their certificates, and several clients with one each.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use testbed::{
    ca::{ServerCertificate, TestCa},
    eventually::await_until,
    vendors::{OAuth, Registered},
};

use crate::{
    tls_clients::{client, clients, no_key_stands_anywhere},
    tls_references::message,
    world::{PATIENCE, World},
};

/// Longer than the story.
const LIFETIME: Duration = Duration::from_secs(900);

/// A server that admits these clients, each with its own certificate.
fn server(world: &World, admitted: &TestCa, registered: &[(&str, &ServerCertificate)]) -> OAuth {
    let idp = OAuth::start_admitting(&world.ca, admitted).expect("the server");
    for (id, _) in registered {
        idp.add_account(id, "no secret of this client is ever sent");
    }
    register(&idp, registered);
    idp
}

fn register(idp: &OAuth, registered: &[(&str, &ServerCertificate)]) {
    let by_id: BTreeMap<_, _> = registered.iter().map(|(id, of)| ((*id).to_owned(), of.der().to_vec())).collect();
    idp.script(|script| {
        script.lifetime = LIFETIME;
        script.quirks.registered = Registered::Certificates(by_id.clone());
    });
}

async fn provider(world: &World, idp: &OAuth, tls: Value) -> String {
    let mut spec = json!({ "oauth2": { "tokenURL": idp.token_url(), "clientAuth": { "method": "TLS" } }, "tls": tls });
    spec["tls"]["caBundle"] = world.ca.pem().into();
    world.provider("bank", spec).await
}

#[tokio::test]
async fn each_tenant_is_known_by_the_own_certificate_and_who_has_none_by_the_providers() {
    let world = World::new().await;
    let admitted = clients();
    let (web, shop, house) = (client(&admitted), client(&admitted), client(&admitted));
    let idp = server(&world, &admitted, &[("web", &web), ("shop", &shop), ("house", &house)]);
    world.client_certificate("house-client", &house).await;
    let provider = provider(&world, &idp, json!({ "clientCertificateRef": { "name": "house-client" } })).await;
    for (name, certificate) in [("web", &web), ("shop", &shop)] {
        let (chain, key) = certificate.to_pem();
        world.credentials(name, &[("clientId", name), ("tls.crt", &chain), ("tls.key", &key)]).await;
    }
    world.credentials("house", &[("clientId", "house")]).await;
    for name in ["web", "shop", "house"] {
        world.token(&format!("of-{name}"), &provider, name).await;
    }
    for name in ["web", "shop", "house"] {
        world.ready(&format!("of-{name}")).await;
    }
    assert_eq!(idp.logins().len(), 3, "nobody was refused");

    // A changed certificate is changed credentials: one login, with the new one.
    let before = world.data("of-web", "token").await;
    let renewed = client(&admitted);
    register(&idp, &[("web", &renewed), ("shop", &shop), ("house", &house)]);
    let (chain, key) = renewed.to_pem();
    world.edit_secret("web", &[("tls.crt", &chain), ("tls.key", &key)]).await;
    await_until("the token of the new certificate is there", PATIENCE, async || {
        let now = world.data("of-web", "token").await;
        if now == before { Err("still the old one") } else { Ok(()) }
    })
    .await;
    assert_eq!(idp.logins().len(), 4);
    idp.assert_no_protocol_errors();
    let keys = [web.to_pem().1, shop.to_pem().1, key];
    no_key_stands_anywhere(&world, &keys.each_ref().map(String::as_str)).await;
}

#[tokio::test]
async fn a_tenants_certificate_that_cannot_be_used_is_told_before_anything_is_sent() {
    let world = World::new().await;
    let admitted = clients();
    let registered = client(&admitted);
    let idp = server(&world, &admitted, &[("web", &registered)]);
    let provider = provider(&world, &idp, json!({})).await;
    let ((chain, key), (_, other_key)) = (registered.to_pem(), client(&admitted).to_pem());
    let expired = admitted.issue_expired_client("web").expect("a certificate").to_pem();
    let good = [("tls.crt", chain.as_str()), ("tls.key", key.as_str())];
    let wrong = [
        ("neither", None, None, "spec.tls.clientCertificateRef of the provider"),
        ("no-key", Some(&chain), None, "has \"tls.crt\" without \"tls.key\""),
        ("no-chain", None, Some(&key), "has \"tls.key\" without \"tls.crt\""),
        ("mismatch", Some(&chain), Some(&other_key), "do not belong together"),
        ("no-pem", Some(&other_key), Some(&key), "holds no PEM certificate"),
        ("expired", Some(&expired.0), Some(&expired.1), "expired at 2001-01-02"),
    ];
    for (name, chain, key, words) in wrong {
        let parts = [("clientId", Some("web")), ("tls.crt", chain.map(|it| &**it)), ("tls.key", key.map(|it| &**it))];
        let data: Vec<_> = parts.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        world.credentials(name, &data).await;
        world.token(&format!("of-{name}"), &provider, name).await;
        let told = world.not_ready(&format!("of-{name}"), "CredentialsIncomplete").await;
        assert!(message(&told).contains(words), "{name}: {}", message(&told));
    }
    assert_eq!(idp.connections_accepted(), 0);
    for (name, ..) in wrong {
        world.edit_secret(name, &good).await;
        world.ready(&format!("of-{name}")).await;
    }
    idp.assert_no_protocol_errors();
    no_key_stands_anywhere(&world, &[&key, &other_key, &expired.1]).await;
}
