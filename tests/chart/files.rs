//! What stands in the chart's files agrees with what it is about: the CRDs, the flags, the versions.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
    process::Command,
};

use serde_json::Value;

use crate::helm::{self, chart, repository};

/// Flags with a value of another name, or none.
const NOT_A_FLAG: [&str; 0] = [];

/// Whether generated files are to be written.
pub fn updating() -> bool {
    env::var_os("UPDATE_CHART").is_some()
}

/// The file holds this text, or is made to.
pub fn holds(path: &Path, wanted: &str) {
    if updating() {
        fs::write(path, wanted).unwrap();
    }
    let there = fs::read_to_string(path).unwrap_or_default();
    assert!(there == wanted, "{} is out of date: UPDATE_CHART=1 cargo test --test chart", path.display());
}

pub fn values() -> Value {
    serde_saphyr::from_str(&fs::read_to_string(chart().join("values.yaml")).unwrap()).unwrap()
}

/// Name and text of each file in a directory.
fn directory(path: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect()
}

/// `--allow-provider-cidr` is `allowProviderCidr`.
fn value_of(flag: &str) -> String {
    let mut parts = flag.split('-');
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |name, part| name + &part[..1].to_uppercase() + &part[1..])
}

fn flags() -> BTreeSet<String> {
    let help = Command::new(env!("CARGO_BIN_EXE_apitoken-operator")).args(["run", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let flags = help.lines().filter_map(|line| line.trim_start().strip_prefix("--")?.split([' ', '=']).next());
    flags.map(str::to_owned).collect()
}

#[test]
fn the_chart_carries_the_crds_of_the_repository() {
    let there = directory(&repository().join("crds"));
    for (name, text) in &there {
        holds(&chart().join("files/crds").join(name), text);
    }
    assert_eq!(directory(&chart().join("files/crds")), there);
}

#[tokio::test]
async fn the_installed_crds_are_those_of_the_repository_and_outlive_the_release() {
    let objects = helm::objects(&[]).await;
    let rendered = helm::of_kind(&objects, "CustomResourceDefinition");
    assert_eq!(rendered.len(), 3);
    for mut crd in rendered.into_iter().cloned() {
        let kept = crd["metadata"].as_object_mut().unwrap().remove("annotations").unwrap();
        assert_eq!(kept["helm.sh/resource-policy"], "keep");
        crd["metadata"].as_object_mut().unwrap().remove("labels").unwrap();
        let file = format!("crds/{}.yaml", crd["spec"]["names"]["plural"].as_str().unwrap());
        let wanted: Value = serde_saphyr::from_str(&fs::read_to_string(repository().join(file)).unwrap()).unwrap();
        assert_eq!(crd, wanted);
    }
    let without = helm::objects(&["crds.keep=false"]).await;
    let crds = helm::of_kind(&without, "CustomResourceDefinition");
    assert!(crds.iter().all(|crd| crd["metadata"].get("annotations").is_none()));
    assert!(helm::of_kind(&helm::objects(&["crds.enabled=false"]).await, "CustomResourceDefinition").is_empty());
}

#[test]
fn chart_and_operator_have_the_same_version() {
    let text = fs::read_to_string(chart().join("Chart.yaml")).unwrap();
    let chart: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn every_flag_of_run_has_a_value_of_its_name_that_reaches_the_operator() {
    let values = values();
    let template = fs::read_to_string(chart().join("templates/_environment.tpl")).unwrap();
    let flags = flags();
    assert!(flags.len() >= 16, "{flags:?}");
    for flag in flags.iter().filter(|flag| !["help", "version"].contains(&flag.as_str())) {
        let variable = format!("APITOKEN_{}", flag.replace('-', "_").to_uppercase());
        if !NOT_A_FLAG.contains(&flag.as_str()) {
            assert!(values.get(value_of(flag)).is_some(), "--{flag} has no value {}", value_of(flag));
            assert!(template.contains(&format!("name: {variable}\n")), "{variable} is not set");
        }
    }
    let known: BTreeSet<_> =
        flags.iter().map(|flag| format!("APITOKEN_{}", flag.replace('-', "_").to_uppercase())).collect();
    for variable in template.lines().filter_map(|line| line.strip_prefix("- name: ")) {
        assert!(known.contains(variable), "{variable} belongs to no flag");
    }
}

#[tokio::test]
async fn the_defaults_of_the_chart_are_those_of_the_operator_but_for_what_replicas_need() {
    let help = Command::new(env!("CARGO_BIN_EXE_apitoken-operator")).args(["run", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let rendered: BTreeMap<_, _> = helm::environment(&helm::objects(&[]).await).into_iter().collect();
    for (variable, value) in rendered {
        if ["APITOKEN_OPERATOR_NAMESPACE", "APITOKEN_LEADER_ELECT"].contains(&variable.as_str()) {
            continue;
        }
        let (_, entry) = help.split_once(&format!("[env: {variable}]")).unwrap();
        let default = entry.split("[default: ").nth(1).and_then(|rest| rest.split(']').next());
        assert_eq!(default, Some(value.as_str()), "{variable}");
    }
}

#[test]
fn the_schema_knows_every_value_and_lets_no_other_in() {
    let text = fs::read_to_string(chart().join("values.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    same_keys("", &values(), &schema);
}

/// Where the schema lists keys, it lists those of values.yaml and forbids others.
fn same_keys(path: &str, value: &Value, schema: &Value) {
    let Some(properties) = schema["properties"].as_object() else { return };
    assert_eq!(schema["additionalProperties"], false, "{path} lets unknown keys in");
    // What a container may have, all of it optional.
    if path == ".resources" {
        return;
    }
    let Some(value) = value.as_object() else { panic!("{path} is no map in values.yaml") };
    // Helm's own key, which a chart gets that is part of another.
    let listed: BTreeSet<_> = properties.keys().filter(|key| !path.is_empty() || *key != "global").collect();
    assert_eq!(listed, value.keys().collect(), "below {path:?}");
    for (key, schema) in properties {
        same_keys(&format!("{path}.{key}"), value.get(key).unwrap_or(&Value::Null), schema);
    }
}

#[test]
fn the_grace_period_is_the_one_that_the_documentation_asks_for() {
    let wanted = format!("`terminationGracePeriodSeconds: {}`", values()["terminationGracePeriodSeconds"]);
    for file in ["docs/operations.md", "docs/install.md"] {
        assert!(fs::read_to_string(repository().join(file)).unwrap().contains(&wanted), "{file}: {wanted}");
    }
}

#[test]
fn every_value_that_the_documentation_names_is_one() {
    let text = fs::read_to_string(repository().join("docs/install.md")).unwrap();
    let values = values();
    // `name=value`, in a table or behind --set.
    let named = text.split(['`', '\'', ' ', '\n']).filter_map(|word| word.split_once('=')).map(|(name, _)| name);
    let named: BTreeSet<_> =
        named.filter(|name| !name.is_empty() && !name.starts_with('-') && !name.contains('/')).collect();
    assert!(named.len() >= 10, "{named:?}");
    for name in named {
        let pointer = format!("/{}", name.split('[').next().unwrap().replace('.', "/"));
        assert!(values.pointer(&pointer).is_some(), "docs/install.md names {name}, and values.yaml does not");
    }
}

#[tokio::test]
async fn an_unknown_key_or_a_wrong_value_is_refused_with_its_name() {
    for (value, word) in [
        ("replica=3", "replica"),
        ("image.registry=x", "registry"),
        ("networkPolicy.providerPort=8443", "providerPort"),
        ("logLevel=loud", "logLevel"),
        ("namespaces={Web}", "namespaces"),
        ("listen=8080", "listen"),
        ("listen=127.0.0.1:8080", "listen"),
        ("listen=0.0.0.0:99999", "listen"),
        ("fullnameOverride=1st", "fullnameOverride"),
        // Twice the same key, or a selector that changes.
        ("commonLabels.app\\.kubernetes\\.io/part-of=x", "app.kubernetes.io/part-of"),
        ("podLabels.app\\.kubernetes\\.io/name=x", "app.kubernetes.io/name"),
        ("image.digest=latest", "digest"),
    ] {
        let said = helm::template(&[value]).await.unwrap_err();
        assert!(said.contains(word), "{value}: {said}");
    }
    let said = helm::template(&["leaderElect=false"]).await.unwrap_err();
    assert!(said.contains("set leaderElect=true, or replicas=1"), "{said}");
    let said = helm::template_of("123", &[]).await.unwrap_err();
    assert!(said.contains("set fullnameOverride"), "{said}");
}
