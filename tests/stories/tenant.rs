//! A tenant with the sample rights: what he may not read, send anywhere or overwrite himself, he cannot get done by
//! the operator either.

use apitoken_operator::api::reasons;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use testbed::{
    eventually::await_until,
    users::User,
    vendors::{Palette, Trap},
};

use crate::world::{PATIENCE, World, ready};

struct Tenant {
    world: World,
    palette: Palette,
    provider: String,
    user: User,
}

impl Tenant {
    /// A world with a provider, credentials that may be used, a Secret that may not, and the tenant.
    async fn new() -> Self {
        let world = World::new().await;
        let palette = Palette::start(&world.ca).expect("Palette");
        palette.add_account("ops@example.com", "correct");
        let provider = world.preset("Palette", &palette.base_url()).await;
        let login = [("emailId", "ops@example.com"), ("password", "correct")];
        world.credentials("login", &login).await;
        world.secret("private", None, &login).await;
        let tenant = Self { user: User::Named(format!("{}-tenant", world.namespace)), provider, palette, world };
        tenant.bind().await;
        tenant
    }

    async fn bind(&self) {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": { "name": "tenant", "namespace": self.world.namespace },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "apitoken-tenant" },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": self.user.name() }],
        });
        self.world.cluster.apply(&User::Admin, &binding.to_string()).await.expect("the binding");
        // RBAC is heeded within a moment.
        await_until("the tenant has his rights", PATIENCE, async || self.apply("first", self.spec("login")).await)
            .await;
    }

    fn spec(&self, credentials: &str) -> Value {
        json!({ "providerRef": { "name": self.provider }, "credentialsRef": { "name": credentials } })
    }

    fn spec_with_output(&self, output: Value) -> Value {
        let mut spec = self.spec("login");
        spec["output"] = output;
        spec
    }

    async fn apply(&self, name: &str, spec: Value) -> Result<(), String> {
        self.apply_object("ApiToken", json!({ "name": name, "namespace": self.world.namespace }), spec).await
    }

    async fn apply_object(&self, kind: &str, metadata: Value, spec: Value) -> Result<(), String> {
        let object = json!({ "apiVersion": "apitoken.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec });
        let said = self.world.cluster.apply(&self.user, &object.to_string()).await;
        said.map(drop).map_err(|error| format!("{error:#}"))
    }

    async fn refused(&self, name: &str, spec: Value, why: &str) {
        let said = self.apply(name, spec).await.expect_err("the API server refuses it");
        assert!(said.contains(why), "{said}");
    }

    fn secrets(&self) -> Api<Secret> {
        let client = self.world.cluster.client(&self.user).expect("a client");
        Api::namespaced(client, &self.world.namespace)
    }

    async fn forbidden<T: std::fmt::Debug>(&self, what: impl Future<Output = kube::Result<T>>) {
        match what.await {
            Err(kube::Error::Api(status)) => assert!(status.is_forbidden(), "{status:?}"),
            other => panic!("not refused: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_secret_that_the_tenant_may_not_read_cannot_be_used_by_naming_it_as_credentials() {
    let tenant = Tenant::new().await;
    let world = &tenant.world;
    world.ready("first").await;
    let session = world.session_name("first").await;
    let logins = tenant.palette.logins().len();

    tenant.forbidden(tenant.secrets().get("private")).await;
    let label = Patch::Merge(json!({ "metadata": { "labels": { "apitoken.dev/role": "credentials" } } }));
    tenant.forbidden(tenant.secrets().patch("private", &PatchParams::default(), &label)).await;
    for (name, credentials) in [("thief", "private"), ("session-thief", session.as_str()), ("output-thief", "first")] {
        tenant.apply(name, tenant.spec(credentials)).await.expect("the API server knows nothing of it");
        let token = world.not_ready(name, reasons::CREDENTIALS_NOT_LABELLED).await;
        let message = &ready(&token).expect("a condition").message;
        assert!(message.contains(credentials) && !message.contains("correct"), "{message}");
        assert_eq!(world.all_data(name).await, None, "{name}");
    }
    assert_eq!(tenant.palette.logins().len(), logins, "nothing was sent");
    assert_eq!(tenant.palette.refreshes().len(), 0, "nothing was sent");
}

#[tokio::test]
async fn a_secret_in_another_namespace_cannot_be_named_at_all() {
    let tenant = Tenant::new().await;
    let other = World::without_operator().await;
    other.credentials("elsewhere", &[("emailId", "ops@example.com"), ("password", "correct")]).await;
    let mut spec = tenant.spec("elsewhere");
    spec["credentialsRef"]["namespace"] = json!(other.namespace);
    tenant.refused("reach", spec, "spec.credentialsRef.namespace").await;
    tenant.refused("reach", tenant.spec(&format!("{}/elsewhere", other.namespace)), "credentialsRef").await;
    tenant.refused("reach", tenant.spec("../elsewhere"), "credentialsRef").await;
    tenant.apply("reach", tenant.spec("elsewhere")).await.expect("a name like any other");
    tenant.world.not_ready("reach", reasons::CREDENTIALS_NOT_FOUND).await;
    let elsewhere = json!({ "name": "reach", "namespace": other.namespace });
    let said = tenant.apply_object("ApiToken", elsewhere, tenant.spec("elsewhere")).await.expect_err("no right there");
    assert!(said.to_lowercase().contains("forbidden"), "{said}");
}

#[tokio::test]
async fn a_tenant_has_no_place_to_write_a_url_of_his_own() {
    let tenant = Tenant::new().await;
    let trap = Trap::start(&tenant.world.ca).expect("a trap");
    let spec = json!({ "preset": "Palette", "url": trap.url(), "tls": { "caBundle": tenant.world.ca.pem() } });
    let namespaced = json!({ "name": "mine", "namespace": tenant.world.namespace });
    for (kind, metadata) in [
        ("TokenProvider", namespaced),
        ("ClusterTokenProvider", json!({ "name": "mine" })),
        ("ClusterTokenProvider", json!({ "name": tenant.provider })),
    ] {
        let said = tenant.apply_object(kind, metadata, spec.clone()).await.expect_err("no right on providers");
        assert!(said.to_lowercase().contains("forbidden"), "{said}");
    }
    for field in ["url", "http", "preset", "tls"] {
        let mut with_field = tenant.spec("login");
        with_field[field] = spec[field].clone();
        tenant.refused("mine", with_field, &format!("spec.{field}")).await;
    }
    let mut stretched = tenant.spec("login");
    stretched["parameters"] = json!({ "url": trap.url() });
    tenant.apply("stretched", stretched).await.expect("parameters are the provider's to declare");
    tenant.world.until("stretched", "it is refused", |token| ready(token).is_some_and(|it| it.status == "False")).await;
    assert_eq!((trap.arrivals(), trap.connections_accepted()), (Vec::new(), 0));
}

#[tokio::test]
async fn a_secret_that_the_tenant_may_not_write_is_not_written_for_him() {
    let tenant = Tenant::new().await;
    let world = &tenant.world;
    world.ready("first").await;
    let session = world.session_name("first").await;
    let logins = tenant.palette.logins().len();
    let mut before = Vec::new();
    for name in ["private", "first", "apitoken-operator-key"] {
        before.push(world.secrets().get(name).await.expect("there"));
        let output = json!({ "secretName": name, "data": { "password": "${accessToken}" } });
        tenant.apply(&format!("over-{name}"), tenant.spec_with_output(output)).await.expect("a name like any other");
        world.not_ready(&format!("over-{name}"), reasons::OUTPUT_CONFLICT).await;
    }
    for reserved in [session.as_str(), "login"] {
        let output = json!({ "secretName": reserved });
        tenant.refused("over", tenant.spec_with_output(output), "secretName").await;
    }
    tenant.refused(&session, tenant.spec("login"), "secretName").await;
    for before in before {
        let name = before.name_any();
        assert_eq!(world.secrets().get(&name).await.expect("there"), before, "{name} was touched");
    }
    assert_eq!(tenant.palette.logins().len(), logins, "no login is spent on a Secret that is not ours");
}

#[tokio::test]
async fn an_output_cannot_be_made_to_hold_credentials_or_the_refresh_token() {
    let tenant = Tenant::new().await;
    let names = ["credentials.password", "session.refreshToken", "session.accessToken", "apiToken.uid", "refreshToken"];
    for (number, name) in names.iter().enumerate() {
        let output = json!({ "data": { "x": format!("${{{name}}}") } });
        let object = format!("curious-{number}");
        tenant.apply(&object, tenant.spec_with_output(output)).await.expect("templates are judged by the operator");
        let token = tenant.world.not_ready(&object, reasons::PROVIDER_INVALID).await;
        let message = &ready(&token).expect("a condition").message;
        assert!(message.contains("output.data") && message.contains(name), "{message}");
        assert_eq!(tenant.world.all_data(&object).await, None);
    }
}

#[tokio::test]
async fn neither_the_session_nor_the_status_is_in_the_tenants_reach() {
    let tenant = Tenant::new().await;
    tenant.world.ready("first").await;
    let session = tenant.world.session_name("first").await;
    tenant.forbidden(tenant.secrets().get(&session)).await;
    tenant.forbidden(tenant.secrets().list(&Default::default())).await;
    tenant.forbidden(tenant.secrets().delete(&session, &Default::default())).await;
    let client = tenant.world.cluster.client(&tenant.user).expect("a client");
    let tokens: Api<apitoken_operator::api::ApiToken> = Api::namespaced(client, &tenant.world.namespace);
    let lie = Patch::Merge(json!({ "status": { "secretName": "private" } }));
    tenant.forbidden(tokens.patch_status("first", &PatchParams::default(), &lie)).await;
}
