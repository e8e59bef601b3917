//! The chart's README: its table of values is made from values.yaml.

use std::{fmt::Write, fs};

use testbed::control_plane::ControlPlane;

use crate::{
    files::{self, holds},
    helm::{self, chart},
};

const MARK: &str = "<!-- From here on made from values.yaml: UPDATE_CHART=1 cargo test --test chart -->\n";

/// A value as values.yaml writes it.
#[derive(Debug)]
struct Row {
    path: String,
    default: String,
    meaning: String,
}

/// One row for each key with a value on its line; the comment above it is its meaning, `##` a heading for readers.
fn rows(text: &str) -> Vec<Row> {
    let (mut rows, mut parents, mut comment) = (Vec::new(), Vec::<String>::new(), Vec::new());
    for line in text.lines() {
        let depth = (line.len() - line.trim_start().len()) / 2;
        let line = line.trim();
        if line.starts_with("##") || line.is_empty() {
            comment.clear();
        } else if let Some(words) = line.strip_prefix('#') {
            comment.push(words.trim());
        } else if let Some((key, default)) = line.split_once(':') {
            parents.truncate(depth);
            parents.push(key.to_owned());
            if !default.is_empty() {
                let (path, default) = (parents.join("."), default.trim().to_owned());
                rows.push(Row { path, default, meaning: comment.join(" ") });
            }
            comment.clear();
        }
    }
    rows
}

fn table(rows: &[Row]) -> String {
    let mut table = "\n| value | default | meaning |\n| --- | --- | --- |\n".to_owned();
    for row in rows {
        let default = row.default.replace('|', "\\|");
        let meaning = row.meaning.replace('|', "\\|");
        writeln!(table, "| `{}` | `{default}` | {meaning} |", row.path).unwrap();
    }
    table
}

#[test]
fn the_readme_has_a_row_for_every_value() {
    let path = chart().join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (prose, _) = readme.split_once(MARK).expect("the README has its mark");
    let rows = rows(&fs::read_to_string(chart().join("values.yaml")).unwrap());
    holds(&path, &format!("{prose}{MARK}{}", table(&rows)));
}

#[test]
fn every_value_is_found_with_its_default() {
    let values = files::values();
    let rows = rows(&fs::read_to_string(chart().join("values.yaml")).unwrap());
    assert!(rows.len() > 50, "only {} rows", rows.len());
    for row in &rows {
        let pointer = format!("/{}", row.path.replace('.', "/"));
        let there = values.pointer(&pointer).unwrap_or_else(|| panic!("{} is not in values.yaml", row.path));
        let default: serde_json::Value = serde_saphyr::from_str(&row.default).unwrap();
        assert_eq!(*there, default, "{}", row.path);
    }
}

#[tokio::test]
async fn the_notes_show_manifests_and_commands_for_a_namespace_that_is_served() {
    for (values, namespace) in [(&[][..], "default"), (&["namespaces={web,shop}"][..], "web")] {
        let notes = notes(values).await;
        for command in ["kubectl apply", "kubectl get apitokens", "kubectl wait"] {
            let line = notes.lines().find(|line| line.starts_with(command)).unwrap_or_else(|| panic!("{notes}"));
            assert!(line.contains(&format!(" -n {namespace} ")), "{line}");
        }
    }
    assert!(notes(&["presets=none"]).await.contains("The preset Palette is switched off here"));
}

/// What `helm install` says at its end.
pub async fn notes(values: &[&str]) -> String {
    let chart = chart();
    // Helm asks for a cluster, and sends it nothing.
    let cluster = ControlPlane::shared().await;
    let mut args = vec!["install", helm::RELEASE, chart.to_str().unwrap(), "--namespace", helm::NAMESPACE];
    args.extend(["--dry-run=client", "--output", "json"]);
    args.extend(values.iter().flat_map(|value| ["--set", *value]));
    let said = helm::helm(Some(cluster), &args).await.unwrap();
    let release: serde_json::Value = serde_json::from_str(&said).unwrap();
    release["info"]["notes"].as_str().unwrap().to_owned()
}
