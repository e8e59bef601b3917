//! A new ApiToken gets its token, and people see it.

use std::time::Duration;

use serde_json::{Value, json};
use testbed::{
    proxy::ConnectProxy,
    users::User,
    vendors::{Consumer, Palette, Tenovos, Virtana},
};

use crate::{
    customers::{TENOVOS_KEY, assert_always_served, served},
    world::World,
};

/// Names of the ApiTokens, their presets and credentials.
const TOKENS: [(&str, &str, &str); 3] = [
    ("clusters", "Palette", "palette-login"),
    ("assets", "Tenovos", "tenovos-login"),
    ("infra", "Virtana", "virtana-login"),
];

/// The three vendors with their documented lifetimes.
struct Vendors {
    palette: Palette,
    tenovos: Tenovos,
    virtana: Virtana,
}

#[tokio::test]
async fn a_new_apitoken_of_each_vendor_by_a_provider_object_becomes_ready_and_its_output_works() {
    let world = World::new().await;
    let vendors = Vendors::start(&world).await;
    let urls = [vendors.palette.base_url(), vendors.tenovos.base_url(), vendors.virtana.base_url()];
    let mut providers = Vec::new();
    for ((name, preset, credentials), url) in TOKENS.iter().zip(&urls) {
        let provider = world.preset(preset, url).await;
        world.token(name, &provider, credentials).await;
        providers.push(provider);
    }
    vendors.serve(&world, &providers).await;
}

#[tokio::test]
async fn a_new_apitoken_of_each_vendor_by_kind_preset_becomes_ready_and_its_output_works() {
    let mut world = World::without_operator().await;
    let vendors = Vendors::start(&world).await;
    let proxy = ConnectProxy::start([
        ("api.spectrocloud.com:443", vendors.palette.address()),
        ("api.tenovos.io:443", vendors.tenovos.address()),
        ("app.cloud.virtana.com:443", vendors.virtana.address()),
    ])
    .expect("a proxy");
    let trusted = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(&trusted, world.ca.pem()).expect("the CA is written");
    world.flags = ["--provider-proxy", &proxy.url()].map(String::from).into();
    world.env = vec![("SSL_CERT_FILE".to_owned(), trusted.path().display().to_string())];
    world.start_operator().await;
    for (name, preset, credentials) in TOKENS {
        let provider = json!({ "kind": "Preset", "name": preset });
        world.token_with(name, json!({ "providerRef": provider, "credentialsRef": { "name": credentials } })).await;
    }
    vendors.serve(&world, &TOKENS.map(|(_, preset, _)| preset.to_owned())).await;
    assert!(proxy.asked().iter().all(|asked| asked.allowed), "{:?}", proxy.asked());
}

impl Vendors {
    async fn start(world: &World) -> Self {
        world.logins().await;
        let (palette, tenovos, virtana) = (world.palette(), world.tenovos(), world.virtana());
        palette.script(|script| script.lifetime = Duration::from_secs(15 * 60));
        tenovos.script(|script| script.lifetime = Duration::from_secs(3600));
        virtana.script(|script| script.lifetime = Duration::from_secs(12 * 3600));
        Self { palette, tenovos, virtana }
    }

    /// All three become Ready, as people see it, with one login each; and what they give works.
    async fn serve(&self, world: &World, providers: &[String]) {
        for ((name, ..), provider) in TOKENS.iter().zip(providers) {
            kubectl_waits_until_ready(world, name).await;
            shows_its_columns(world, name, provider).await;
        }
        let consumers: [Consumer; 3] = [
            world.consumer("clusters", self.palette.call(&world.ca, "token")),
            world.consumer("assets", self.tenovos.call(&world.ca, TENOVOS_KEY)),
            world.consumer("infra", self.virtana.call(&world.ca, "token")),
        ];
        for consumer in consumers {
            served(&consumer, 3).await;
            assert_always_served(consumer);
        }
        let asked = [
            (self.palette.logins().len(), self.palette.refreshes().len()),
            (self.tenovos.logins().len(), self.tenovos.refreshes().len()),
            (self.virtana.logins().len(), self.virtana.refreshes().len()),
        ];
        assert_eq!(asked, [(1, 0); 3], "logins and refreshes of each vendor");
        self.palette.assert_no_protocol_errors();
        self.tenovos.assert_no_protocol_errors();
        self.virtana.assert_no_protocol_errors();
    }
}

async fn kubectl_waits_until_ready(world: &World, name: &str) {
    let mut kubectl = world.cluster.kubectl(&User::Admin).expect("kubectl");
    kubectl.args(["wait", "--for=condition=Ready", "--timeout=60s", "-n", &world.namespace]);
    let output = kubectl.arg(format!("apitoken/{name}")).output().await.expect("kubectl runs");
    assert!(output.status.success(), "kubectl wait: {}", String::from_utf8_lossy(&output.stderr));
}

/// The cells of `kubectl get -o wide`, as the API server lays them out.
async fn shows_its_columns(world: &World, name: &str, provider: &str) {
    let path = format!("/apis/apitoken.dev/v1alpha1/namespaces/{}/apitokens/{name}", world.namespace);
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let request = http::Request::get(path).header(http::header::ACCEPT, accept).body(Vec::new()).expect("a request");
    let table: Value = world.client.request(request).await.expect("a Table");
    let columns = table["columnDefinitions"].as_array().expect("columns");
    let shown = columns.iter().map(|column| column["name"].as_str().expect("a name").to_uppercase());
    let cells = shown.zip(table["rows"][0]["cells"].as_array().expect("cells").iter().cloned());
    let row: serde_json::Map<String, Value> = cells.filter(|(column, _)| column != "AGE").collect();
    let status = serde_json::to_value(world.get(name).await.status).expect("a status");
    let expected = json!({
        "NAME": name,
        "READY": "True",
        "REASON": "Issued",
        "PROVIDER": provider,
        "SECRET": name,
        "EXPIRES": status["expiresAt"],
        "RENEWS": status["renewAt"],
        "OPERATION": "Login",
        "MESSAGE": format!("Secret {name:?} holds a valid token"),
    });
    assert_eq!(Value::from(row), expected);
}
