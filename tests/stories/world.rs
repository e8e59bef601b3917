//! The world of one story: a namespace of its own on the shared control plane, an operator that serves only that
//! namespace, and what a person would do with kubectl.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use apitoken_operator::api::{ApiToken, ClusterTokenProvider, status::READY};
use k8s_openapi::{
    ByteString,
    api::{core::v1::Secret, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use testbed::{
    ca::TestCa,
    control_plane::{ControlPlane, Options},
    eventually::await_until,
    operator::{OperatorOptions, OperatorProcess},
    users::User,
};
use tokio::sync::OnceCell;

/// Long enough for a loaded machine; nothing is asserted about it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// CRDs and rights are installed once for all stories of a run.
static INSTALLED: OnceCell<()> = OnceCell::const_new();

pub struct World {
    pub cluster: &'static ControlPlane,
    pub client: Client,
    /// The namespace of the story; also the operator's own, unless a story gives it another.
    pub namespace: String,
    pub operator_namespace: Option<String>,
    pub ca: TestCa,
    /// Namespaces that the operator serves: its own, and those that a story adds.
    pub namespaces: Vec<String>,
    /// The way to the API server.
    pub kubeconfig: PathBuf,
    /// Further flags of the operator.
    pub flags: Vec<String>,
    pub env: Vec<(String, String)>,
    /// The program; as it is built for tests, unless a story measures another.
    pub binary: PathBuf,
    operator: Option<OperatorProcess>,
}

impl World {
    /// A namespace and no operator yet.
    pub async fn without_operator() -> Self {
        let cluster = ControlPlane::shared().await;
        INSTALLED.get_or_init(|| install(cluster)).await;
        Self::on(cluster).await
    }

    /// A namespace on a control plane that the story has for itself, and no operator yet.
    pub async fn apart(options: Options) -> Self {
        let cluster = ControlPlane::start(options).await.expect("a control plane");
        let cluster = Box::leak(Box::new(cluster));
        install(cluster).await;
        Self::on(cluster).await
    }

    async fn on(cluster: &'static ControlPlane) -> Self {
        let client = cluster.client(&User::Admin).expect("a client");
        let namespace = cluster.namespace("story").await.expect("a namespace");
        Self {
            cluster,
            client,
            namespaces: vec![namespace.clone()],
            namespace,
            operator_namespace: None,
            ca: TestCa::new().expect("a CA"),
            kubeconfig: cluster.kubeconfig(&User::Operator).expect("a kubeconfig"),
            flags: Vec::new(),
            env: Vec::new(),
            binary: operator_binary(),
            operator: None,
        }
    }

    /// A namespace with an operator that is ready.
    pub async fn new() -> Self {
        let mut world = Self::without_operator().await;
        world.start_operator().await;
        world
    }

    pub async fn start_operator(&mut self) {
        let operator = OperatorProcess::start(&self.operator_options()).expect("the operator starts");
        operator.ready(PATIENCE).await.expect("the operator becomes ready");
        self.operator = Some(operator);
    }

    pub fn operator_options(&self) -> OperatorOptions {
        let mut args: Vec<String> =
            ["run", "--allow-provider-cidr", "127.0.0.0/8", "--log-level", "trace"].map(String::from).into();
        let namespaces = self.namespaces.join(",");
        let own = self.operator_namespace.as_ref().unwrap_or(&self.namespace);
        args.extend(["--namespaces", &namespaces, "--operator-namespace", own].map(String::from));
        args.extend(self.flags.iter().cloned());
        let (binary, kubeconfig, env) = (self.binary.clone(), self.kubeconfig.clone(), self.env.clone());
        OperatorOptions { binary, kubeconfig, args, env }
    }

    pub fn operator(&self) -> &OperatorProcess {
        self.operator.as_ref().expect("an operator was started")
    }

    /// Ends the operator as the kubelet does, and waits.
    pub async fn stop_operator(&mut self) {
        if let Some(operator) = self.operator.take() {
            operator.terminate().await.expect("the operator ends when it is told to");
        }
    }

    /// Ends the operator as a crash does.
    pub fn kill_operator(&mut self) {
        if let Some(operator) = self.operator.take() {
            operator.kill9();
        }
    }

    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn tokens(&self) -> Api<ApiToken> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// A credentials Secret with the label of consent.
    pub async fn credentials(&self, name: &str, data: &[(&str, &str)]) {
        self.secret(name, Some("credentials"), data).await;
    }

    pub async fn secret(&self, name: &str, role: Option<&str>, data: &[(&str, &str)]) {
        let data: BTreeMap<_, _> = data.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let labels = role.map_or_else(|| json!({}), |role| json!({ "apitoken.dev/role": role }));
        let secret = json!({ "metadata": { "name": name, "labels": labels }, "stringData": data });
        let secret = serde_json::from_value(secret).expect("a Secret");
        self.secrets().create(&PostParams::default(), &secret).await.expect("the Secret is made");
    }

    /// Replaces single values of a Secret, as `kubectl edit` would.
    pub async fn edit_secret(&self, name: &str, data: &[(&str, &str)]) {
        let data: BTreeMap<_, _> =
            data.iter().map(|(key, value)| (key.to_string(), ByteString(value.as_bytes().to_vec()))).collect();
        let patch = Patch::Merge(json!({ "data": data }));
        self.secrets().patch(name, &PatchParams::default(), &patch).await.expect("the Secret is edited");
    }

    /// A ClusterTokenProvider of this story: its name is unique in the cluster. Returns the name.
    pub async fn provider(&self, name: &str, spec: Value) -> String {
        let name = format!("{name}-{}", self.namespace);
        let object = json!({ "metadata": { "name": name }, "spec": spec });
        let object: ClusterTokenProvider = serde_json::from_value(object).expect("a ClusterTokenProvider");
        let api: Api<ClusterTokenProvider> = Api::all(self.client.clone());
        api.create(&PostParams::default(), &object).await.expect("the provider is made");
        name
    }

    /// A ClusterTokenProvider with a preset, at a vendor's fake.
    pub async fn preset(&self, preset: &str, url: &str) -> String {
        let spec = json!({ "preset": preset, "url": url, "tls": { "caBundle": self.ca.pem() } });
        self.provider(&preset.to_lowercase(), spec).await
    }

    /// An ApiToken of a ClusterTokenProvider; its output has its name.
    pub async fn token(&self, name: &str, provider: &str, credentials: &str) -> ApiToken {
        let spec = json!({ "providerRef": { "name": provider }, "credentialsRef": { "name": credentials } });
        self.token_with(name, spec).await
    }

    pub async fn token_with(&self, name: &str, spec: Value) -> ApiToken {
        let token = json!({ "apiVersion": "apitoken.dev/v1alpha1", "kind": "ApiToken", "metadata": { "name": name }, "spec": spec });
        let token = serde_json::from_value(token).expect("an ApiToken");
        self.tokens().create(&PostParams::default(), &token).await.expect("the ApiToken is made")
    }

    pub async fn edit_token(&self, name: &str, patch: Value) -> ApiToken {
        let patch = Patch::Merge(patch);
        self.tokens().patch(name, &PatchParams::default(), &patch).await.expect("the ApiToken is edited")
    }

    /// The text of one key of a Secret.
    pub async fn data(&self, secret: &str, key: &str) -> String {
        self.all_data(secret).await.expect("the Secret is there")[key].clone()
    }

    pub async fn all_data(&self, secret: &str) -> Option<BTreeMap<String, String>> {
        let secret = self.secrets().get_opt(secret).await.expect("the API server answers")?;
        let text = |bytes: ByteString| String::from_utf8(bytes.0).expect("text");
        Some(secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, text(value))).collect())
    }

    pub async fn get(&self, name: &str) -> ApiToken {
        self.tokens().get(name).await.expect("the ApiToken is there")
    }

    /// Waits until Ready is True for the current generation.
    pub async fn ready(&self, name: &str) -> ApiToken {
        self.until(name, "Ready=True", |token| ready(token).is_some_and(|condition| condition.status == "True")).await
    }

    /// Waits until Ready is False, or Unknown, for this reason.
    pub async fn not_ready(&self, name: &str, reason: &str) -> ApiToken {
        self.until(name, &format!("Ready is not True, reason {reason}"), |token| {
            ready(token).is_some_and(|condition| condition.status != "True" && condition.reason == reason)
        })
        .await
    }

    /// Waits until an ApiToken that was seen in its current generation is as it should be.
    pub async fn until(&self, name: &str, what: &str, holds: impl Fn(&ApiToken) -> bool) -> ApiToken {
        let api = self.tokens();
        await_until(&format!("{}/{name}: {what}", self.namespace), PATIENCE, async || {
            let token = api.get(name).await.map_err(|error| error.to_string())?;
            let seen = token.status.as_ref().and_then(|status| status.observed_generation);
            let told = ready(&token).map(|c| format!("{}/{}: {}", c.status, c.reason, c.message));
            let told = told.unwrap_or_default();
            if seen == token.metadata.generation && holds(&token) { Ok(token) } else { Err(told) }
        })
        .await
    }

    /// Reasons of the Events about an ApiToken, in no order.
    pub async fn events(&self, name: &str) -> Vec<String> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let all = api.list(&ListParams::default()).await.expect("events are listed");
        let about = |event: &Event| event.regarding.as_ref().and_then(|about| about.name.as_deref()) == Some(name);
        all.items.into_iter().filter(about).filter_map(|event| event.reason).collect()
    }

    /// The session Secret's name.
    pub async fn session_name(&self, token: &str) -> String {
        format!("apitoken-session-{}", self.get(token).await.uid().expect("a uid"))
    }
}

/// The Ready condition.
pub fn ready(token: &ApiToken) -> Option<&Condition> {
    condition(token, READY)
}

pub fn condition<'a>(token: &'a ApiToken, kind: &str) -> Option<&'a Condition> {
    token.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == kind)
}

pub fn operator_binary() -> PathBuf {
    env!("CARGO_BIN_EXE_apitoken-operator").into()
}

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

async fn install(cluster: &ControlPlane) {
    cluster.crd(&repository().join("crds")).await.expect("the CRDs are installed");
    let rbac = std::fs::read_to_string(repository().join("examples/rbac.yaml")).expect("the sample RBAC");
    cluster.apply(&User::Admin, &rbac).await.expect("the sample RBAC is applied");
    cluster.bind(&User::Operator, "apitoken-operator").await.expect("the operator gets its rights");
}
