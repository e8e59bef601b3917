//! What a node stands on, made before its components: links, directories of its own, and the configuration of pod
//! networks. It changes this process's network and mount namespaces, so these must be an enclosure's.

use std::{
    fs,
    net::Ipv4Addr,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde_json::json;

/// The addresses that pods get.
pub(super) const POD_NETWORK: &str = "10.244.0.0/24";

/// Where the programs of a node keep their things; each becomes a directory of the enclosure.
const OWN: [&str; 3] = ["/run", "/var/lib", "/var/log"];

/// Where containerd looks for networks.
pub(super) const NETWORKS: &str = "/var/lib/cni/networks.d";

/// The resolver of pods that want the node's; there is no name server outside of the cluster.
pub(super) const RESOLVER: &str = "/var/lib/resolv.conf";

pub(super) fn prepare(dir: &Path, address: Ipv4Addr) -> Result<()> {
    for own in OWN {
        let inside = dir.join(own.trim_start_matches('/').replace('/', "-"));
        fs::create_dir_all(&inside).with_context(|| format!("cannot create {}", inside.display()))?;
        run("mount", &["--bind", &inside.to_string_lossy(), own])?;
    }
    run("ip", &["link", "set", "lo", "up"])?;
    // A link without anybody at the other end that holds an address: not every kernel has the kind `dummy`.
    run("ip", &["link", "add", "node0", "type", "bridge"])?;
    run("ip", &["address", "add", &format!("{address}/24"), "dev", "node0"])?;
    run("ip", &["link", "set", "node0", "up"])?;
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("cannot switch on forwarding")?;
    fs::create_dir_all(NETWORKS)?;
    fs::write(Path::new(NETWORKS).join("pods.conflist"), pod_network().to_string())?;
    fs::write(RESOLVER, "# No name server outside of the cluster.\n")?;
    Ok(())
}

/// A link for each pod, and routes between them: so all traffic passes the rules of kube-proxy, which it would not on
/// a bridge without `br_netfilter`.
fn pod_network() -> serde_json::Value {
    json!({
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {
                "type": "ptp",
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{ "subnet": POD_NETWORK }]],
                    "routes": [{ "dst": "0.0.0.0/0" }],
                    "dataDir": "/run/cni",
                },
            },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ],
    })
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run `{program}`"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {}", arguments.join(" "), said.trim());
    Ok(())
}
