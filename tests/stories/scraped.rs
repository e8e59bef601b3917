//! The real Prometheus at the real `/metrics`: it gets in with a ServiceAccount's token, understands what it reads, and
//! evaluates the alerts with it.

use std::{fs, path::Path, process::Stdio};

use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::{eventually::await_until, lifeline::Lifeline, ports::Port};
use tokio::process::{Child, Command};

use crate::{
    metrics_auth::{Guarded, account, guarded, let_get_metrics},
    world::{PATIENCE, repository},
};

struct Prometheus {
    port: Port,
    client: Client,
    _process: Child,
    _lifeline: Lifeline,
    _directory: TempDir,
}

/// What the chart's ServiceMonitor makes of it, for one pod.
fn configuration(guarded: &Guarded, token: &str, ca: &Path) -> Value {
    let target = guarded.operator.url().replace("http://", "");
    let alerts = repository().join("charts/apitoken-operator/files/alerts");
    json!({
        "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
        "rule_files": [alerts.join("objects.yaml"), alerts.join("always.yaml")],
        "scrape_configs": [{
            "job_name": "apitoken-operator",
            "scheme": "https",
            "honor_labels": true,
            "authorization": { "credentials": token },
            "tls_config": { "ca_file": ca },
            "static_configs": [{ "targets": [target], "labels": { "namespace": "apitoken-system", "pod": "one" } }],
        }],
    })
}

impl Prometheus {
    fn start(guarded: &Guarded, token: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let file = |name: &str| directory.path().join(name);
        fs::write(file("ca.crt"), guarded.world.ca.pem()).expect("a file");
        let configuration = configuration(guarded, token, &file("ca.crt"));
        fs::write(file("prometheus.yaml"), configuration.to_string()).expect("a file");
        let port = Port::reserve().expect("a port");
        let mut command = Command::new("prometheus");
        command.arg(format!("--web.listen-address={}", port.address()));
        command.arg(format!("--config.file={}", file("prometheus.yaml").display()));
        command.arg(format!("--storage.tsdb.path={}", file("data").display()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let process = command.spawn().expect("prometheus starts: it is in Debian's package of that name");
        let lifeline = Lifeline::of_process(process.id().expect("it runs")).expect("a shell");
        let client = Client::builder().no_proxy().build().expect("a client");
        Self { port, client, _process: process, _lifeline: lifeline, _directory: directory }
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, String> {
        let mut url: url::Url = format!("http://{}/api/v1/{path}", self.port.address()).parse().expect("a URL");
        url.query_pairs_mut().extend_pairs(query);
        let answer = self.client.get(url).send().await.map_err(|error| error.to_string())?;
        let text = answer.text().await.map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        Ok(answer["data"].take())
    }

    /// Waits until a query has a result, and returns the labels of its first series.
    async fn labels(&self, query: &str) -> Value {
        await_until(query, PATIENCE, async || {
            let data = self.get("query", &[("query", query)]).await?;
            let first = data["result"][0]["metric"].clone();
            if first.is_object() { Ok(first) } else { Err(self.get("targets", &[]).await?.to_string()) }
        })
        .await
    }
}

#[tokio::test]
async fn prometheus_scrapes_the_operator_as_a_service_account_and_evaluates_every_alert() {
    let guarded = guarded(true).await;
    let token = account(&guarded.world, "prometheus").await;
    let_get_metrics(&guarded.world, "prometheus").await;
    guarded.world.token_with("assets", json!({ "providerRef": { "name": "nobody" } })).await;
    let prometheus = Prometheus::start(&guarded, &token);

    assert_eq!(prometheus.labels("apitoken_build_info").await["version"], env!("CARGO_PKG_VERSION"));
    // The ApiToken's namespace, not that of the pod.
    let ready = prometheus.labels(r#"apitoken_ready{reason="ProviderNotFound"}"#).await;
    assert_eq!((&ready["namespace"], &ready["name"]), (&json!(guarded.world.namespace), &json!("assets")));
    for counter in ["apitoken_api_requests_total", "apitoken_reconcile_duration_seconds_bucket"] {
        prometheus.labels(counter).await;
    }

    let pending = prometheus.labels(r#"ALERTS{alertname="ApiTokenNotReady"}"#).await;
    assert_eq!((&pending["alertstate"], &pending["name"]), (&json!("pending"), &json!("assets")));
    let rules = await_until("every alert is evaluated", PATIENCE, async || {
        let rules = prometheus.get("rules", &[]).await?;
        let groups = rules["groups"].as_array().into_iter().flatten();
        let rules: Vec<_> = groups.flat_map(|group| group["rules"].as_array().into_iter().flatten().cloned()).collect();
        if rules.iter().any(|rule| rule["health"] == "unknown") { Err(json!(rules).to_string()) } else { Ok(rules) }
    })
    .await;
    assert!(rules.len() >= 13, "{rules:?}");
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
}
