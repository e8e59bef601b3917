//! A team of users: the sample manifests applied in a namespace of theirs, with the addresses of this node's vendors,
//! and for each token a Deployment that mounts it and calls its vendor ten times a second.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{Api, ResourceExt, api::ListParams};
use serde_json::{Value, json};
use testbed::{eventually::await_until, pods::report::ConsumerReport, vendors::Operation};

use crate::{
    images, operator,
    stage::{PATIENCE, Stage, repository_file},
    vendors,
};

/// The namespace of the team.
pub const NAMESPACE: &str = "web";

const SAMPLE: &str = "examples/samples/three-vendors.yaml";

/// A token of the sample.
pub struct Token {
    pub vendor: &'static str,
    /// Of the ApiToken and of its output.
    pub name: &'static str,
    /// As which it logs in.
    pub account: &'static str,
}

pub const TOKENS: [Token; 3] = [
    Token { vendor: "palette", name: "clusters", account: "robot@example.com" },
    Token { vendor: "tenovos", name: "assets", account: "robot" },
    Token { vendor: "virtana", name: "monitoring", account: "robot" },
];

/// More ApiTokens, of Palette and with accounts of their own, for stories that want a refresh of their own: of one
/// ApiToken a refresh may be asked for once a minute only, counted from its login too.
pub const SPARE: [&str; 3] = ["evicted", "forced", "killed"];

/// Vendors with the sample's accounts, and the team's namespace; nothing of ours in it yet.
pub async fn prepared(stage: &Stage) -> Result<()> {
    vendors::installed(stage).await?;
    for vendor in ["palette", "tenovos", "virtana"] {
        let login = credentials(&format!("{vendor}-login"))?;
        let field = |names: [&str; 3]| names.iter().find_map(|name| login.get(*name)).cloned().unwrap_or_default();
        let (name, password) = (field(["emailId", "username", "clientId"]), field(["password", "clientSecret", ""]));
        let setup = vendors::account(&name, &password, login.get("apiKey").map(String::as_str));
        vendors::set_up(stage, vendor, &setup).await?;
    }
    if stage.kubectl(&["get", "namespace", NAMESPACE]).await.is_err() {
        stage.namespace(NAMESPACE).await?;
    }
    Ok(())
}

/// The sample, moved to this node's vendors.
pub fn sample(stage: &Stage) -> Result<String> {
    let mut objects = objects()?;
    for object in objects.iter_mut().filter(|object| object["kind"] == "ClusterTokenProvider") {
        let vendor = object["metadata"]["name"].as_str().context("a provider without a name")?.to_owned();
        let prefix = if vendor == "tenovos" { "/v1" } else { "" };
        object["spec"]["url"] = json!(format!("{}{prefix}", vendors::url(&vendor)));
        object["spec"]["tls"] = json!({ "caBundle": stage.authority.pem() });
    }
    Ok(json!({ "apiVersion": "v1", "kind": "List", "items": objects }).to_string())
}

fn objects() -> Result<Vec<Value>> {
    serde_saphyr::from_multiple(&repository_file(SAMPLE)?).with_context(|| format!("{SAMPLE} is not YAML"))
}

fn credentials(secret: &str) -> Result<BTreeMap<String, String>> {
    let objects = objects()?;
    let found = objects.iter().find(|object| object["kind"] == "Secret" && object["metadata"]["name"] == secret);
    let found = found.with_context(|| format!("{SAMPLE} has no Secret {secret}"))?;
    Ok(serde_json::from_value(found["stringData"].clone())?)
}

/// The operator, the vendors, and the team with valid tokens and pods that use them.
pub async fn at_work(stage: &Stage) -> Result<()> {
    operator::installed(stage).await?;
    let at_work = stage.kubectl(&["-n", NAMESPACE, "get", "deployments", "-o", "name"]).await;
    if at_work.is_ok_and(|names| names.lines().count() == TOKENS.len()) {
        return all_ready(stage).await;
    }
    prepared(stage).await?;
    stage.apply(NAMESPACE, &sample(stage)?).await?;
    all_ready(stage).await?;
    consumers_started(stage).await?;
    for name in SPARE {
        let account = format!("{name}@example.com");
        vendors::set_up(stage, "palette", &vendors::account(&account, "change-me", None)).await?;
        stage.apply(NAMESPACE, &vendors::palette_request(name, &account, "change-me")).await?;
    }
    // From here on the kubelet has something to show, in its own time, while stories go on.
    for token in &TOKENS {
        ask_for_refresh(stage, token.name, "for the kubelet").await?;
    }
    Ok(())
}

/// Returns when the renewals are over that were asked for when the team went to work, and when others are heeded at
/// once: a minute after the logins.
pub async fn renewed_once(stage: &Stage) -> Result<()> {
    for token in &TOKENS {
        await_until("the first renewal", PATIENCE, async || {
            let given = given(stage, token).await?.len();
            ensure!(given > 1, "{}: {given} token was given", token.vendor);
            anyhow::Ok(())
        })
        .await;
    }
    await_until("a minute to be over since the spare tokens came", PATIENCE, async || {
        let report = vendors::report(stage, "palette").await?;
        let spare = SPARE.map(|name| vendors::successes(&report, Operation::Login, &format!("{name}@example.com")));
        let youngest = spare.iter().flatten().filter_map(|served| served.answered).max().context("no login")?;
        let age = Timestamp::now().duration_since(youngest);
        ensure!(age > SignedDuration::from_secs(61), "{age:#} since the last login");
        anyhow::Ok(())
    })
    .await;
    Ok(())
}

pub async fn all_ready(stage: &Stage) -> Result<()> {
    let wait = ["-n", NAMESPACE, "wait", "apitokens", "--all", "--for=condition=Ready", "--timeout=60s"];
    stage.kubectl(&wait).await.map(drop)
}

/// Returns when each has had a call accepted.
async fn consumers_started(stage: &Stage) -> Result<()> {
    let authority = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "authority" },
        "data": { "ca.crt": stage.authority.pem() },
    });
    let items: Vec<Value> = std::iter::once(authority).chain(TOKENS.iter().map(deployment)).collect();
    stage.apply(NAMESPACE, &json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()).await?;
    for token in &TOKENS {
        await_until("the first accepted call of a consumer", PATIENCE, async || {
            let report = consumer(stage, token).await?;
            ensure!(report.counts.accepted > 0, "{}: {:?}", token.vendor, report.counts);
            anyhow::Ok(())
        })
        .await;
    }
    Ok(())
}

/// The Deployment of docs/consume.md, but for its names, its program, and the authority that this program trusts.
fn deployment(token: &Token) -> Value {
    let manifest = include_str!("../../examples/consume/file.yaml")
        .replace("registry.example.com/reader:1.0", images::PODS)
        .replace("reader", &format!("uses-{}", token.vendor))
        .replace("secretName: assets", &format!("secretName: {}", token.name))
        // Octal, as Kubernetes reads YAML; not everybody does.
        .replace("0440", "288");
    let mut deployment: Value = serde_saphyr::from_str(&manifest).expect("an example is YAML");
    let pod = &mut deployment["spec"]["template"]["spec"];
    let url = vendors::url(token.vendor);
    let key = if token.vendor == "tenovos" { "change-me-too" } else { "" };
    let container = &mut pod["containers"][0];
    container["imagePullPolicy"] = json!("Never");
    container["args"] = json!([
        "consumer",
        "--vendor",
        token.vendor,
        "--url",
        url,
        "--ca",
        "/authority/ca.crt",
        "--directory",
        "/var/run/tokens/assets",
        "--api-key",
        key,
    ]);
    add(&mut container["volumeMounts"], json!({ "name": "authority", "mountPath": "/authority", "readOnly": true }));
    add(&mut pod["volumes"], json!({ "name": "authority", "configMap": { "name": "authority" } }));
    deployment
}

fn add(list: &mut Value, item: Value) {
    list.as_array_mut().expect("an example has this list").push(item);
}

/// The tokens that the vendor gave, with when: by refreshes, or where there are none by logins.
pub async fn given(stage: &Stage, token: &Token) -> Result<Vec<(Vec<String>, Timestamp)>> {
    let report = vendors::report(stage, token.vendor).await?;
    let operations = [Operation::Login, Operation::Refresh];
    let served = operations.into_iter().flat_map(|operation| vendors::successes(&report, operation, token.account));
    let mut given: Vec<_> = served.map(|served| (served.issued, served.answered.unwrap_or(served.received))).collect();
    given.sort_by_key(|(_, at)| *at);
    Ok(given)
}

/// How the calls of the token's consumer went since its pod was started.
pub async fn consumer(stage: &Stage, token: &Token) -> Result<ConsumerReport> {
    let pods: Api<Pod> = Api::namespaced(stage.client.clone(), NAMESPACE);
    let address = vendors::first_address(&pods, &format!("app=uses-{}", token.vendor)).await?;
    Ok(serde_json::from_str(&stage.get(&format!("http://{address}:8080/")).await?)?)
}

/// That no call of a pod was ever refused or unanswered, and no pod was started twice.
pub async fn assert_undisturbed(stage: &Stage) -> Result<()> {
    for token in &TOKENS {
        let counts = consumer(stage, token).await?.counts;
        assert!(counts.refused.is_empty(), "{} refused calls of a pod: {:?}", token.vendor, counts.refused);
        assert!(counts.unanswered.is_empty(), "{} did not answer a pod: {:?}", token.vendor, counts.unanswered);
        assert_eq!(counts.without_token, 0, "the pod of {} found no token", token.vendor);
    }
    let pods: Api<Pod> = Api::namespaced(stage.client.clone(), NAMESPACE);
    for pod in pods.list(&ListParams::default()).await? {
        assert_eq!(operator::restarts(&pod), 0, "{} was started again", pod.name_any());
    }
    Ok(())
}

/// The output of a token, as it stands in the cluster.
pub async fn output(stage: &Stage, token: &Token) -> Result<Secret> {
    let secrets: Api<Secret> = Api::namespaced(stage.client.clone(), NAMESPACE);
    Ok(secrets.get(token.name).await?)
}

/// Asks for a refresh of an ApiToken now, as docs/operations.md says. Once a minute this is heeded.
pub async fn ask_for_refresh(stage: &Stage, apitoken: &str, text: &str) -> Result<()> {
    let annotation = format!("apitoken.dev/refresh-requested-at={text}");
    stage.kubectl(&["-n", NAMESPACE, "annotate", "apitoken", apitoken, &annotation, "--overwrite"]).await.map(drop)
}
