//! The three vendors as pods behind Services with names, set up and questioned over their control port.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::ListParams};
use serde_json::json;
use testbed::{
    pods::report::{AccountSetup, Served, Setup, VendorReport},
    vendors::Operation,
};

use crate::{images, stage::Stage};

pub const NAMESPACE: &str = "vendors";

/// Name and port in the pod. Behind the Services all have the port 443, as the real ones.
pub const VENDORS: [(&str, u16); 3] = [("palette", 8441), ("tenovos", 8442), ("virtana", 8443)];

/// Where a vendor is, for all in the cluster.
pub fn url(vendor: &str) -> String {
    format!("https://{vendor}.{NAMESPACE}.svc")
}

/// Starts the vendors, if nobody has yet, with tokens that outlive the story unless somebody says otherwise.
pub async fn installed(stage: &Stage) -> Result<()> {
    if stage.kubectl(&["get", "namespace", NAMESPACE]).await.is_ok() {
        return Ok(());
    }
    stage.namespace(NAMESPACE).await?;
    let hosts: Vec<String> = VENDORS.iter().map(|(vendor, _)| format!("{vendor}.{NAMESPACE}.svc")).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let (certificate, key) = stage.authority.issue(&hosts)?.to_pem();
    let items = [
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "vendors-tls" },
            "stringData": { "tls.crt": certificate, "tls.key": key },
        }),
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "authority" },
            "data": { "ca.crt": stage.authority.pem() },
        }),
        deployment(),
    ];
    let services = VENDORS.map(|(vendor, port)| {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": vendor },
            "spec": {
                "selector": { "app": "vendors" },
                "ports": [{ "port": 443, "targetPort": port }],
                // A kubelet that is started again takes all pods for not ready until it has probed them.
                "publishNotReadyAddresses": true,
            },
        })
    });
    let items: Vec<_> = items.into_iter().chain(services).collect();
    stage.apply(NAMESPACE, &json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()).await?;
    let wait = ["-n", NAMESPACE, "rollout", "status", "deployment/vendors", "--timeout=60s"];
    stage.kubectl(&wait).await?;
    for (vendor, _) in VENDORS {
        set_up(stage, vendor, &lifetime(1800)).await?;
    }
    Ok(())
}

fn deployment() -> serde_json::Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "vendors" },
        "spec": {
            "selector": { "matchLabels": { "app": "vendors" } },
            "template": {
                "metadata": { "labels": { "app": "vendors" } },
                "spec": {
                    "automountServiceAccountToken": false,
                    "securityContext": pod_security(),
                    "containers": [{
                        "name": "vendors",
                        "image": images::PODS,
                        "imagePullPolicy": "Never",
                        "args": ["vendors", "--cert", "/tls/tls.crt", "--key", "/tls/tls.key"],
                        "readinessProbe": { "httpGet": { "path": "/", "port": 8080 }, "periodSeconds": 1 },
                        "securityContext": container_security(),
                        "volumeMounts": [{ "name": "tls", "mountPath": "/tls" }],
                    }],
                    "volumes": [{ "name": "tls", "secret": { "secretName": "vendors-tls" } }],
                },
            },
        },
    })
}

/// What *restricted* asks of a pod.
pub fn pod_security() -> serde_json::Value {
    json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } })
}

/// What *restricted* asks of a container.
pub fn container_security() -> serde_json::Value {
    json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": { "drop": ["ALL"] },
    })
}

/// Access tokens of so many seconds from now on.
pub fn lifetime(seconds: u64) -> Setup {
    Setup { lifetime_seconds: Some(seconds), ..Setup::default() }
}

/// An account for the credentials of the samples, or of their shape.
pub fn account(name: &str, password: &str, api_key: Option<&str>) -> Setup {
    let account = AccountSetup {
        name: name.to_owned(),
        password: password.to_owned(),
        org: None,
        api_key: api_key.map(str::to_owned),
    };
    Setup { accounts: vec![account], ..Setup::default() }
}

pub async fn set_up(stage: &Stage, vendor: &str, setup: &Setup) -> Result<()> {
    let url = control_url(stage, vendor).await?;
    stage.post(&url, json!(setup).to_string()).await.map(drop)
}

/// What it was asked so far.
pub async fn report(stage: &Stage, vendor: &str) -> Result<VendorReport> {
    let text = stage.get(&control_url(stage, vendor).await?).await?;
    Ok(serde_json::from_str(&text)?)
}

async fn control_url(stage: &Stage, vendor: &str) -> Result<String> {
    let pods: Api<Pod> = Api::namespaced(stage.client.clone(), NAMESPACE);
    let address = first_address(&pods, "app=vendors").await?;
    Ok(format!("http://{address}:8080/{vendor}"))
}

/// The address of the one pod with the label.
pub async fn first_address(pods: &Api<Pod>, selector: &str) -> Result<String> {
    let listed = pods.list(&ListParams::default().labels(selector)).await?.items;
    ensure!(listed.len() == 1, "{} pods with {selector}", listed.len());
    let status = listed.into_iter().next().and_then(|pod| pod.status);
    status.and_then(|status| status.pod_ip).with_context(|| format!("the pod with {selector} has no address yet"))
}

/// The logins or refreshes of an account that were answered well.
pub fn successes(report: &VendorReport, operation: Operation, account: &str) -> Vec<Served> {
    let wanted = |served: &&Served| {
        served.operation == operation && served.account.as_deref() == Some(account) && served.status == Some(200)
    };
    report.exchanges.iter().filter(wanted).cloned().collect()
}

/// Credentials and an ApiToken for Palette, as a tenant applies them.
pub fn palette_request(name: &str, account: &str, password: &str) -> String {
    let login = format!("{name}-login");
    let items = [
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": login, "labels": { "apitoken.dev/role": "credentials" } },
            "stringData": { "emailId": account, "password": password },
        }),
        json!({
            "apiVersion": "apitoken.dev/v1alpha1", "kind": "ApiToken", "metadata": { "name": name },
            "spec": { "providerRef": { "name": "palette" }, "credentialsRef": { "name": login } },
        }),
    ];
    json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()
}
