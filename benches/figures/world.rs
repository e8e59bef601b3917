//! One measurement's world: a control plane, the vendor, namespaces with credentials, and the operator beside them.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use apitoken_operator::api::{ApiToken, ClusterTokenProvider};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
    core::PartialObjectMeta,
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};
use testbed::{
    audit::{AuditEvent, Mark},
    ca::TestCa,
    control_plane::{ControlPlane, Options},
    operator::{OperatorOptions, OperatorProcess},
    users::User,
    vendors::Tenovos,
};

/// Long enough for a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(300);
/// How many requests the preparing client has in flight.
const AT_ONCE: usize = 32;
const PROVIDER: &str = "tenovos";

pub struct World {
    pub cluster: ControlPlane,
    pub client: Client,
    pub vendor: Tenovos,
    ca: TestCa,
    binary: PathBuf,
    home: String,
    flags: Vec<String>,
    operator: Option<OperatorProcess>,
}

/// An ApiToken to be: where, and with which credentials Secret.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub namespace: String,
    pub name: String,
    pub credentials: String,
}

impl World {
    /// With a provider of these `limits`, and no operator yet. The vendor answers at once, with tokens for a day.
    pub async fn start(binary: &Path, limits: Value) -> Result<Self> {
        let cluster = ControlPlane::start(Options::default()).await?;
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        cluster.crd(&repository.join("crds")).await?;
        let rbac = std::fs::read_to_string(repository.join("examples/rbac.yaml"))?;
        cluster.apply(&User::Admin, &rbac).await?;
        cluster.bind(&User::Operator, "apitoken-operator").await?;
        let client = cluster.client(&User::Admin)?;
        let home = cluster.namespace("operator").await?;
        let ca = TestCa::new()?;
        let vendor = Tenovos::start(&ca)?;
        vendor.script(|script| script.lifetime = Duration::from_secs(24 * 3600));
        let world =
            Self { cluster, client, vendor, ca, binary: binary.into(), home, flags: Vec::new(), operator: None };
        world.provider(limits).await?;
        Ok(world)
    }

    /// Further flags of the operator.
    pub fn flags(&mut self, flags: &[&str]) {
        self.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
    }

    /// Starts the operator and waits until it is ready.
    pub async fn start_operator(&mut self) -> Result<()> {
        let mut args = ["run", "--allow-provider-cidr", "127.0.0.0/8", "--operator-namespace", &self.home]
            .map(String::from)
            .to_vec();
        args.extend(self.flags.iter().cloned());
        let kubeconfig = self.cluster.kubeconfig(&User::Operator)?;
        let operator = OperatorProcess::start(&OperatorOptions {
            binary: self.binary.clone(),
            kubeconfig,
            args,
            env: Vec::new(),
        })?;
        operator.ready(PATIENCE).await?;
        self.operator = Some(operator);
        Ok(())
    }

    pub async fn stop_operator(&mut self) -> Result<()> {
        if let Some(operator) = self.operator.take() {
            operator.terminate().await?;
        }
        Ok(())
    }

    pub fn operator(&self) -> Result<&OperatorProcess> {
        self.operator.as_ref().context("no operator was started")
    }

    async fn provider(&self, limits: Value) -> Result<()> {
        let spec = json!({ "preset": "Tenovos", "url": self.vendor.base_url(), "tls": { "caBundle": self.ca.pem() }, "limits": limits });
        let provider = json!({ "metadata": { "name": PROVIDER }, "spec": spec });
        let api: Api<ClusterTokenProvider> = Api::all(self.client.clone());
        api.create(&PostParams::default(), &serde_json::from_value(provider)?).await?;
        Ok(())
    }

    /// Namespaces with credentials, an account for each, and for each credentials Secret so many ApiTokens to be.
    pub async fn prepare(&self, namespaces: usize, secrets: usize, tokens: usize) -> Result<Vec<Wanted>> {
        let mut wanted = Vec::new();
        for _ in 0..namespaces {
            let namespace = self.cluster.namespace("team").await?;
            let made = stream::iter(0..secrets).map(|number| self.credentials(&namespace, number));
            let names: Vec<String> = made.buffer_unordered(AT_ONCE).try_collect().await?;
            wanted.extend(names.into_iter().flat_map(|credentials| {
                let namespace = namespace.clone();
                (0..tokens).map(move |number| Wanted {
                    namespace: namespace.clone(),
                    name: format!("token-{credentials}-{number}"),
                    credentials: credentials.clone(),
                })
            }));
        }
        Ok(wanted)
    }

    async fn credentials(&self, namespace: &str, number: usize) -> Result<String> {
        let (name, account) = (format!("login-{number}"), format!("{namespace}-{number}"));
        let key = format!("key of {account}");
        self.vendor.add_account(&account, "correct", &key);
        let secret = json!({
            "metadata": { "name": name, "labels": { "apitoken.dev/role": "credentials" } },
            "stringData": { "username": account, "password": "correct", "apiKey": key },
        });
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        api.create(&PostParams::default(), &serde_json::from_value(secret)?).await?;
        Ok(name)
    }

    pub async fn create(&self, wanted: &Wanted) -> Result<()> {
        let token = json!({
            "apiVersion": "apitoken.dev/v1alpha1", "kind": "ApiToken", "metadata": { "name": wanted.name },
            "spec": { "providerRef": { "name": PROVIDER }, "credentialsRef": { "name": wanted.credentials } },
        });
        let api: Api<ApiToken> = Api::namespaced(self.client.clone(), &wanted.namespace);
        api.create(&PostParams::default(), &serde_json::from_value(token)?).await?;
        Ok(())
    }

    /// Creates them all as fast as the API server takes them.
    pub async fn create_all(&self, wanted: &[Wanted]) -> Result<()> {
        stream::iter(wanted).map(|one| self.create(one)).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
        Ok(())
    }

    /// Waits, by a watch, until there are so many outputs in the cluster.
    pub async fn outputs(&self, count: usize) -> Result<()> {
        let outputs: Api<PartialObjectMeta<Secret>> = Api::all(self.client.clone());
        let config = watcher::Config::default().labels("apitoken.dev/role=output");
        let mut seen = HashSet::new();
        let counting = async {
            let mut stream = Box::pin(watcher(outputs, config).default_backoff().applied_objects());
            while seen.len() < count {
                let Some(secret) = stream.try_next().await? else { bail!("the watch ended") };
                seen.insert((secret.metadata.namespace, secret.metadata.name));
            }
            Ok(())
        };
        match tokio::time::timeout(PATIENCE, counting).await {
            Ok(done) => done,
            Err(_) => bail!("after {PATIENCE:?} there are {} of {count} outputs", seen.len()),
        }
    }

    /// Proves that every output holds what the vendor gave. Costs a list of all of them.
    pub async fn prove(&self, namespace: &str) -> Result<()> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        for output in api.list(&ListParams::default().labels("apitoken.dev/role=output")).await? {
            let token =
                output.data.as_ref().and_then(|data| data.get("accessToken")).context("an output without a token")?;
            self.vendor.token(std::str::from_utf8(&token.0)?).context("an output whose token the vendor never gave")?;
        }
        Ok(())
    }

    /// What the operator has asked of the API server since the mark.
    pub fn asked(&self, since: Mark) -> Result<Vec<AuditEvent>> {
        let mut events = self.cluster.audit().since(&since)?;
        events.retain(|event| event.user == User::Operator.name());
        Ok(events)
    }
}
