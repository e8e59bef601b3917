//! Authorities that a provider refers to: in a ConfigMap or a Secret, wrong in each way, and rotated.

use std::time::Duration;

use apitoken_operator::api::{ApiToken, TokenProvider};
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use testbed::{ca::TestCa, eventually::await_until, reliability::row, vendors::Palette};

use crate::{
    customers::LIFETIME,
    scene::{ACCOUNT, LOGIN},
    world::{PATIENCE, World, ready},
};

impl World {
    /// A TokenProvider in the story's own namespace.
    pub async fn tenants_provider(&self, name: &str, spec: Value) {
        let object = json!({ "apiVersion": "apitoken.dev/v1alpha1", "kind": "TokenProvider",
            "metadata": { "name": name }, "spec": spec });
        let object: TokenProvider = serde_json::from_value(object).expect("a TokenProvider");
        self.tenants_providers().create(&PostParams::default(), &object).await.expect("the provider is made");
    }

    pub fn tenants_providers(&self) -> Api<TokenProvider> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Waits until the TokenProvider's Ready has this status and its message holds these words.
    pub async fn tenants_provider_says(&self, name: &str, status: &str, words: &str) -> Condition {
        let api = self.tenants_providers();
        await_until(&format!("{name}: Ready={status} with {words:?}"), PATIENCE, async || {
            let provider = api.get(name).await.map_err(|error| error.to_string())?;
            let conditions = provider.status.unwrap_or_default().conditions;
            let told = conditions.into_iter().find(|one| one.type_ == "Ready").ok_or("no condition yet")?;
            if told.status == status && told.message.contains(words) { Ok(told) } else { Err(told.message) }
        })
        .await
    }

    /// An ApiToken of a TokenProvider of the story's namespace, renewed early.
    pub async fn tenants_token(&self, name: &str, provider: &str) -> ApiToken {
        let provider = json!({ "kind": "TokenProvider", "name": provider });
        let (login, refresh) = (json!({ "name": LOGIN }), json!({ "atPercent": 40 }));
        self.token_with(name, json!({ "providerRef": provider, "credentialsRef": login, "refresh": refresh })).await
    }

    pub fn config_maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub async fn config_map(&self, name: &str, data: Value) {
        let object = serde_json::from_value(json!({ "metadata": { "name": name }, "data": data })).expect("one");
        self.config_maps().create(&PostParams::default(), &object).await.expect("the ConfigMap is made");
    }

    pub async fn edit_config_map(&self, name: &str, data: Value) {
        let patch = Patch::Merge(json!({ "data": data }));
        self.config_maps().patch(name, &PatchParams::default(), &patch).await.expect("the ConfigMap is edited");
    }
}

pub fn message(token: &ApiToken) -> &str {
    ready(token).map_or("", |ready| ready.message.as_str())
}

async fn palette(world: &World) -> Palette {
    let palette = Palette::start(&world.ca).expect("Palette");
    palette.add_account(ACCOUNT, "correct");
    palette.script(|script| script.lifetime = LIFETIME);
    world.credentials(LOGIN, &[("emailId", ACCOUNT), ("password", "correct")]).await;
    palette
}

fn spec(palette: &Palette, kind: &str, name: &str) -> Value {
    json!({
        "preset": "Palette", "url": palette.base_url(),
        "tls": { "caBundleRef": { "kind": kind, "name": name, "key": "ca.crt" } },
    })
}

#[tokio::test]
async fn a_rotated_authority_counts_without_a_restart_whether_a_configmap_or_a_secret_holds_it() {
    let world = World::new().await;
    let palette = palette(&world).await;
    world.config_map("corp-ca", json!({ "ca.crt": world.ca.pem() })).await;
    world.secret("corp-ca", Some("tls"), &[("ca.crt", &world.ca.pem())]).await;
    for kind in ["ConfigMap", "Secret"] {
        let name = kind.to_lowercase();
        world.tenants_provider(&name, spec(&palette, kind, "corp-ca")).await;
        world.tenants_token(&format!("of-{name}"), &name).await;
        world.ready(&format!("of-{name}")).await;
    }

    // The provider gets a certificate of another authority, and all connections are closed.
    let renewed = TestCa::named("renewed").expect("a CA");
    palette.rotate(&renewed).expect("the certificate is rotated");
    for name in ["of-configmap", "of-secret"] {
        let refused = |token: &ApiToken| message(token).contains("unknown authority");
        world.until(name, "the new authority is unknown", refused).await;
    }
    world.edit_config_map("corp-ca", json!({ "ca.crt": renewed.pem() })).await;
    world.edit_secret("corp-ca", &[("ca.crt", &renewed.pem())]).await;
    for name in ["of-configmap", "of-secret"] {
        world.until(name, "it is renewed again", |token| !failing(token)).await;
    }

    // The old authority counts no more.
    palette.rotate(&world.ca).expect("the certificate is put back");
    for name in ["of-configmap", "of-secret"] {
        world.until(name, "the old one is unknown", |token| message(token).contains("unknown authority")).await;
    }
    palette.assert_no_protocol_errors();
    row(42).injected("the authority in a ConfigMap and in a Secret is rotated").holds("the new one counts at once");
}

fn failing(token: &ApiToken) -> bool {
    token.status.as_ref().is_some_and(|status| status.failures.is_some())
}

#[tokio::test]
async fn a_restart_reads_what_providers_refer_to_and_asks_no_provider() {
    let mut world = World::without_operator().await;
    world.start_operator().await;
    let palette = palette(&world).await;
    palette.script(|script| script.lifetime = Duration::from_secs(900));
    world.secret("corp-ca", Some("tls"), &[("ca.crt", &world.ca.pem())]).await;
    world.tenants_provider("vendor", spec(&palette, "Secret", "corp-ca")).await;
    world.tenants_token("clusters", "vendor").await;
    let before = world.ready("clusters").await;
    world.stop_operator().await;
    world.start_operator().await;
    world.tenants_provider_says("vendor", "True", "can be used").await;
    let after = world.ready("clusters").await;
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version, "nothing was written");
    world.looked_again("clusters").await;
    assert_eq!((palette.logins().len(), palette.refreshes().len()), (1, 0));
}

#[tokio::test]
async fn what_is_wrong_with_a_reference_is_told_with_the_command_that_mends_it() {
    let world = World::new().await;
    let palette = palette(&world).await;
    let namespace = &world.namespace;
    world.secret("unlabelled", None, &[("ca.crt", &world.ca.pem())]).await;
    world.secret("of-another-role", Some("credentials"), &[("ca.crt", &world.ca.pem())]).await;
    world.config_map("other-key", json!({ "root.pem": world.ca.pem() })).await;
    world.config_map("no-pem", json!({ "ca.crt": "MIIB, but not in PEM" })).await;
    let label = format!("kubectl label secret unlabelled -n {namespace} apitoken.dev/role=tls");
    let create = format!("kubectl create configmap missing --from-file=ca.crt=FILE -n {namespace}");
    for (name, kind, words) in [
        ("missing", "ConfigMap", create.as_str()),
        ("unlabelled", "Secret", label.as_str()),
        ("of-another-role", "Secret", "may not be used before its owner agrees"),
        ("other-key", "ConfigMap", "has no key \"ca.crt\""),
        ("no-pem", "ConfigMap", "holds no PEM certificate"),
    ] {
        world.tenants_provider(name, spec(&palette, kind, name)).await;
        let told = world.tenants_provider_says(name, "False", words).await;
        assert!(told.message.starts_with("spec.tls.caBundleRef: "), "{}", told.message);
        assert_eq!(told.reason, "ProviderInvalid");
        world.tenants_token(&format!("of-{name}"), name).await;
        let token = world.not_ready(&format!("of-{name}"), "ProviderInvalid").await;
        assert!(message(&token).contains(words), "{}", message(&token));
    }
    assert_eq!(palette.logins().len(), 0);

    // Each is mended by its command, and nobody has to tell the operator.
    world.config_map("missing", json!({ "ca.crt": world.ca.pem() })).await;
    for name in ["unlabelled", "of-another-role"] {
        world.patch_secret(name, json!({ "metadata": { "labels": { "apitoken.dev/role": "tls" } } })).await;
        world.ready(&format!("of-{name}")).await;
        world.tenants_provider_says(name, "True", "can be used").await;
    }
    // A deleted Secret is a missing one.
    world.secrets().delete("unlabelled", &DeleteParams::default()).await.expect("it is deleted");
    world.tenants_provider_says("unlabelled", "False", "there is no Secret \"unlabelled\"").await;
    world.until("of-unlabelled", "it is told", |token| message(token).contains("there is no Secret")).await;
}

#[tokio::test]
async fn a_reference_of_a_clustertokenprovider_lies_in_the_operators_namespace_and_nowhere_else() {
    let mut world = World::without_operator().await;
    let own = world.cluster.namespace("operators-own").await.expect("a namespace");
    let palette = palette(&world).await;
    // In the namespace of the ApiToken it does not count.
    world.config_map("corp-ca", json!({ "ca.crt": world.ca.pem() })).await;
    world.operator_namespace = Some(own.clone());
    world.start_operator().await;
    let provider = world.provider("common", spec(&palette, "ConfigMap", "corp-ca")).await;
    world.token("clusters", &provider, LOGIN).await;
    let token = world.not_ready("clusters", "ProviderInvalid").await;
    assert!(message(&token).contains(&format!("no ConfigMap \"corp-ca\" in namespace {own}")), "{}", message(&token));
    let mut there = world.config_maps().get("corp-ca").await.expect("the ConfigMap");
    there.metadata = serde_json::from_value(json!({ "name": there.name_any() })).expect("metadata");
    let api: Api<ConfigMap> = Api::namespaced(world.client.clone(), &own);
    api.create(&PostParams::default(), &there).await.expect("the ConfigMap is made");
    // No watch tells of it: an edit makes the operator look, or a minute.
    world.edit_provider(&provider, json!({ "spec": { "limits": { "burst": 7 } } })).await;
    world.ready("clusters").await;
}
