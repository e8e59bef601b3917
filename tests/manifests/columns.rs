//! What `kubectl get` shows, as the API server itself lays it out in its Table answer.

use kube::{
    Client,
    api::{DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};
use testbed::{control_plane::ControlPlane, users::User};

use crate::applying::{admin, api, apply, cluster, yaml};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// The Table of one object: names and cells, those of `kubectl get` or also those of `-o wide`.
async fn row(client: &Client, path: &str, wide: bool) -> Vec<(String, Value)> {
    let request = http::Request::get(path).header(http::header::ACCEPT, TABLE).body(Vec::new()).unwrap();
    let table: Value = client.request(request).await.unwrap();
    let columns = table["columnDefinitions"].as_array().unwrap();
    let cells = table["rows"][0]["cells"].as_array().unwrap();
    let shown = columns.iter().zip(cells).filter(|(column, _)| wide || column["priority"] == 0);
    shown.map(|(column, cell)| (column["name"].as_str().unwrap().to_uppercase(), cell.clone())).collect()
}

fn names(row: &[(String, Value)]) -> Vec<&str> {
    row.iter().map(|(name, _)| name.as_str()).collect()
}

/// The cells but for AGE, which depends on the clock.
fn cells(row: &[(String, Value)]) -> Vec<&str> {
    row.iter().filter(|(name, _)| name != "AGE").map(|(_, cell)| cell.as_str().unwrap_or("(not a text)")).collect()
}

async fn applied(cluster: &ControlPlane, client: &Client, manifest: &str) -> (String, DynamicObject) {
    let namespace = cluster.namespace("columns").await.unwrap();
    let kept = apply(client, &namespace, &yaml(manifest)).await.unwrap();
    (namespace, kept)
}

async fn report(client: &Client, kind: &str, namespace: &str, name: &str, status: Value) {
    let patch = Patch::Merge(json!({ "status": status }));
    api(client, kind, namespace).patch_status(name, &PatchParams::default(), &patch).await.unwrap();
}

const TOKEN: &str = "{ apiVersion: apitoken.dev/v1alpha1, kind: ApiToken, metadata: { name: assets }, \
                      spec: { providerRef: { name: tenovos } } }";

fn issued() -> Value {
    json!({
        "observedGeneration": 1,
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "Issued", "message": "the token is valid",
            "lastTransitionTime": "2030-01-01T00:00:00Z",
        }],
        "secretName": "assets-token",
        "lastOperation": "Refresh",
        "expiresAt": "2030-01-01T01:00:00Z",
        "renewAt": "2030-01-01T00:40:00Z",
    })
}

#[tokio::test]
async fn an_api_token_shows_state_provider_secret_and_expiry() {
    let cluster = cluster().await;
    let client = admin(cluster);
    let (namespace, _) = applied(cluster, &client, TOKEN).await;
    report(&client, "ApiToken", &namespace, "assets", issued()).await;
    let path = format!("/apis/apitoken.dev/v1alpha1/namespaces/{namespace}/apitokens/assets");

    let narrow = row(&client, &path, false).await;
    assert_eq!(names(&narrow), ["NAME", "READY", "REASON", "PROVIDER", "SECRET", "EXPIRES", "AGE"]);
    let expected = ["assets", "True", "Issued", "tenovos", "assets-token", "2030-01-01T01:00:00Z"];
    assert_eq!(cells(&narrow), expected);

    let wide = row(&client, &path, true).await;
    assert_eq!(names(&wide)[..7], names(&narrow)[..]);
    assert_eq!(names(&wide)[7..], ["RENEWS", "OPERATION", "MESSAGE"]);
    assert_eq!(cells(&wide)[6..], ["2030-01-01T00:40:00Z", "Refresh", "the token is valid"]);
}

#[tokio::test]
async fn a_provider_shows_whether_it_can_be_used_and_where_it_points() {
    let cluster = cluster().await;
    let client = admin(cluster);
    for (kind, plural, scope) in
        [("TokenProvider", "tokenproviders", "namespaces/{}/"), ("ClusterTokenProvider", "clustertokenproviders", "")]
    {
        let manifest = format!(
            "{{ apiVersion: apitoken.dev/v1alpha1, kind: {kind}, metadata: {{ name: columns }}, \
                spec: {{ preset: Palette, url: 'https://palette.example.com' }} }}"
        );
        let (namespace, _) = applied(cluster, &client, &manifest).await;
        let condition = json!({
            "type": "Ready", "status": "False", "reason": "ProviderInvalid", "message": "the preset is not allowed",
            "lastTransitionTime": "2030-01-01T00:00:00Z",
        });
        report(&client, kind, &namespace, "columns", json!({ "conditions": [condition] })).await;
        let path = format!("/apis/apitoken.dev/v1alpha1/{}{plural}/columns", scope.replace("{}", &namespace));

        let narrow = row(&client, &path, false).await;
        assert_eq!(names(&narrow), ["NAME", "READY", "REASON", "PRESET", "URL", "AGE"]);
        assert_eq!(cells(&narrow), ["columns", "False", "ProviderInvalid", "Palette", "https://palette.example.com"]);
        let wide = row(&client, &path, true).await;
        assert_eq!(names(&wide)[6..], ["MESSAGE"]);
        assert_eq!(cells(&wide)[5..], ["the preset is not allowed"]);
    }
}

#[tokio::test]
async fn a_new_api_token_is_pending_until_the_operator_has_looked_at_it() {
    let cluster = cluster().await;
    let client = admin(cluster);
    let (namespace, made) = applied(cluster, &client, TOKEN).await;
    let read = api(&client, "ApiToken", &namespace).get("assets").await.unwrap();
    for object in [&made, &read] {
        let condition = &object.data["status"]["conditions"][0];
        assert_eq!((&condition["type"], &condition["status"]), (&json!("Ready"), &json!("Unknown")));
        assert_eq!(condition["reason"], "Pending");
        assert!(!reads_current(object), "kstatus would take it for done: {:?}", object.data["status"]);
    }
    report(&client, "ApiToken", &namespace, "assets", issued()).await;
    let issued = api(&client, "ApiToken", &namespace).get("assets").await.unwrap();
    assert!(reads_current(&issued), "kstatus would wait for ever: {:?}", issued.data["status"]);
}

/// How kstatus (kubectl apply --prune, Argo CD, Flux) reads an object of a kind that it does not know: it waits while
/// the generation is not the observed one, or Ready is not True, or a condition says Reconciling or Stalled.
fn reads_current(object: &DynamicObject) -> bool {
    let status = &object.data["status"];
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let says = |kind: &str, value: &str| conditions.iter().any(|c| c["type"] == kind && c["status"] == value);
    let observed = status["observedGeneration"].as_i64();
    observed.is_none_or(|observed| Some(observed) == object.metadata.generation)
        && !says("Reconciling", "True")
        && !says("Stalled", "True")
        && !says("Ready", "False")
        && !says("Ready", "Unknown")
}

#[tokio::test]
async fn kubectl_knows_the_short_name_and_the_category() {
    let cluster = cluster().await;
    let client = admin(cluster);
    let (namespace, _) = applied(cluster, &client, TOKEN).await;
    let provider = "{ apiVersion: apitoken.dev/v1alpha1, kind: TokenProvider, metadata: { name: own }, \
                      spec: { preset: Palette } }";
    apply(&client, &namespace, &yaml(provider)).await.unwrap();
    let general = provider.replace("TokenProvider", "ClusterTokenProvider").replace("own", "shared-by-category");
    apply(&client, &namespace, &yaml(&general)).await.unwrap();

    assert_eq!(
        kubectl(cluster, &["get", "apit", "-n", &namespace, "-o", "name"]).await,
        "apitoken.apitoken.dev/assets\n"
    );
    let all = kubectl(cluster, &["get", "apitoken-operator", "-A", "-o", "name"]).await;
    for name in ["apitoken.apitoken.dev/assets", "tokenprovider.apitoken.dev/own"] {
        assert!(all.contains(name), "{name} is missing:\n{all}");
    }
    assert!(all.contains("clustertokenprovider.apitoken.dev/shared-by-category"), "{all}");
}

#[tokio::test]
async fn kubectl_wait_returns_when_the_token_is_there() {
    let cluster = cluster().await;
    let client = admin(cluster);
    let (namespace, _) = applied(cluster, &client, TOKEN).await;
    report(&client, "ApiToken", &namespace, "assets", issued()).await;
    let wait = ["wait", "--for=condition=Ready", "--timeout=60s", "apitoken/assets", "-n", &namespace];
    assert_eq!(kubectl(cluster, &wait).await, "apitoken.apitoken.dev/assets condition met\n");
}

pub async fn kubectl(cluster: &ControlPlane, arguments: &[&str]) -> String {
    let output = cluster.kubectl(&User::Admin).unwrap().args(arguments).output().await.unwrap();
    assert!(output.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
