//! The dashboard: what it asks for exists, and Grafana can draw it.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};

use crate::{
    chart::{chart, of_kind, render, repository},
    promtool, served,
};

/// Columns of Grafana's grid.
const COLUMNS: i64 = 24;

pub fn dashboard() -> Value {
    serde_json::from_str(&fs::read_to_string(chart().join("files/dashboard.json")).unwrap()).unwrap()
}

fn panels(dashboard: &Value) -> &Vec<Value> {
    dashboard["panels"].as_array().unwrap()
}

fn is_row(panel: &Value) -> bool {
    panel["type"] == "row"
}

/// Every expression, with the title of its panel.
fn expressions(dashboard: &Value) -> Vec<(&str, &str)> {
    let mut all = Vec::new();
    for panel in panels(dashboard).iter().filter(|panel| !is_row(panel)) {
        for target in panel["targets"].as_array().unwrap() {
            all.push((panel["title"].as_str().unwrap(), target["expr"].as_str().unwrap()));
        }
    }
    all
}

fn variables(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["templating"]["list"].as_array().unwrap().iter()
}

#[test]
fn panels_and_variables_ask_for_metrics_that_are_served() {
    let (dashboard, text) = (dashboard(), served::text());
    for (title, expression) in expressions(&dashboard) {
        assert_eq!(served::mistakes(expression, &text), [""; 0], "{title}");
    }
    for query in variables(&dashboard).filter_map(|variable| variable["query"]["query"].as_str()) {
        assert_eq!(served::mistakes(query, &text), [""; 0], "{query}");
    }
}

#[test]
fn every_expression_is_promql() {
    let dashboard = dashboard();
    let rules = expressions(&dashboard).into_iter().enumerate().map(|(number, (_, expression))| {
        // What Grafana fills in; matchers take its variables as they are.
        json!({ "record": format!("panel:{number}"), "expr": expression.replace("$__rate_interval", "5m") })
    });
    let rules = json!({ "groups": [{ "name": "dashboard", "rules": rules.collect::<Vec<_>>() }] });
    promtool::check(&rules).unwrap();
}

#[test]
fn every_query_goes_to_the_chosen_data_source_and_clusters() {
    let dashboard = dashboard();
    let names: Vec<_> = variables(&dashboard).map(|variable| variable["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "cluster", "namespace", "provider"]);
    for panel in panels(&dashboard).iter().filter(|panel| !is_row(panel)) {
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        }
    }
    for (title, expression) in expressions(&dashboard) {
        assert!(expression.contains(r#"cluster=~"$cluster""#), "{title}");
    }
}

#[test]
fn panels_have_ids_of_their_own_and_lie_side_by_side() {
    let dashboard = dashboard();
    let ids: BTreeSet<_> = panels(&dashboard).iter().map(|panel| panel["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), panels(&dashboard).len());
    let mut taken = BTreeSet::new();
    for panel in panels(&dashboard) {
        let at = |key: &str| panel["gridPos"][key].as_i64().unwrap();
        assert!(at("x") + at("w") <= COLUMNS, "{}", panel["title"]);
        for (x, y) in (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y))) {
            assert!(taken.insert((x, y)), "{} lies on another panel", panel["title"]);
        }
    }
}

#[test]
fn the_documentation_describes_every_panel_in_its_place_in_the_words_of_the_dashboard() {
    let operations = fs::read_to_string(repository().join("docs/operations.md")).unwrap();
    let (_, section) = operations.split_once("\n## Dashboard\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| --- "));
    let described: Vec<_> = rows.skip(1).map(|line| line.trim_matches(['|', ' ']).to_owned()).collect();
    let mut row = "";
    let mut drawn = Vec::new();
    let dashboard = dashboard();
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        if is_row(panel) {
            row = title;
        } else {
            drawn.push(format!("{row} | {title} | {}", panel["description"].as_str().unwrap()));
        }
    }
    assert_eq!(described, drawn);
}

#[test]
fn grafanas_sidecar_finds_the_dashboard_whole() {
    let objects = render(&["dashboard.enabled=true", "dashboard.annotations.grafana_folder=Platform"]);
    let maps = of_kind(&objects, "ConfigMap");
    let map = maps.iter().find(|map| map["metadata"]["labels"]["grafana_dashboard"] == "1").unwrap();
    assert_eq!(map["metadata"]["annotations"]["grafana_folder"], "Platform");
    let text = map["data"]["apitoken-operator.json"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), dashboard());
}
