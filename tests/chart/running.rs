//! The operator at work with the rights that the chart gives it, under the chart's admission policies, on an API server
//! with OwnerReferencesPermissionEnforcement.

use apitoken_operator::api::{ApiToken, ClusterTokenProvider};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use testbed::{
    audit::Mark,
    ca::TestCa,
    eventually::await_until,
    vendors::{OAuth, Palette},
};

use crate::{
    helm,
    installation::{Installation, PATIENCE},
};

struct Scene {
    installed: &'static Installation,
    palette: Palette,
    ca: TestCa,
    namespace: String,
    begun: Mark,
}

impl Scene {
    async fn in_namespace(installed: &'static Installation, namespace: &str) -> Self {
        let ca = TestCa::new().unwrap();
        let palette = Palette::start(&ca).unwrap();
        palette.add_account("ops@example.com", "correct");
        let begun = installed.cluster.audit().mark().unwrap();
        let scene = Self { installed, palette, ca, namespace: namespace.to_owned(), begun };
        let labels = json!({ "apitoken.dev/role": "credentials" });
        let login = json!({ "emailId": "ops@example.com", "password": "correct" });
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": scene.metadata("login", &labels), "stringData": login });
        installed.apply(&secret).await;
        scene
    }

    fn metadata(&self, name: &str, labels: &Value) -> Value {
        json!({ "name": name, "namespace": self.namespace, "labels": labels })
    }

    /// Its authority lies in a ConfigMap: beside it, or in the operator's own namespace.
    async fn provider(&self, kind: &str) {
        let own = kind == "TokenProvider";
        let (name, namespace) =
            (self.provider_name(), if own { &*self.namespace } else { self.installed.own_namespace() });
        let metadata = json!({ "name": name, "namespace": namespace });
        let bundle = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
            "data": { "ca.crt": self.ca.pem() } });
        self.installed.apply(&bundle).await;
        let tls = json!({ "caBundleRef": { "kind": "ConfigMap", "name": name, "key": "ca.crt" } });
        self.provider_with(kind, &name, tls).await;
    }

    async fn provider_with(&self, kind: &str, name: &str, tls: Value) {
        let spec = json!({ "preset": "Palette", "url": self.palette.base_url(), "tls": tls });
        let mut metadata = self.metadata(name, &json!({}));
        if kind == "ClusterTokenProvider" {
            metadata.as_object_mut().unwrap().remove("namespace");
        }
        let provider =
            json!({ "apiVersion": "apitoken.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec });
        self.installed.apply(&provider).await;
    }

    /// One's own, for providers of the cluster too.
    fn provider_name(&self) -> String {
        format!("palette-of-{}", self.namespace)
    }

    async fn token(&self, name: &str, provider: Value) {
        let spec = json!({ "providerRef": provider, "credentialsRef": { "name": "login" } });
        let metadata = self.metadata(name, &json!({}));
        let token =
            json!({ "apiVersion": "apitoken.dev/v1alpha1", "kind": "ApiToken", "metadata": metadata, "spec": spec });
        self.installed.apply(&token).await;
    }

    fn tokens(&self) -> Api<ApiToken> {
        Api::namespaced(self.installed.admin(), &self.namespace)
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.installed.admin(), &self.namespace)
    }

    /// Waits until Ready is `True`, or not and for the reason, and the output has the name.
    async fn says(&self, name: &str, wanted: &str) {
        let tokens = self.tokens();
        await_until(&format!("{name}: {wanted}"), PATIENCE, async || {
            let token = tokens.get(name).await.map_err(|error| error.to_string())?;
            let ready =
                token.status.as_ref().and_then(|status| status.conditions.iter().find(|it| it.type_ == "Ready"));
            let said = ready.map(|ready| format!("{} {}: {}", ready.status, ready.reason, ready.message));
            let said = said.unwrap_or_default();
            let seen = token.status.and_then(|status| status.observed_generation) == token.metadata.generation;
            if seen && said.starts_with(wanted) { Ok(()) } else { Err(said) }
        })
        .await;
    }

    async fn gone(&self, secret: &str) {
        let secrets = self.secrets();
        await_until(&format!("Secret {secret} is gone"), PATIENCE, async || {
            let found = secrets.get_opt(secret).await.map_err(|error| error.to_string())?;
            if found.is_some() { Err("it is there".to_owned()) } else { Ok(()) }
        })
        .await;
    }

    /// What the operator was not allowed, by RBAC or admission.
    fn refused(&self) -> Vec<String> {
        let events = self.installed.cluster.audit().since(&self.begun).unwrap();
        let events = events.iter().filter(|event| event.user == self.installed.account);
        // A policy answers 422. So does a Lease that is sent only to learn of the right to it.
        let refused = events.filter(|event| match event.code {
            401 | 403 => true,
            code => code == 422 && event.resource == "secrets",
        });
        refused.map(|event| format!("{} {} {} {}", event.code, event.verb, event.resource, event.uri)).collect()
    }

    async fn reads_no_secret_of_the_operators_namespace_that_the_values_do_not_list(&self) {
        let (chain, key) = self.ca.issue_client("neighbour").unwrap().to_pem();
        for name in ["corp-client", "another"] {
            let labels = json!({ "apitoken.dev/role": "tls" });
            let metadata = json!({ "name": name, "namespace": self.installed.own_namespace(), "labels": labels });
            let data = json!({ "tls.crt": chain, "tls.key": key });
            let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data });
            self.installed.apply(&secret).await;
        }
        let tls = |name: &str| json!({ "caBundle": self.ca.pem(), "clientCertificateRef": { "name": name } });
        self.provider_with("ClusterTokenProvider", "mutual", tls("another")).await;
        self.token("mutual", json!({ "name": "mutual" })).await;
        let refused = "False ProviderInvalid: ClusterTokenProvider \"mutual\" is not valid: \
                       spec.tls.clientCertificateRef: cannot get secrets neighbours/another: the API server answered 403";
        self.says("mutual", refused).await;
        self.provider_with("ClusterTokenProvider", "mutual", tls("corp-client")).await;
        self.says("mutual", "True Issued").await;
    }

    /// All that the operator does with Secrets in the life of an ApiToken.
    async fn life_of(&self, name: &str, provider: Value) {
        self.token(name, provider).await;
        self.says(name, "True Issued").await;
        let unlabelled = Patch::Merge(json!({ "metadata": { "labels": { "apitoken.dev/role": null } } }));
        self.secrets().patch(name, &PatchParams::default(), &unlabelled).await.unwrap();
        let edited = Patch::Merge(json!({ "stringData": { "token": "edited" } }));
        self.secrets().patch(name, &PatchParams::default(), &edited).await.unwrap();
        let secrets = self.secrets();
        await_until("the output is put right", PATIENCE, async || {
            let output = secrets.get(name).await.map_err(|error| error.to_string())?;
            let label = output.metadata.labels.unwrap_or_default().contains_key("apitoken.dev/role");
            let data = output.data.unwrap_or_default();
            let edited = data.get("token").is_none_or(|bytes| bytes.0 == b"edited");
            if label && !edited { Ok(()) } else { Err(format!("labelled {label}, edited {edited}")) }
        })
        .await;
        let renamed = Patch::Merge(json!({ "spec": { "output": { "secretName": format!("{name}-renamed") } } }));
        self.tokens().patch(name, &PatchParams::default(), &renamed).await.unwrap();
        self.gone(name).await;
        self.says(name, "True Issued").await;
        let uid = self.tokens().get(name).await.unwrap().metadata.uid.unwrap();
        self.tokens().delete(name, &DeleteParams::default()).await.unwrap();
        self.gone(&format!("{name}-renamed")).await;
        self.gone(&format!("apitoken-session-{uid}")).await;
    }
}

#[tokio::test]
async fn in_cluster_mode_the_operator_does_all_its_work_and_is_refused_nothing() {
    let installed = Installation::in_cluster_mode().await;
    let scene = Scene::in_namespace(installed, &installed.cluster.namespace("running").await.unwrap()).await;
    scene.provider("ClusterTokenProvider").await;
    let operator = installed.operator().await;
    scene.life_of("clusters", json!({ "name": scene.provider_name() })).await;
    operator.terminate().await.unwrap();
    assert_eq!(scene.refused(), Vec::<String>::new());
    assert_eq!(scene.palette.logins().len(), 1);
}

#[tokio::test]
async fn credentials_keep_the_session_that_begins_with_a_consent_and_the_operator_is_refused_nothing() {
    let installed = Installation::in_cluster_mode().await;
    let scene = Scene::in_namespace(installed, &installed.cluster.namespace("consent").await.unwrap()).await;
    let idp = OAuth::start(&scene.ca).unwrap();
    idp.add_account("client", "secret");
    let labels = json!({ "apitoken.dev/role": "credentials" });
    let login = json!({ "clientId": "client", "clientSecret": "secret", "refreshToken": idp.consent("client") });
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": scene.metadata("login", &labels), "stringData": login });
    installed.apply(&secret).await;
    let oauth2 = json!({ "tokenURL": idp.token_url(), "grant": "RefreshToken" });
    let spec = json!({ "oauth2": oauth2, "tls": { "caBundle": scene.ca.pem() } });
    let provider = json!({ "apiVersion": "apitoken.dev/v1alpha1", "kind": "ClusterTokenProvider", "metadata": { "name": "consented" }, "spec": spec });
    installed.apply(&provider).await;
    let operator = installed.operator().await;
    scene.token("first", json!({ "name": "consented" })).await;
    scene.says("first", "True Issued").await;
    scene.tokens().delete("first", &DeleteParams::default()).await.unwrap();
    scene.gone("first").await;
    // Another one takes the session over, which is a write to it.
    scene.token("second", json!({ "name": "consented" })).await;
    scene.says("second", "True Issued").await;
    let credentials = scene.secrets().get("login").await.unwrap().metadata.uid.unwrap();
    scene.secrets().delete("login", &DeleteParams::default()).await.unwrap();
    scene.gone(&format!("apitoken-session-{credentials}")).await;
    operator.terminate().await.unwrap();
    assert_eq!(scene.refused(), Vec::<String>::new());
    assert_eq!(idp.refreshes().len(), 1);
}

#[tokio::test]
async fn in_namespace_mode_it_does_the_same_with_no_right_outside_and_says_what_it_does_not_serve() {
    let installed = Installation::in_namespace_mode().await;
    let scene = Scene::in_namespace(installed, "shop").await;
    scene.provider("TokenProvider").await;
    // A provider of the cluster would be served from elsewhere.
    scene.provider("ClusterTokenProvider").await;
    let operator = installed.operator().await;
    scene.token("other", json!({ "name": scene.provider_name() })).await;
    scene.says("other", "False ProviderNotAllowed: ClusterTokenProviders are switched off here").await;
    scene.life_of("clusters", json!({ "kind": "TokenProvider", "name": scene.provider_name() })).await;
    operator.terminate().await.unwrap();
    assert_eq!(scene.refused(), Vec::<String>::new());
    assert_eq!(scene.palette.logins().len(), 1);
}

#[tokio::test]
async fn a_second_release_serves_other_namespaces_and_only_reads_the_providers_of_the_cluster() {
    let neighbours = Installation::of_neighbours().await;
    let scene = Scene::in_namespace(neighbours, "media").await;
    scene.provider("ClusterTokenProvider").await;
    let operator = neighbours.operator().await;
    scene.life_of("clusters", json!({ "name": scene.provider_name() })).await;
    assert_eq!(scene.refused(), Vec::<String>::new());
    scene.reads_no_secret_of_the_operators_namespace_that_the_values_do_not_list().await;
    operator.terminate().await.unwrap();
    let providers: Api<ClusterTokenProvider> = Api::all(neighbours.admin());
    let provider = providers.get(&scene.provider_name()).await.unwrap();
    assert!(provider.status.is_none_or(|status| status.conditions.is_empty()), "it has no right to write this");
}

#[tokio::test]
async fn the_pod_of_helm_test_finds_a_ready_operator_and_says_so_of_no_other() {
    let installed = Installation::in_cluster_mode().await;
    let objects = helm::objects(&[]).await;
    let args = &helm::of_kind(&objects, "Pod")[0]["spec"]["containers"][0]["args"];
    assert_eq!(*args, json!(["ready", "http://apitoken-operator.apitoken-system.svc:8080/readyz"]));
    let ask = async |url: String| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_apitoken-operator"));
        command.args(["ready", &url, "--timeout", "0"]).output().await.unwrap()
    };
    let operator = installed.operator().await;
    let answer = ask(format!("{}/readyz", operator.url())).await;
    assert!(answer.status.success(), "{answer:?}");
    let answer = ask(format!("{}/nowhere", operator.url())).await;
    assert_eq!(answer.status.code(), Some(1), "{answer:?}");
    let url = format!("{}/readyz", operator.url());
    operator.terminate().await.unwrap();
    let answer = ask(url).await;
    assert_eq!(answer.status.code(), Some(1), "{answer:?}");
    assert!(String::from_utf8(answer.stderr).unwrap().contains("refused"));
}
