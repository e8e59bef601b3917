//! ServiceMonitor and PodMonitor: made where their API is, and pointing at what the chart installs.

use serde_json::{Value, json};

use crate::chart::{MONITORING, of_kind, render, the, try_render};

const ALL: [&str; 2] = ["serviceMonitor.enabled=true", "prometheusRule.enabled=true"];

fn endpoint<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let list = if kind == "ServiceMonitor" { "endpoints" } else { "podMetricsEndpoints" };
    &the(objects, kind)["spec"][list][0]
}

/// Whether a selector finds what has these labels.
fn selects(selector: &Value, labels: &Value) -> bool {
    selector["matchLabels"].as_object().unwrap().iter().all(|(key, value)| labels[key] == *value)
}

#[test]
fn where_the_prometheus_operator_is_not_installed_nothing_of_its_kinds_is_made() {
    let values = [&ALL[..], &["dashboard.enabled=true"]].concat();
    let objects = try_render(&[], &values).unwrap();
    assert!(objects.iter().all(|object| object["apiVersion"] != MONITORING));
    assert_eq!(of_kind(&render(&values), "ServiceMonitor").len(), 1);
}

#[test]
fn by_default_none_is_made() {
    assert!(render(&[]).iter().all(|object| object["apiVersion"] != MONITORING));
}

#[test]
fn a_service_monitor_finds_the_service_and_its_port() {
    let objects = render(&ALL);
    let (monitor, service) = (the(&objects, "ServiceMonitor"), the(&objects, "Service"));
    assert!(selects(&monitor["spec"]["selector"], &service["metadata"]["labels"]));
    assert_eq!(endpoint(&objects, "ServiceMonitor")["port"], service["spec"]["ports"][0]["name"]);
}

#[test]
fn a_pod_monitor_finds_the_pods_and_their_port() {
    let objects = render(&["podMonitor.enabled=true"]);
    let (monitor, deployment) = (the(&objects, "PodMonitor"), the(&objects, "Deployment"));
    let pod = &deployment["spec"]["template"];
    assert!(selects(&monitor["spec"]["selector"], &pod["metadata"]["labels"]));
    assert_eq!(endpoint(&objects, "PodMonitor")["port"], pod["spec"]["containers"][0]["ports"][0]["name"]);
}

#[test]
fn labels_of_the_metrics_are_kept_because_their_namespace_is_the_apitokens() {
    for (kind, value) in [("ServiceMonitor", ALL[0]), ("PodMonitor", "podMonitor.enabled=true")] {
        assert_eq!(endpoint(&render(&[value]), kind)["honorLabels"], true);
    }
}

#[test]
fn both_monitors_at_once_are_refused_because_they_would_scrape_each_pod_twice() {
    let refusal = try_render(&[], &["serviceMonitor.enabled=true", "podMonitor.enabled=true"]).unwrap_err();
    assert!(refusal.contains("enable one of them"), "{refusal}");
}

#[test]
fn labels_interval_and_further_fields_are_values() {
    let objects = render(&[
        ALL[0],
        "serviceMonitor.labels.release=monitoring",
        "serviceMonitor.interval=15s",
        "serviceMonitor.extraFields.scrapeTimeout=5s",
    ]);
    assert_eq!(the(&objects, "ServiceMonitor")["metadata"]["labels"]["release"], "monitoring");
    let endpoint = endpoint(&objects, "ServiceMonitor");
    assert_eq!((&endpoint["interval"], &endpoint["scrapeTimeout"]), (&json!("15s"), &json!("5s")));
}
