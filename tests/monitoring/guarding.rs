//! `/metrics` over HTTPS and for those who may: what the chart changes for that, all of it and nothing else.

use serde_json::{Value, json};

use crate::chart::{of_kind, render, the, try_render};

const GUARDED: [&str; 2] = ["metricsAuth=kubernetes", "listenTls=metrics-tls"];

fn container(objects: &[Value]) -> &Value {
    &the(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
}

fn variable<'a>(objects: &'a [Value], name: &str) -> Option<&'a str> {
    let all = container(objects)["env"].as_array().unwrap();
    all.iter().find(|variable| variable["name"] == name)?["value"].as_str()
}

/// Whether some role allows to create this.
fn may_create(objects: &[Value], resource: &str) -> bool {
    let roles = objects.iter().filter(|object| object["kind"].as_str().is_some_and(|kind| kind.ends_with("Role")));
    let mut rules = roles.flat_map(|role| role["rules"].as_array().into_iter().flatten());
    rules.any(|rule| rule["resources"].as_array().is_some_and(|resources| resources.contains(&json!(resource))))
}

#[test]
fn a_certificate_is_mounted_and_probes_ask_over_https() {
    let objects = render(&["listenTls=metrics-tls"]);
    assert_eq!(variable(&objects, "APITOKEN_LISTEN_TLS"), Some("/tls"));
    assert_eq!(variable(&objects, "APITOKEN_METRICS_AUTH"), Some("none"));
    assert_eq!(container(&objects)["volumeMounts"][0], json!({ "name": "tls", "mountPath": "/tls", "readOnly": true }));
    let volumes = &the(&objects, "Deployment")["spec"]["template"]["spec"]["volumes"];
    assert_eq!(volumes[0], json!({ "name": "tls", "secret": { "secretName": "metrics-tls" } }));
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        assert_eq!(container(&objects)[probe]["httpGet"]["scheme"], "HTTPS", "{probe}");
    }
    let test = of_kind(&objects, "Pod")[0]["spec"]["containers"][0]["args"].to_string();
    assert!(test.contains("https://"), "{test}");
}

#[test]
fn the_right_to_review_is_granted_only_where_it_is_used() {
    for resource in ["tokenreviews", "subjectaccessreviews"] {
        assert!(!may_create(&render(&["listenTls=metrics-tls"]), resource), "{resource}");
        assert!(may_create(&render(&GUARDED), resource), "{resource}");
        assert!(may_create(&render(&[&GUARDED[..], &["namespaces={web}"]].concat()), resource), "{resource}");
    }
}

#[test]
fn bearer_tokens_in_the_clear_are_refused() {
    let refusal = try_render(&[], &["metricsAuth=kubernetes"]).unwrap_err();
    assert!(refusal.contains("listenTls") && refusal.contains("in the clear"), "{refusal}");
}

#[test]
fn prometheus_asks_over_https_as_itself_and_trusts_the_authority_in_the_secret() {
    let objects = render(&[&GUARDED[..], &["serviceMonitor.enabled=true"]].concat());
    let endpoint = &the(&objects, "ServiceMonitor")["spec"]["endpoints"][0];
    assert_eq!(endpoint["scheme"], "https");
    assert_eq!(endpoint["bearerTokenFile"], "/var/run/secrets/kubernetes.io/serviceaccount/token");
    let trust = json!({
        "serverName": "apitoken-operator.apitoken-system.svc",
        "ca": { "secret": { "name": "metrics-tls", "key": "ca.crt" } },
    });
    assert_eq!(endpoint["tlsConfig"], trust);
}

#[test]
fn a_pod_monitor_needs_a_token_of_its_own() {
    let refusal = try_render(&[], &[&GUARDED[..], &["podMonitor.enabled=true"]].concat()).unwrap_err();
    assert!(refusal.contains("podMonitor.authorization"), "{refusal}");
    let token = "podMonitor.authorization.credentials.name=prometheus-token";
    let objects = render(&[&GUARDED[..], &["podMonitor.enabled=true", token]].concat());
    let endpoint = &the(&objects, "PodMonitor")["spec"]["podMetricsEndpoints"][0];
    assert_eq!(endpoint["authorization"]["credentials"]["name"], "prometheus-token");
}
