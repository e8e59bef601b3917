//! Applying manifests as people do, on the server's side, and reading what comes back.

use std::path::Path;

use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};
use testbed::{control_plane::ControlPlane, users::User};

/// What the API server adds when a wrong type kept it from looking at all rules.
const NOT_ALL_CHECKED: &str = ", <nil>: Invalid value: null: some validation rules were not checked because the \
                               object was invalid; correct the existing errors to complete validation";

/// The control plane that all tests share, with the three kinds installed from `crds/`.
pub async fn cluster() -> &'static ControlPlane {
    let cluster = ControlPlane::shared().await;
    let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    cluster.crd(&crds).await.unwrap();
    cluster
}

pub fn admin(cluster: &ControlPlane) -> Client {
    cluster.client(&User::Admin).unwrap()
}

pub fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|e| panic!("not YAML: {e}\n{text}"))
}

pub fn api(client: &Client, kind: &str, namespace: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("apitoken.dev", "v1alpha1", kind));
    match kind {
        "ClusterTokenProvider" => Api::all_with(client.clone(), &resource),
        _ => Api::namespaced_with(client.clone(), namespace, &resource),
    }
}

/// Applies a manifest on the server's side; what the API server keeps, or its message.
pub async fn apply(client: &Client, namespace: &str, manifest: &Value) -> Result<DynamicObject, String> {
    let object: DynamicObject = serde_json::from_value(manifest.clone()).unwrap();
    let kind = object.types.as_ref().map(|types| types.kind.clone()).unwrap();
    let manager = PatchParams::apply("somebody");
    let answer = api(client, &kind, namespace).patch(&object.name_any(), &manager, &Patch::Apply(&object)).await;
    answer.map_err(|error| match error {
        kube::Error::Api(status) => status.message,
        other => panic!("the API server did not judge the manifest: {other}"),
    })
}

/// Makes each mistake of a table on its own and compares the words that a person would see, to the letter.
///
/// A line of the table is a merge patch (RFC 7386, as YAML) over the sound manifest; the indented line below it is what
/// the API server says to the result.
pub async fn assert_refused(sound: &str, table: &str) {
    let cluster = cluster().await;
    let (client, namespace) = (admin(cluster), cluster.namespace("refused").await.unwrap());
    let sound = yaml(sound);
    apply(&client, &namespace, &sound).await.expect("the manifest without a mistake is accepted");
    let mut surprises = Vec::new();
    for (mistake, expected) in rows(table) {
        let mut manifest = sound.clone();
        merge(&mut manifest, &yaml(mistake));
        manifest["metadata"]["name"] = json!("mistaken");
        let said = match apply(&client, &namespace, &manifest).await {
            Ok(_) => "(accepted)".to_owned(),
            Err(message) => essence(&message),
        };
        if said != expected {
            surprises.push(format!("{mistake}\n    {said}"));
        }
    }
    assert!(
        surprises.is_empty(),
        "{} mistakes are answered in other words:\n{}",
        surprises.len(),
        surprises.join("\n")
    );
}

fn rows(table: &str) -> Vec<(&str, &str)> {
    let lines: Vec<_> = table.lines().filter(|line| !line.is_empty()).collect();
    let rows = lines.chunks(2).map(|pair| match pair {
        [mistake, said] if !mistake.starts_with(' ') && said.starts_with("    ") => (*mistake, said.trim_start()),
        _ => panic!("a mistake and the words below it, not {pair:#?}"),
    });
    rows.collect()
}

/// The message without the object's name, which is the same in all of them.
fn essence(message: &str) -> String {
    let told = [
        "is invalid: ",
        "v1alpha1, Kind=ApiToken): ",
        "v1alpha1, Kind=TokenProvider): ",
        "v1alpha1, Kind=ClusterTokenProvider): ",
    ]
    .iter()
    .find_map(|prefix| message.split_once(prefix))
    .map_or(message, |(_, told)| told);
    match told.strip_suffix(']').and_then(|told| told.strip_suffix(NOT_ALL_CHECKED)) {
        Some(told) => told.strip_prefix('[').unwrap_or(told).to_owned(),
        None => told.to_owned(),
    }
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(members) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in members {
        match value {
            Value::Null => drop(target.as_object_mut().and_then(|object| object.remove(name))),
            _ => merge(&mut target[name], value),
        }
    }
}
