//! A place that nothing gets out of: namespaces of its own for network, mounts and processes, and a directory.
//!
//! The kernel ends the whole of it when its first process ends, containers and their shims included, and with the
//! last process go mounts, links and firewall rules. It is entered at the start of a program, by starting the program
//! once more inside: threads that run already cannot follow. It knows nothing of Kubernetes.

use std::{
    env,
    ffi::OsString,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
};

use anyhow::{Context, Result};

use super::cgroups;
use crate::lifeline::Lifeline;

/// Says to the program that it is inside, and which directory is the enclosure's.
const DIRECTORY: &str = "APITOKEN_TESTBED_ENCLOSURE";

/// The first process of the enclosure collects the orphans, as `init` would, and ends when the program does.
const INIT: &str = r#""$@"; exit "$?""#;

/// The directory of the enclosure that this process is in, if it is in one.
#[must_use]
pub fn directory() -> Option<PathBuf> {
    env::var_os(DIRECTORY).map(PathBuf::from)
}

/// Runs this program again, with the same arguments and more `variables`, inside a new enclosure, and returns how it
/// ended. Nothing of it is left then, nor when this process is killed.
///
/// # Errors
/// The enclosure cannot be made.
pub fn run_again_inside(variables: &[(&str, OsString)]) -> Result<ExitStatus> {
    let dir = tempfile::Builder::new().prefix("apitoken-node-").tempdir()?;
    let cgroup = cgroups::Root::named_after(dir.path())?;
    // The child ends within the second that this waits.
    let _removes_dir = Lifeline::of_directory(dir.path()).context("cannot start a shell")?;
    let _removes_cgroup = cgroup.removed_at_the_end()?;
    let mut unshare = Command::new("unshare");
    unshare
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"])
        .args(["sh", "-c", INIT, "sh"])
        .arg(env::current_exe()?)
        .args(env::args_os().skip(1).collect::<Vec<OsString>>())
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .env(DIRECTORY, dir.path())
        // What a Ctrl-C does is decided here, for all at once.
        .process_group(0)
        .stdin(Stdio::null());
    let mut child = unshare.spawn().context("cannot run `unshare`")?;
    let _ends_it = Lifeline::of_process(child.id()).context("cannot start a shell")?;
    let status = child.wait()?;
    cgroup.remove();
    Ok(status)
}
