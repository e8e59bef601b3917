//! The alerts: each fires when it should and stays silent when it should not, and tells what to do.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};

use crate::{
    chart::{MONITORING, render, repository, the, try_render},
    promtool, served,
};

/// With series for each ApiToken, and without; and the stories of each.
const VARIANTS: [(&str, &[&str]); 2] = [("true", &["objects", "always"]), ("false", &["counts", "always"])];

/// The rules that the chart renders.
fn rules(object_metrics: &str) -> Value {
    let objects = render(&["prometheusRule.enabled=true", &format!("objectMetrics={object_metrics}")]);
    the(&objects, "PrometheusRule")["spec"].clone()
}

fn alerts(rules: &Value) -> Vec<&Value> {
    let groups = rules["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect()
}

fn names(rules: &Value) -> BTreeSet<String> {
    alerts(rules).iter().map(|alert| alert["alert"].as_str().unwrap().to_owned()).collect()
}

fn stories(file: &str) -> String {
    fs::read_to_string(repository().join(format!("tests/monitoring/alerts/{file}.yaml"))).unwrap()
}

/// The alerts of which the stories expect that they fire, or that they are silent.
fn told(files: &[&str], firing: bool) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    for file in files {
        let stories: Value = serde_saphyr::from_str(&stories(file)).unwrap();
        let tests = stories["tests"].as_array().unwrap();
        for moment in tests.iter().flat_map(|test| test["promql_expr_test"].as_array().unwrap()) {
            if firing != moment["exp_samples"].as_array().unwrap().is_empty() {
                let (_, name) = moment["expr"].as_str().unwrap().split_once("alertname=\"").unwrap();
                told.insert(name.split('"').next().unwrap().to_owned());
            }
        }
    }
    told
}

#[test]
fn each_alert_fires_when_it_should_and_stays_silent_when_it_should_not() {
    for (object_metrics, files) in VARIANTS {
        let rules = rules(object_metrics);
        for file in files {
            promtool::test(&rules, &stories(file)).unwrap_or_else(|said| panic!("{file}: {said}"));
        }
        assert_eq!(told(files, true), names(&rules), "alerts that are seen to fire");
        assert_eq!(told(files, false), names(&rules), "alerts that are seen to be silent");
    }
}

#[test]
fn an_alert_that_never_fires_or_always_would_be_found() {
    for expression in ["vector(1) > 2", "vector(1)"] {
        for (object_metrics, files) in VARIANTS {
            let mut broken = rules(object_metrics);
            for group in broken["groups"].as_array_mut().unwrap() {
                group["rules"].as_array_mut().unwrap().iter_mut().for_each(|alert| alert["expr"] = json!(expression));
            }
            let said: String = files.iter().map(|file| promtool::test(&broken, &stories(file)).unwrap_err()).collect();
            for name in names(&broken) {
                assert!(said.contains(&format!("alertname=\\\"{name}\\\"")), "{name} as {expression}: {said}");
            }
        }
    }
}

#[test]
fn each_alert_tells_what_is_wrong_what_to_run_and_where_to_read_on() {
    let operations = fs::read_to_string(repository().join("docs/operations.md")).unwrap();
    for (object_metrics, _) in VARIANTS {
        let rules = rules(object_metrics);
        promtool::check(&rules).unwrap();
        for alert in alerts(&rules) {
            let name = alert["alert"].as_str().unwrap();
            let annotation = |key: &str| alert["annotations"][key].as_str().unwrap_or_else(|| panic!("{name}: {key}"));
            assert!(!annotation("summary").contains('\n'), "{name}");
            let commands = annotation("description").lines().filter(|line| line.starts_with("  ")).count();
            assert!(commands > 0 && !annotation("description").contains("OPERATOR_"), "{name}");
            assert_eq!(annotation("runbook_url"), format!("docs/operations.md#{}", name.to_lowercase()));
            assert!(operations.lines().any(|line| line == format!("### {name}")), "no remedy for {name} in the docs");
            assert!(["critical", "warning"].contains(&alert["labels"]["severity"].as_str().unwrap()), "{name}");
        }
    }
}

#[test]
fn the_documentation_has_remedies_for_these_alerts_and_no_others() {
    let operations = fs::read_to_string(repository().join("docs/operations.md")).unwrap();
    let documented = operations.lines().filter_map(|line| line.strip_prefix("### ApiToken"));
    let documented: BTreeSet<_> = documented.map(|name| format!("ApiToken{name}")).collect();
    assert_eq!(documented, VARIANTS.iter().flat_map(|(object_metrics, _)| names(&rules(object_metrics))).collect());
}

#[test]
fn alerts_ask_for_metrics_that_are_served() {
    let text = served::text();
    for (object_metrics, _) in VARIANTS {
        for alert in alerts(&rules(object_metrics)) {
            assert_eq!(served::mistakes(alert["expr"].as_str().unwrap(), &text), [""; 0], "{}", alert["alert"]);
        }
    }
}

#[test]
fn the_rule_files_can_be_loaded_without_the_chart() {
    for file in ["objects", "counts", "always"] {
        let path = repository().join(format!("charts/apitoken-operator/files/alerts/{file}.yaml"));
        promtool::check(&serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap()).unwrap();
    }
}

#[test]
fn severity_labels_and_runbook_of_an_alert_are_values() {
    let objects = render(&[
        "prometheusRule.enabled=true",
        "prometheusRule.labels.release=monitoring",
        "prometheusRule.severities.ApiTokenExpired=page",
        "prometheusRule.alertLabels.team=platform",
        "prometheusRule.disabled={ApiTokenProviderClockSkewed}",
        "prometheusRule.runbookUrl=https://example.com/operations",
    ]);
    let rule = the(&objects, "PrometheusRule");
    assert_eq!(rule["metadata"]["labels"]["release"], "monitoring");
    assert!(!names(&rule["spec"]).contains("ApiTokenProviderClockSkewed"));
    let all = alerts(&rule["spec"]);
    let expired = all.iter().find(|alert| alert["alert"] == "ApiTokenExpired").unwrap();
    assert_eq!(expired["labels"], json!({ "severity": "page", "team": "platform" }));
    assert_eq!(expired["annotations"]["runbook_url"], "https://example.com/operations#apitokenexpired");
}

#[test]
fn a_misspelt_alert_is_refused_with_the_names_that_there_are() {
    for value in ["prometheusRule.disabled={ApiTokenExpires}", "prometheusRule.severities.ApiTokenExpires=page"] {
        let refusal = try_render(&[MONITORING], &["prometheusRule.enabled=true", value]).unwrap_err();
        assert!(refusal.contains("no alert is called ApiTokenExpires") && refusal.contains("ApiTokenExpiresSoon"));
    }
}
