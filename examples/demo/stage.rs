//! Everything that runs, and the one loop that watches it: while a chapter waits for something, the screen lives.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use apitoken_operator::api::ApiToken;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::ListParams};
use testbed::{
    control_plane::{ControlPlane, Options},
    operator::{OperatorOptions, OperatorProcess},
    users::User,
};
use tokio::{process::Command, task::JoinHandle};

use crate::{
    feed::Feed,
    panel,
    pod::Pod,
    product,
    promises::Promises,
    sample::{self, Sample},
    screen::{Screen, Tone},
    vendors::Vendors,
};

/// Of the loop; what is timed is right to about this much.
const BEAT: Duration = Duration::from_millis(100);
/// Between two calls of kubectl for the panel: each is a process of its own.
const TABLE_EVERY: Duration = Duration::from_secs(1);
/// Longer than any renewal here takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(90);
const OPERATOR_NAMESPACE: &str = "apitoken-system";

/// The running demo.
pub struct Stage<'s> {
    pub screen: &'s mut Screen,
    pub promises: Promises,
    pub pods: Vec<Pod>,
    /// As listed last.
    pub tokens: Vec<ApiToken>,
    pub vendors: Vendors,
    pub sample: Sample,
    feed: Feed,
    table: String,
    next_table: Option<JoinHandle<Result<String>>>,
    table_asked: Instant,
    operator: OperatorProcess,
    cluster: ControlPlane,
}

impl<'s> Stage<'s> {
    /// Builds what is to be built and starts it; nothing is applied but the CRDs and the operator's rights.
    ///
    /// # Errors
    /// Something cannot be built or started.
    pub async fn set(screen: &'s mut Screen) -> Result<Self> {
        let step = |screen: &mut Screen, text: &str| screen.line(&format!("   {text}"));
        step(screen, "cargo build --bin apitoken-operator")?;
        let binary = tokio::task::spawn_blocking(product::build).await??;
        step(screen, "etcd, kube-apiserver and kube-controller-manager")?;
        let cluster = ControlPlane::start(Options::default()).await?;
        step(screen, "the three kinds (crds/) and the operator's rights (examples/rbac.yaml)")?;
        install(&cluster).await?;
        let sample = Sample::read()?;
        let vendors = Vendors::start(&sample)?;
        step(screen, "apitoken-operator run")?;
        let operator = start_operator(binary, &cluster).await?;
        let histories = [
            ("palette", vendors.palette.record().clone()),
            ("tenovos", vendors.tenovos.record().clone()),
            ("virtana", vendors.virtana.record().clone()),
        ];
        Ok(Self {
            screen,
            promises: Promises::default(),
            pods: Vec::new(),
            tokens: Vec::new(),
            feed: Feed::new(histories),
            table: String::new(),
            next_table: None,
            table_asked: Instant::now(),
            vendors,
            sample,
            operator,
            cluster,
        })
    }

    pub fn secrets(&self) -> Result<Api<Secret>> {
        Ok(Api::default_namespaced(self.cluster.client(&User::Admin)?))
    }

    pub fn pod(&self, vendor: &str) -> Result<&Pod> {
        self.pods.iter().find(|pod| pod.vendor == vendor).with_context(|| format!("no pod uses {vendor} yet"))
    }

    pub fn token(&self, name: &str) -> Option<&ApiToken> {
        self.tokens.iter().find(|token| token.metadata.name.as_deref() == Some(name))
    }

    /// Applies the sample with kubectl, as anybody would.
    pub async fn apply_sample(&mut self) -> Result<()> {
        let command = format!("   $ kubectl apply --server-side -f {}", sample::FILE);
        self.screen.line(&self.screen.paint(Tone::Command, &command))?;
        let said = self.cluster.apply(&User::Admin, &self.sample.manifest()).await?;
        said.lines().try_for_each(|line| self.screen.line(&self.screen.paint(Tone::Faint, &format!("   {line}"))))?;
        Ok(())
    }

    /// Runs kubectl with these arguments, visibly.
    pub async fn kubectl(&mut self, arguments: &[&str]) -> Result<()> {
        let quoted: Vec<_> =
            arguments.iter().map(|a| if a.contains(['{', ' ']) { format!("'{a}'") } else { (*a).into() }).collect();
        self.screen.line(&self.screen.paint(Tone::Command, &format!("   $ kubectl {}", quoted.join(" "))))?;
        let mut kubectl = self.cluster.kubectl(&User::Admin)?;
        kubectl.args(arguments);
        let said = said(kubectl).await?;
        said.lines().try_for_each(|line| self.screen.line(&self.screen.paint(Tone::Faint, &format!("   {line}"))))?;
        Ok(())
    }

    /// Keeps the screen alive until `holds`.
    ///
    /// # Errors
    /// It does not hold in time, or the operator ended.
    pub async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) -> Result<Duration> {
        let since = Instant::now();
        loop {
            self.beat().await?;
            if holds(self) {
                return Ok(since.elapsed());
            }
            if since.elapsed() > PATIENCE {
                let logs = self.operator.logs();
                let tail = logs[logs.len().saturating_sub(10)..].join("\n");
                bail!("after {PATIENCE:?} there is still no {what}; the operator's log ends:\n{tail}");
            }
            tokio::time::sleep(BEAT).await;
        }
    }

    /// Keeps the screen alive for a while, for people to look at it.
    pub async fn linger(&mut self, seconds: u64) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < until {
            self.beat().await?;
            tokio::time::sleep(BEAT).await;
        }
        Ok(())
    }

    /// The table and the counters as they are now; they stay in the scrolled text.
    pub async fn show(&mut self) -> Result<()> {
        self.next_table = None;
        self.table = said(self.table_command()?).await?;
        self.refresh().await?;
        self.tell_news()?;
        let lines = panel::lines(self.screen, &self.table, &self.pods, &self.tokens);
        self.screen.panel(&lines)?;
        self.screen.release();
        Ok(())
    }

    async fn beat(&mut self) -> Result<()> {
        if let Some(status) = self.operator.ended() {
            bail!("the operator ended ({status}):\n{}", self.operator.logs().join("\n"));
        }
        self.refresh().await?;
        self.tell_news()?;
        if !self.screen.is_live() {
            return Ok(());
        }
        if self.next_table.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(table) = self.next_table.take()
        {
            self.table = table.await??;
        }
        if self.next_table.is_none() && (self.table.is_empty() || self.table_asked.elapsed() >= TABLE_EVERY) {
            self.table_asked = Instant::now();
            self.next_table = Some(tokio::spawn(said(self.table_command()?)));
        }
        let lines = panel::lines(self.screen, &self.table, &self.pods, &self.tokens);
        Ok(self.screen.panel(&lines)?)
    }

    async fn refresh(&mut self) -> Result<()> {
        let tokens: Api<ApiToken> = Api::default_namespaced(self.cluster.client(&User::Admin)?);
        self.tokens = tokens.list(&ListParams::default()).await?.items;
        Ok(())
    }

    fn tell_news(&mut self) -> Result<()> {
        let news = self.feed.news(self.screen);
        news.iter().try_for_each(|line| self.screen.line(line))?;
        Ok(())
    }

    fn table_command(&self) -> Result<Command> {
        let mut kubectl = self.cluster.kubectl(&User::Admin)?;
        kubectl.args(["get", "apitokens"]);
        Ok(kubectl)
    }

    /// Says how to look around, while everything stays up.
    pub fn invite(&mut self) -> Result<()> {
        let kubectl = self.cluster.kubectl(&User::Admin)?;
        let kubectl = kubectl.as_std();
        let words = [kubectl.get_program()].into_iter().chain(kubectl.get_args());
        let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
        let kubeconfig = self.cluster.kubeconfig(&User::Admin)?;
        let commands = [
            format!("export KUBECONFIG={}", kubeconfig.display()),
            format!("alias kubectl='{}'", words.join(" ")),
            "kubectl get apitokens -o wide --watch".to_owned(),
            format!("curl {}/metrics", self.operator.url()),
        ];
        self.screen.chapter("Yours", "Everything stays up. In another terminal:")?;
        for command in commands {
            self.screen.line(&self.screen.paint(Tone::Command, &format!("   {command}")))?;
        }
        Ok(self.screen.line("\n   Ctrl-C ends it and leaves nothing behind.")?)
    }

    /// Ends the operator as the kubelet would; the rest goes with the stage.
    pub async fn strike(self) -> Result<()> {
        self.screen.release();
        let status = self.operator.terminate().await?;
        ensure!(status.success(), "told to end, the operator ended with {status}");
        Ok(())
    }
}

async fn install(cluster: &ControlPlane) -> Result<()> {
    let repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    cluster.crd(&repository.join("crds")).await?;
    let rights = std::fs::read_to_string(repository.join("examples/rbac.yaml")).context("examples/rbac.yaml")?;
    cluster.apply(&User::Admin, &rights).await?;
    cluster.bind(&User::Operator, "apitoken-operator").await?;
    let namespace = format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {OPERATOR_NAMESPACE}}}}}");
    cluster.apply(&User::Admin, &namespace).await?;
    Ok(())
}

async fn start_operator(binary: std::path::PathBuf, cluster: &ControlPlane) -> Result<OperatorProcess> {
    // The vendors are on loopback, where an operator sends nothing by default.
    let args = ["run", "--operator-namespace", OPERATOR_NAMESPACE, "--allow-provider-cidr", "127.0.0.0/8"];
    let operator = OperatorProcess::start(&OperatorOptions {
        binary,
        kubeconfig: cluster.kubeconfig(&User::Operator)?,
        args: args.map(String::from).into(),
        env: Vec::new(),
    })?;
    operator.ready(PATIENCE).await?;
    Ok(operator)
}

/// What kubectl prints, or an error in its own words.
async fn said(mut kubectl: Command) -> Result<String> {
    let output = kubectl.output().await.context("cannot start kubectl")?;
    ensure!(output.status.success(), "kubectl: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
