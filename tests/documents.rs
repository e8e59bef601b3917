//! What people copy from the documentation: every manifest is one that the API server takes, every link leads
//! somewhere.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at what it cannot go on with")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use apitoken_operator::{api::ClusterTokenProvider, provider::validate};
use serde_json::Value;
use testbed::{control_plane::ControlPlane, users::User};
use tokio::io::AsyncWriteExt;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files of a kind below a directory, with their text.
fn files(directory: &str, extension: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(repository().join(directory)).unwrap() {
        let path = entry.unwrap().path();
        let relative = path.strip_prefix(repository()).unwrap().to_owned();
        if path.is_dir() && directory != "." {
            found.extend(files(relative.to_str().unwrap(), extension));
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push((relative, fs::read_to_string(path).unwrap()));
        }
    }
    found
}

fn documents() -> Vec<(PathBuf, String)> {
    let mut all = files(".", "md");
    all.extend(files("docs", "md"));
    all
}

/// The fenced blocks of a language.
fn blocks<'a>(text: &'a str, language: &'a str) -> impl Iterator<Item = &'a str> {
    let fence = format!("```{language}\n");
    let starts: Vec<_> = text.match_indices(&fence).map(|(at, _)| at + fence.len()).collect();
    starts.into_iter().map(|start| text[start..].split("\n```").next().unwrap())
}

/// Asks the API server, as a person would with kubectl, whether it would take the manifest; nothing is stored.
async fn would_be_taken(cluster: &ControlPlane, manifest: &str) -> Result<(), String> {
    let mut kubectl = cluster.kubectl(&User::Admin).unwrap();
    kubectl.args(["apply", "--server-side", "--dry-run=server", "-f", "-"]);
    let mut child = kubectl
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(manifest.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Every YAML example: files to copy, and blocks of the documents.
fn manifests() -> Vec<(PathBuf, String)> {
    let mut all = files("examples", "yaml");
    all.extend(yaml_blocks().into_iter().filter(|(_, block)| block.contains("apiVersion:")));
    assert!(all.len() >= 15, "only {} manifests were found", all.len());
    all
}

#[tokio::test]
async fn every_manifest_of_the_documentation_and_every_sample_is_taken_by_the_api_server() {
    let cluster = ControlPlane::shared().await;
    cluster.crd(&repository().join("crds")).await.unwrap();
    let mut refusals = Vec::new();
    for (path, manifest) in manifests() {
        if let Err(words) = would_be_taken(cluster, &manifest).await {
            refusals.push(format!("{}: {words}\n{manifest}", path.display()));
        }
    }
    assert!(refusals.is_empty(), "{}", refusals.join("\n\n"));
}

fn yaml_blocks() -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    for (path, text) in documents() {
        all.extend(blocks(&text, "yaml").map(|block| (path.clone(), block.to_owned())));
    }
    all
}

#[test]
fn every_fragment_of_a_manifest_stands_in_an_example() {
    let lines = |text: &str| format!("\n{}\n", text.lines().map(str::trim).collect::<Vec<_>>().join("\n"));
    let examples: Vec<_> = files("examples", "yaml").into_iter().map(|(_, text)| lines(&text)).collect();
    for (path, block) in yaml_blocks().into_iter().filter(|(_, block)| !block.contains("apiVersion:")) {
        let somewhere = examples.iter().any(|example| example.contains(&lines(&block)));
        assert!(somewhere, "{}: no example has this:\n{block}", path.display());
    }
}

#[tokio::test]
async fn a_manifest_with_a_mistake_would_be_found() {
    let cluster = ControlPlane::shared().await;
    cluster.crd(&repository().join("crds")).await.unwrap();
    let mistaken =
        "{apiVersion: apitoken.dev/v1alpha1, kind: ApiToken, metadata: {name: x}, spec: {providerRef: {nam: y}}}";
    let words = would_be_taken(cluster, mistaken).await.unwrap_err();
    assert!(words.contains("providerRef"), "{words}");
}

#[test]
fn every_provider_of_the_documentation_is_one_that_the_operator_can_use() {
    let mut providers = 0;
    for (path, manifest) in manifests() {
        let objects: Vec<Value> = serde_saphyr::from_multiple(&manifest).unwrap();
        for object in objects.into_iter().filter(|object| object["kind"] == "ClusterTokenProvider") {
            let provider: ClusterTokenProvider = serde_json::from_value(object).unwrap();
            if let Err(invalid) = validate::compile(&provider.spec.definition) {
                panic!("{}: {invalid}", path.display());
            }
            providers += 1;
        }
    }
    assert!(providers >= 8, "only {providers} providers were found");
}

/// The sections of a page, each by its heading.
fn sections(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("\n## ").skip(1).filter_map(|section| section.split_once('\n'))
}

#[test]
fn the_cookbook_names_the_keys_that_each_of_its_definitions_wants() {
    let page = fs::read_to_string(repository().join("docs/providers/oauth2-cookbook.md")).unwrap();
    let mut providers = 0;
    for (name, section) in sections(&page) {
        let row = page.lines().find(|line| line.starts_with(&format!("| [{name}](#")));
        for block in blocks(section, "yaml") {
            let provider: ClusterTokenProvider = serde_saphyr::from_str(block).unwrap();
            let definition = validate::compile(&provider.spec.definition).unwrap();
            for key in &definition.credentials.required {
                let named = row.is_some_and(|row| row.contains(&format!("`{key}`")));
                assert!(named, "{name}: the table of the cookbook does not name {key}");
            }
            providers += 1;
        }
    }
    assert!(providers >= 14, "only {providers} definitions");
}

#[test]
fn every_sample_token_finds_its_labelled_credentials_in_the_same_file() {
    for (path, text) in files("examples/samples", "yaml") {
        let objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        let labelled = |object: &&Value| object["metadata"]["labels"]["apitoken.dev/role"] == "credentials";
        let secrets: Vec<_> = objects.iter().filter(labelled).map(|secret| &secret["metadata"]["name"]).collect();
        let tokens: Vec<_> = objects.iter().filter(|object| object["kind"] == "ApiToken").collect();
        assert!(!tokens.is_empty(), "{} has no ApiToken", path.display());
        for token in tokens {
            let wanted = &token["spec"]["credentialsRef"]["name"];
            assert!(secrets.contains(&wanted), "{}: no credentials {wanted}", path.display());
        }
    }
}

#[test]
fn every_link_to_a_file_leads_to_one() {
    for (path, text) in documents() {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let file = repository().join(&path).parent().unwrap().join(target);
            assert!(file.exists(), "{} links to {target}, which is not there", path.display());
        }
    }
}
