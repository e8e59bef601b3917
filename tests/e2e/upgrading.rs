//! The release is upgraded, rolled back, removed and installed again, while pods use its tokens.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt, api::ListParams};
use serde_json::{Value, json};
use testbed::node::enclosure;

use crate::{
    failover, images, operator,
    stage::{Stage, chart},
    team::{self, TOKENS},
};

/// The field that the next version of the CRD has.
const FIELD: &str = "note";

pub async fn an_upgrade_brings_another_image_and_a_field_and_a_rollback_takes_them_back(stage: &Stage) -> Result<()> {
    team::at_work(stage).await?;
    team::renewed_once(stage).await?;
    let logins = failover::logins(stage).await?;
    let next = next_chart()?;
    let next = next.to_str().context("not UTF-8")?;
    let upgrade = operator::helm(stage, &["upgrade"], next, images::NEXT_TAG, &[]);
    stage.figures.time("helm upgrade --wait", upgrade).await?;
    assert_runs(stage, images::NEXT_TAG).await?;
    let explained = stage.kubectl(&["explain", "apitoken.spec.note"]).await?;
    assert!(explained.contains("<string>"), "{explained}");
    let patch = json!({ "spec": { FIELD: "kept by the new CRD" } }).to_string();
    stage.kubectl(&["-n", team::NAMESPACE, "patch", "apitoken", TOKENS[0].name, "--type=merge", "-p", &patch]).await?;
    assert!(spec(stage).await?.contains(FIELD), "the new field was dropped");

    let rollback = ["rollback", operator::RELEASE, "--namespace", operator::NAMESPACE, "--wait", "--timeout", "120s"];
    stage.figures.time("helm rollback --wait", stage.helm(&rollback)).await?;
    assert_runs(stage, images::TAG).await?;
    assert!(stage.kubectl(&["explain", "apitoken.spec.note"]).await.is_err(), "the field is still there");
    // The next write of anybody drops what the CRD does not know any more.
    stage.kubectl(&["-n", team::NAMESPACE, "label", "apitoken", TOKENS[0].name, "written=again"]).await?;
    assert!(!spec(stage).await?.contains(FIELD));

    operator::ready(stage, 2).await;
    assert_eq!(failover::logins(stage).await?, logins, "logins were spent");
    team::assert_undisturbed(stage).await
}

pub async fn after_an_uninstall_everything_is_there_and_a_new_installation_logs_nobody_in(stage: &Stage) -> Result<()> {
    team::at_work(stage).await?;
    team::renewed_once(stage).await?;
    let logins = failover::logins(stage).await?;
    let before = kept(stage).await?;
    ensure!(before.len() > TOKENS.len(), "no sessions and outputs to be kept: {before:?}");

    stage.helm(&["uninstall", operator::RELEASE, "--namespace", operator::NAMESPACE, "--wait"]).await?;
    operator::ready(stage, 0).await;
    assert_eq!(kept(stage).await?, before, "an uninstall takes nothing of the users'");
    let crds = stage.kubectl(&["get", "crds", "-o", "name"]).await?;
    assert_eq!(crds.lines().filter(|line| line.contains("apitoken.dev")).count(), 3, "{crds}");
    team::assert_undisturbed(stage).await?;

    operator::helm(stage, &["install"], chart(), images::TAG, &[]).await?;
    operator::ready(stage, 2).await;
    team::all_ready(stage).await?;
    assert_eq!(kept(stage).await?, before, "what was valid was written again");
    assert_eq!(failover::logins(stage).await?, logins, "the new installation logged in");
    team::assert_undisturbed(stage).await
}

/// The chart of a later release: another version, and a CRD with one more optional field.
fn next_chart() -> Result<PathBuf> {
    let copy = enclosure::directory().context("outside of the enclosure")?.join("next-chart");
    if !copy.exists() {
        copy_dir(Path::new(chart()), &copy)?;
    }
    let crd = copy.join("files/crds/apitokens.yaml");
    let mut definition: Value = serde_saphyr::from_str(&fs::read_to_string(&crd)?)?;
    let properties = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    let properties = definition.pointer_mut(properties).context("the CRD has no spec")?;
    properties[FIELD] = json!({ "type": "string", "description": "A field of a later version." });
    // JSON is YAML.
    fs::write(&crd, definition.to_string())?;
    let manifest = copy.join("Chart.yaml");
    let text = fs::read_to_string(&manifest)?;
    let lines = text.lines().map(|line| if line.starts_with("version:") { "version: 99.0.0" } else { line });
    fs::write(&manifest, lines.collect::<Vec<_>>().join("\n"))?;
    Ok(copy)
}

fn copy_dir(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

async fn assert_runs(stage: &Stage, tag: &str) -> Result<()> {
    operator::ready(stage, 2).await;
    for pod in operator::replicas(stage).await? {
        let containers = pod.spec.map(|spec| spec.containers).unwrap_or_default();
        let images: Vec<_> = containers.into_iter().filter_map(|container| container.image).collect();
        assert_eq!(images, [format!("{}:{tag}", images::OPERATOR)]);
    }
    Ok(())
}

async fn spec(stage: &Stage) -> Result<String> {
    stage.kubectl(&["-n", team::NAMESPACE, "get", "apitoken", TOKENS[0].name, "-o", "jsonpath={.spec}"]).await
}

/// Names and versions of what is the team's or was made for it: ApiTokens by generation, Secrets by version.
async fn kept(stage: &Stage) -> Result<Vec<String>> {
    let tokens =
        ["-n", team::NAMESPACE, "get", "apitokens", "-o", "jsonpath={range .items[*]}{.metadata.uid}{\"\\n\"}{end}"];
    let tokens = stage.kubectl(&tokens).await?;
    let secrets: Api<Secret> = Api::namespaced(stage.client.clone(), team::NAMESPACE);
    let secrets = secrets.list(&ListParams::default()).await?.items;
    let secrets = secrets.iter().map(|s| format!("{} {}", s.name_any(), s.resource_version().unwrap_or_default()));
    Ok(tokens.lines().map(str::to_owned).chain(secrets).collect())
}
