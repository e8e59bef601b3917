//! The chart, installed by helm on a control plane: once for the whole cluster, once for two namespaces.
//!
//! No node runs the Deployment. The operator is a process of the test, with the Deployment's variables and a token of
//! the chart's ServiceAccount.

use std::{fs, path::PathBuf, process::Stdio, time::Duration};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use testbed::{
    control_plane::{ControlPlane, Options},
    operator::{OperatorOptions, OperatorProcess},
    users::User,
};
use tokio::{io::AsyncWriteExt, sync::OnceCell};

use crate::helm::{self, NAMESPACE, RELEASE, chart};

/// Long enough for a loaded machine; nothing is asserted about it.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Namespaces that the second installation serves.
pub const SERVED: [&str; 2] = ["web", "shop"];

pub struct Installation {
    pub cluster: &'static ControlPlane,
    /// As the operator's ServiceAccount.
    pub kubeconfig: PathBuf,
    /// Its name, as the audit log has it.
    pub account: String,
    environment: Vec<(String, String)>,
}

impl Installation {
    /// The default, but for what the tests' vendors and users need.
    pub async fn in_cluster_mode() -> &'static Self {
        static INSTALLED: OnceCell<Installation> = OnceCell::const_new();
        let values = [
            "admissionPolicies.exemptUsers={backup}",
            "admissionPolicies.providers.allowedHosts={127.0.0.1,*.example.com}",
        ];
        INSTALLED.get_or_init(|| async { Self::on(ControlPlane::shared().await, &values).await }).await
    }

    /// Two namespaces, and no ClusterRole for the operator at all.
    pub async fn in_namespace_mode() -> &'static Self {
        static INSTALLED: OnceCell<Installation> = OnceCell::const_new();
        let values = ["namespaces={web,shop}", "clusterProviders=off"];
        let install = async || {
            let cluster = ControlPlane::start(Options::default()).await.unwrap();
            Self::on(Box::leak(Box::new(cluster)), &values).await
        };
        INSTALLED.get_or_init(install).await
    }

    /// A second release on the same control plane, for one more namespace; it reads ClusterTokenProviders.
    pub async fn of_neighbours() -> &'static Self {
        static INSTALLED: OnceCell<Installation> = OnceCell::const_new();
        let cluster = Self::in_namespace_mode().await.cluster;
        let install = async || {
            for namespace in ["neighbours", "media"] {
                namespace_exists(cluster, namespace).await;
            }
            let values = [
                "namespaces={media}",
                "crds.enabled=false",
                "fullnameOverride=neighbours",
                "rbac.clusterProviderSecrets={corp-client}",
            ];
            Self::release(cluster, "neighbours", "neighbours", &values).await
        };
        INSTALLED.get_or_init(install).await
    }

    async fn on(cluster: &'static ControlPlane, values: &[&str]) -> Self {
        for namespace in [NAMESPACE].iter().chain(&SERVED) {
            namespace_exists(cluster, namespace).await;
        }
        let installed = Self::release(cluster, RELEASE, NAMESPACE, values).await;
        // Established, and known to the garbage collector.
        cluster.crd(&chart().join("files/crds")).await.unwrap();
        installed
    }

    /// `name` is the release's and, by the values, that of its account.
    async fn release(
        cluster: &'static ControlPlane,
        name: &'static str,
        namespace: &'static str,
        values: &[&str],
    ) -> Self {
        let values = [values, &["allowProviderCidr={127.0.0.0/8}"]].concat();
        let chart = chart();
        let mut args = vec!["install", name, chart.to_str().unwrap(), "--namespace", namespace];
        args.extend(values.iter().flat_map(|value| ["--set", *value]));
        helm::helm(Some(cluster), &args).await.unwrap();
        args[0] = "template";
        let environment = helm::environment(&helm::parsed(&helm::helm(None, &args).await.unwrap()));
        let account = format!("system:serviceaccount:{namespace}:{name}");
        let kubeconfig = cluster.dir().join(format!("{name}-account.kubeconfig"));
        let installed = Self { cluster, kubeconfig, account, environment };
        installed.write_kubeconfig(name, namespace).await;
        installed
    }

    /// With a token of the chart's ServiceAccount.
    async fn write_kubeconfig(&self, name: &str, namespace: &str) {
        let args = ["create", "token", name, "--namespace", namespace];
        let token = self.kubectl(&User::Admin, &args, "").await.unwrap();
        let admin = fs::read_to_string(self.cluster.kubeconfig(&User::Admin).unwrap()).unwrap();
        let mut config: Value = serde_json::from_str(&admin).unwrap();
        config["users"][0]["user"] = json!({ "token": token.trim() });
        fs::write(&self.kubeconfig, config.to_string()).unwrap();
    }

    /// As the ServiceAccount of the operator.
    pub async fn client(&self) -> Client {
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig).unwrap();
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        config.default_retry = false;
        Client::try_from(config).unwrap()
    }

    /// Where it runs.
    pub fn own_namespace(&self) -> &str {
        self.account.split(':').nth(2).unwrap()
    }

    pub fn admin(&self) -> Client {
        self.cluster.client(&User::Admin).unwrap()
    }

    /// The operator as the Deployment would run it, ready.
    pub async fn operator(&self) -> OperatorProcess {
        let options = OperatorOptions {
            binary: env!("CARGO_BIN_EXE_apitoken-operator").into(),
            kubeconfig: self.kubeconfig.clone(),
            args: vec!["run".to_owned()],
            env: self.environment.clone(),
        };
        let operator = OperatorProcess::start(&options).unwrap();
        operator.ready(PATIENCE).await.unwrap();
        operator
    }

    /// What kubectl says as this user, or what it complains about.
    pub async fn kubectl(&self, user: &User, args: &[&str], input: &str) -> Result<String, String> {
        let mut command = self.cluster.kubectl(user).unwrap();
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It may refuse before it has read everything; what it says then matters more than the broken pipe.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes()).await;
        let output = child.wait_with_output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout) + &text(output.stderr)) } else { Err(text(output.stderr)) }
    }

    pub async fn apply(&self, object: &Value) {
        self.cluster.apply(&User::Admin, &object.to_string()).await.unwrap();
    }
}

async fn namespace_exists(cluster: &ControlPlane, name: &str) {
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    cluster.apply(&User::Admin, &namespace.to_string()).await.unwrap();
}
