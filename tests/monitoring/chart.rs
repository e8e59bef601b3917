//! The chart of this repository, rendered by the real helm.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use testbed::go_build;

/// The API of the Prometheus operator.
pub const MONITORING: &str = "monitoring.coreos.com/v1";

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn chart() -> PathBuf {
    repository().join("charts/apitoken-operator")
}

/// The objects with these values (NAME=VALUE) on a cluster that serves these further APIs, or helm's complaint.
pub fn try_render(apis: &[&str], values: &[&str]) -> Result<Vec<Value>, String> {
    let home = tempfile::tempdir().unwrap();
    let mut helm = Command::new(go_build::helm().unwrap());
    helm.env_clear().env("HOME", home.path()).env("KUBECONFIG", "/dev/null").stdin(Stdio::null());
    helm.args(["template", "apitoken-operator"]).arg(chart()).args(["--namespace", "apitoken-system"]);
    helm.args(["--kube-version", go_build::KUBERNETES_VERSION]);
    helm.args(apis.iter().flat_map(|api| ["--api-versions", *api]));
    helm.args(values.iter().flat_map(|value| ["--set", *value]));
    let output = helm.output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8(output.stderr).unwrap());
    }
    let text = String::from_utf8(output.stdout).unwrap();
    Ok(serde_saphyr::from_multiple::<Value>(&text).unwrap().into_iter().filter(|object| !object.is_null()).collect())
}

/// As `try_render`, where the Prometheus operator is installed.
pub fn render(values: &[&str]) -> Vec<Value> {
    try_render(&[MONITORING], values).unwrap()
}

pub fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// The only object of its kind.
pub fn the<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let found = of_kind(objects, kind);
    assert_eq!(found.len(), 1, "objects of kind {kind}");
    found[0]
}
