//! Says whether this machine can run a node, before anything is started.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The programs, and the Debian packages that hold them.
const PROGRAMS: [(&str, &str); 9] = [
    ("containerd", "containerd"),
    ("containerd-shim-runc-v2", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("iptables", "iptables"),
    ("ip", "iproute2"),
    ("conntrack", "conntrack"),
    ("unshare", "util-linux"),
    ("mount", "mount"),
];

/// Where Debian's package keeps them.
pub(super) const PLUGIN_DIR: &str = "/usr/lib/cni";
const PLUGINS: [&str; 4] = ["ptp", "host-local", "portmap", "loopback"];

/// Why no node can run here.
#[derive(Clone, Debug)]
pub enum Missing {
    /// This machine or user cannot, whatever is installed.
    Means(String),
    /// The remedy: what to install.
    Packages(String),
}

/// What stands between this machine and a node; `None` if one can run.
#[must_use]
pub fn missing() -> Option<Missing> {
    if !cfg!(target_os = "linux") {
        return Some(Missing::Means("a node runs on Linux only".to_owned()));
    }
    if !rustix::process::geteuid().is_root() {
        return Some(Missing::Means("a node needs namespaces, mounts and cgroups: run as root".to_owned()));
    }
    let mut packages: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| !is_installed(program)).map(|(_, package)| *package).collect();
    if !PLUGINS.iter().all(|plugin| Path::new(PLUGIN_DIR).join(plugin).is_file()) {
        packages.push("containernetworking-plugins");
    }
    packages.dedup();
    if !packages.is_empty() {
        return Some(Missing::Packages(format!("apt-get install --no-install-recommends {}", packages.join(" "))));
    }
    let refused = || Missing::Means("this root may not make namespaces (is it in a container?)".to_owned());
    (!namespaces_are_allowed()).then(refused)
}

fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|dir: PathBuf| dir.join(program)).any(|file| file.is_file())
}

fn namespaces_are_allowed() -> bool {
    let mut unshare = Command::new("unshare");
    unshare.args(["--net", "--mount", "--pid", "--fork", "--mount-proc", "true"]);
    unshare.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    unshare.status().is_ok_and(|status| status.success())
}
