//! kubectl against the control plane, as a person would use it: its words and exit codes are what people see.

use std::{path::Path, process::Stdio};

use anyhow::{Context, Result, bail};
use tokio::{io::AsyncWriteExt, process::Command};

use crate::{binaries::binaries, control_plane::ControlPlane, users::User};

impl ControlPlane {
    /// kubectl with the user's KUBECONFIG; arguments are for the caller to add. It is killed when dropped.
    ///
    /// # Errors
    /// The user's kubeconfig cannot be written.
    pub fn kubectl(&self, user: &User) -> Result<Command> {
        let mut command = Command::from(binaries()?.kubectl.command());
        command
            .env("KUBECONFIG", self.kubeconfig(user)?)
            // Discovery is cached by address for hours, and the next control plane may have this one's.
            .env("KUBECACHEDIR", self.dir().join("kubectl-cache"))
            .env("KUBERC", "off")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        Ok(command)
    }

    /// Applies the manifests (YAML, several documents if need be) on the server's side and returns what kubectl says.
    ///
    /// # Errors
    /// What kubectl complains about, in its words.
    pub async fn apply(&self, user: &User, yaml: &str) -> Result<String> {
        let mut kubectl = self.kubectl(user)?;
        kubectl.args(["apply", "--server-side", "-f", "-"]);
        run(kubectl, yaml).await
    }

    /// Lets the user do in all namespaces what the `ClusterRole` allows; the API server heeds it within a moment.
    ///
    /// # Errors
    /// What kubectl complains about, in its words.
    pub async fn bind(&self, user: &User, cluster_role: &str) -> Result<()> {
        let mut kubectl = self.kubectl(&User::Admin)?;
        let name = format!("{}-{cluster_role}", user.name());
        kubectl.args(["create", "clusterrolebinding", &name, "--clusterrole", cluster_role, "--user", user.name()]);
        run(kubectl, "").await.map(drop)
    }

    /// Installs the CRDs of a file or directory, once for each path, and returns when they are served and the
    /// garbage collector knows them.
    ///
    /// # Errors
    /// What kubectl complains about, in its words, or they are not established in time.
    pub async fn crd(&self, path: &Path) -> Result<()> {
        let mut installed = self.installed_crds().lock().await;
        if installed.contains(path) {
            return Ok(());
        }
        let file = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
        for arguments in [
            &["apply", "--server-side", "-f", file][..],
            &["wait", "--for=condition=Established", "--timeout=60s", "-f", file],
        ] {
            let mut kubectl = self.kubectl(&User::Admin)?;
            kubectl.args(arguments);
            run(kubectl, "").await?;
        }
        // It looks for new kinds every 30 seconds only, and does not see owners of a kind that it does not know.
        self.restart_controller_manager().await?;
        installed.insert(path.to_owned());
        Ok(())
    }
}

/// Runs the command with `input`; its standard output, or an error with its standard error.
pub(crate) async fn run(mut command: Command, input: &str) -> Result<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot start kubectl")?;
    if let Some(mut stdin) = child.stdin.take() {
        // kubectl may refuse before it has read everything; what it says then matters more than the broken pipe.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = child.wait_with_output().await?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
