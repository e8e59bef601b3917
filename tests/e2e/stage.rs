//! The node that all stories share, with what a person has at hand there: kubectl, helm, and an HTTP client.

use std::{
    fmt::Write,
    path::Path,
    pin::Pin,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use kube::Client;
use testbed::{
    ca::TestCa,
    control_plane::{ControlPlane, Options},
    node::Node,
    users::User,
};
use tokio::{io::AsyncWriteExt, process::Command, sync::OnceCell};

use crate::{figures::Figures, images, programs::Programs};

/// Long enough for a loaded machine; nothing is asserted about it.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What tells a story.
pub type Tell = for<'s> fn(&'s Stage) -> Pin<Box<dyn Future<Output = Result<()>> + 's>>;

/// The stage, set for the story that comes first.
#[derive(Default)]
pub struct Theatre {
    stage: OnceCell<Result<Stage, String>>,
    /// How long each story took.
    told: Figures,
}

pub struct Stage {
    pub node: Node,
    pub client: Client,
    pub authority: TestCa,
    pub figures: Figures,
    http: reqwest::Client,
    programs: Programs,
}

impl Theatre {
    /// The stage; what has failed once is not tried again.
    async fn stage(&self) -> Result<&Stage> {
        let stage = self.stage.get_or_init(|| async { Stage::set().await.map_err(|e| format!("{e:#}")) }).await;
        stage.as_ref().map_err(|e| anyhow!("the node could not be set up: {e}"))
    }

    /// Tells a story on the stage.
    pub async fn tell(&self, name: &str, story: Tell) -> Result<()> {
        let stage = self.stage().await?;
        let begun = Instant::now();
        let outcome = story(stage).await;
        self.told.seconds(name, begun.elapsed());
        outcome
    }

    /// To be called after the last story.
    pub async fn close(&self, failed: bool, took: Duration) {
        let Some(Ok(stage)) = self.stage.get() else { return };
        if failed {
            println!("{}", stage.autopsy().await);
        }
        stage.figures.seconds("the whole run, without builds", took);
        println!("\nHow long the stories took\n\n{}", self.told.table());
        println!("Figures of this run\n\n{}", stage.figures.table());
    }
}

impl Stage {
    async fn set() -> Result<Self> {
        let figures = Figures::default();
        let programs = Programs::told()?;
        let archives = figures.time("images packed", async { images::pack(&programs) }).await?;
        let node = figures
            .time("node: from nothing to Ready, with DNS", Node::start(&archives.node, Options::default()))
            .await?;
        for archive in &archives.others {
            node.import(archive).await?;
        }
        let client = node.control_plane().client(&User::Admin)?;
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
        Ok(Self { node, client, authority: TestCa::new()?, figures, http, programs })
    }

    pub fn cluster(&self) -> &ControlPlane {
        self.node.control_plane()
    }

    /// What kubectl prints.
    ///
    /// # Errors
    /// What it complains about.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.kubectl_as(&User::Admin, arguments, "").await
    }

    /// The same for another user, and with something to read.
    pub async fn kubectl_as(&self, user: &User, arguments: &[&str], input: &str) -> Result<String> {
        let mut command = self.cluster().kubectl(user)?;
        command.args(arguments);
        said(command, input).await.with_context(|| format!("kubectl {}", arguments.join(" ")))
    }

    /// Applies manifests on the server's side, in a namespace.
    pub async fn apply(&self, namespace: &str, yaml: &str) -> Result<String> {
        self.kubectl_as(&User::Admin, &["-n", namespace, "apply", "--server-side", "-f", "-"], yaml).await
    }

    /// Makes a namespace that enforces *restricted*.
    pub async fn namespace(&self, name: &str) -> Result<()> {
        let manifest = format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {{pod-security.kubernetes.io/enforce: restricted}}}}}}"
        );
        self.apply("default", &manifest).await.map(drop)
    }

    /// What helm prints.
    ///
    /// # Errors
    /// What it complains about.
    pub async fn helm(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.programs.helm);
        command.args(arguments).env("KUBECONFIG", self.cluster().kubeconfig(&User::Admin)?);
        // Caches and settings of whoever runs the tests have no say.
        let home = self.cluster().dir().join("helm");
        for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(variable, &home);
        }
        command.env("KUBECACHEDIR", &home);
        said(command, "").await.with_context(|| format!("helm {}", arguments.join(" ")))
    }

    /// The body that an address inside of the cluster answers with.
    pub async fn get(&self, url: &str) -> Result<String> {
        Ok(self.http.get(url).send().await?.error_for_status()?.text().await?)
    }

    pub async fn post(&self, url: &str, json: String) -> Result<String> {
        Ok(self.http.post(url).body(json).send().await?.error_for_status()?.text().await?)
    }

    /// What helps to understand why a story has failed.
    async fn autopsy(&self) -> String {
        let mut text = String::from("\n--- the node at the end\n");
        for arguments in [
            &["get", "pods,apitokens,leases", "-A", "-o", "wide"][..],
            &["get", "events", "-A", "--field-selector", "type=Warning"],
            &["-n", crate::operator::NAMESPACE, "logs", "-l", crate::operator::SELECTOR, "--tail=40", "--prefix"],
        ] {
            let said = self.kubectl(arguments).await.unwrap_or_else(|e| format!("{e:#}"));
            let _ = writeln!(text, "$ kubectl {}\n{}", arguments.join(" "), end(&said));
        }
        let _ = writeln!(text, "--- the kubelet's log\n{}", end(&self.node.kubelet_log()));
        text
    }
}

/// The last lines.
fn end(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

pub fn chart() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/charts/apitoken-operator")
}

pub fn repository_file(path: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Runs the command to its end; its standard output, or an error with its standard error.
async fn said(mut command: Command, input: &str) -> Result<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may refuse before it has read everything; what it says then matters more than the broken pipe.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = child.wait_with_output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim_end());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
