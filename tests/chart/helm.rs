//! The real helm, on the chart of this repository.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use testbed::{control_plane::ControlPlane, go_build, users::User};
use tokio::process::Command;

/// Release and namespace of everything here, as the documentation names them.
pub const RELEASE: &str = "apitoken-operator";
pub const NAMESPACE: &str = "apitoken-system";

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn chart() -> PathBuf {
    repository().join("charts/apitoken-operator")
}

/// What helm prints, or what it complains about.
pub async fn helm(cluster: Option<&ControlPlane>, args: &[&str]) -> Result<String, String> {
    let program = tokio::task::spawn_blocking(go_build::helm).await.unwrap().unwrap();
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    // Neither the machine's repositories nor its cluster.
    command.env_clear().env("HOME", home.path()).args(args);
    command.env(
        "KUBECONFIG",
        match cluster {
            Some(cluster) => cluster.kubeconfig(&User::Admin).unwrap(),
            None => "/dev/null".into(),
        },
    );
    let output = command.stdin(Stdio::null()).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr) + &text(output.stdout)) }
}

/// The text of `helm template` with these values, as NAME=VALUE.
pub async fn template(values: &[&str]) -> Result<String, String> {
    template_of(RELEASE, values).await
}

/// The same for a release of another name.
pub async fn template_of(release: &str, values: &[&str]) -> Result<String, String> {
    let chart = chart();
    let mut args = vec!["template", release, chart.to_str().unwrap(), "--namespace", NAMESPACE];
    args.extend(values.iter().flat_map(|value| ["--set", *value]));
    helm(None, &args).await
}

/// The objects that are rendered with these values.
pub async fn objects(values: &[&str]) -> Vec<Value> {
    parsed(&template(values).await.unwrap())
}

pub fn parsed(manifests: &str) -> Vec<Value> {
    let documents = manifests.split("\n---\n").map(|document| document.trim_start_matches("---\n"));
    let objects = documents.map(|document| serde_saphyr::from_str::<Value>(document).unwrap());
    objects.filter(|object| !object.is_null()).collect()
}

/// The objects of a kind.
pub fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// The variables of the operator's container.
pub fn environment(objects: &[Value]) -> Vec<(String, String)> {
    let deployment = of_kind(objects, "Deployment")[0];
    let env = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    env.iter().map(|one| (text(&one["name"]), text(&one["value"]))).collect()
}
