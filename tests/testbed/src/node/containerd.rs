//! containerd, which runs the containers, with a configuration and a socket of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, ensure};
use tokio::process::Command;

use super::{PAUSE, ground, requirements};
use crate::{binaries::Program, component::Component, eventually::poll_until};

/// A second on an idle machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Where the kubelet asks for containers.
pub(super) const SOCKET: &str = "/run/containerd/containerd.sock";

pub(super) struct Containerd {
    component: Component,
    _config: PathBuf,
}

impl Containerd {
    /// Starts it, and returns when it answers and has the image that each pod begins with.
    pub(super) async fn start(dir: &Path, pause: &Path) -> Result<Self> {
        let config = dir.join("containerd.toml");
        fs::write(&config, configuration()).with_context(|| format!("cannot write {}", config.display()))?;
        let flags = [format!("--config={}", config.display()), "--log-level=warn".to_owned()];
        let component = Component::start("containerd", &Program::installed("containerd"), &flags, dir)?;
        let mut this = Self { component, _config: config };
        this.answers().await?;
        this.import(pause).await?;
        Ok(this)
    }

    async fn answers(&mut self) -> Result<()> {
        let answers = poll_until(START_TIMEOUT, async || match self.component.obituary() {
            Some(obituary) => Ok(Err(anyhow!(obituary))),
            None => ctr(&["version"]).await.map(Ok).map_err(|e| e.to_string()),
        });
        answers.await.unwrap_or_else(|last| Err(anyhow!("containerd does not answer in {START_TIMEOUT:?}: {last}")))
    }

    pub(super) async fn import(&self, archive: &Path) -> Result<()> {
        let file = archive.to_str().with_context(|| format!("{} is not UTF-8", archive.display()))?;
        ctr(&["--namespace=k8s.io", "images", "import", file]).await
    }
}

async fn ctr(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("ctr");
    command.args(["--address", SOCKET]).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.context("cannot run `ctr`")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ctr {}: {}", arguments.join(" "), said.trim());
    Ok(())
}

fn configuration() -> String {
    format!(
        r#"version = 2
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = "{SOCKET}"

[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  # A root without CAP_SYS_RESOURCE may not lower a score, and no sandbox starts that wants to.
  restrict_oom_score_adj = true
  disable_apparmor = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{plugins}"
  conf_dir = "{networks}"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
"#,
        plugins = requirements::PLUGIN_DIR,
        networks = ground::NETWORKS,
    )
}
