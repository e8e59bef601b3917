//! The kubelet: its configuration, which differs from a real node's only where a test needs it to.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use serde_json::json;

use super::{ADDRESS, cgroups, containerd::SOCKET, dns, ground};
use crate::{
    binaries::Program,
    component::Component,
    control_plane::ControlPlane,
    users::{Asker, NODE},
};

pub(super) fn start(control_plane: &ControlPlane, dir: &Path, period: Option<Duration>) -> Result<Component> {
    let config = dir.join("kubelet.json");
    let mut wanted = configuration(control_plane.ca_path(), &cgroups::name_for(dir)?);
    if let Some(period) = period {
        wanted["syncFrequency"] = json!(format!("{}ms", period.as_millis()));
    }
    fs::write(&config, serde_json::to_vec_pretty(&wanted)?)
        .with_context(|| format!("cannot write {}", config.display()))?;
    let flags = [
        format!("--kubeconfig={}", control_plane.component_kubeconfig(Asker::Kubelet)?.display()),
        format!("--config={}", config.display()),
        format!("--hostname-override={NODE}"),
        format!("--node-ip={ADDRESS}"),
    ];
    Component::start("kubelet", &Program::of_node("kubelet")?, &flags, dir)
}

/// What is not set has its default: Secrets are watched, and pods are synchronised once a minute.
fn configuration(authority: &Path, cgroup: &str) -> serde_json::Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": "0.0.0.0",
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": false },
            "x509": { "clientCAFile": authority },
        },
        "authorization": { "mode": "AlwaysAllow" },
        "containerRuntimeEndpoint": format!("unix://{SOCKET}"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{cgroup}"),
        "clusterDNS": [dns::SERVICE],
        "clusterDomain": "cluster.local",
        "resolvConf": ground::RESOLVER,
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        "failSwapOn": false,
        "enforceNodeAllocatable": [],
        // The disk is the test machine's, and may be fuller than a node's should be. (Where it is a bind mount, the
        // kubelet cannot measure it, says so every ten seconds, and evicts nothing.)
        "evictionHard": { "memory.available": "10Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        // It measures the disk at every pod, and some file systems cannot tell.
        "localStorageCapacityIsolation": false,
        "registerNode": true,
        "serializeImagePulls": false,
        "kubeAPIQPS": 200,
        "kubeAPIBurst": 400,
    })
}
