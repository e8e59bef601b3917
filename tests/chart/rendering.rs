//! What is rendered: kept as golden files where it is the default, and taken by a real API server whatever is set.

use std::fs;

use serde_json::{Value, json};
use testbed::users::User;

use crate::{
    files::holds,
    helm::{self, NAMESPACE, chart, of_kind, repository},
    installation::{Installation, PATIENCE},
    readme,
};

/// Sets of values that people have.
const MATRIX: &[&[&str]] = &[
    &[],
    &["crds.keep=false"],
    &["replicas=1", "leaderElect=false", "podDisruptionBudget.enabled=false"],
    &["replicas=3", "priorityClassName=system-cluster-critical"],
    &["namespaces={web}", "presets={Palette,Virtana}"],
    &["namespaces={web,shop}"],
    &["namespaces={web}", "clusterProviders=off"],
    &["namespaces={apitoken-system}", "clusterProviders=report", "rbac.clusterProviderSecrets={corp-ca,corp-client}"],
    &["operatorNamespace=shop", "clusterProviders=read"],
    &["fullnameOverride=tokens", "commonLabels.team=platform", "podLabels.a=b", "podAnnotations.c=d"],
    &["serviceAccount.create=false", "serviceAccount.name=default", "rbac.create=false", "rbac.userRoles=false"],
    &["listenTls=metrics-tls", "metricsAuth=kubernetes", "dashboard.enabled=true"],
    &["networkPolicy.enabled=false", "admissionPolicies.enabled=false"],
    // Where their API is not served, there are none.
    &["serviceMonitor.enabled=true", "prometheusRule.enabled=true"],
    &[
        "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.name=monitoring",
        "networkPolicy.dnsTo[0].ipBlock.cidr=169.254.20.10/32",
        "networkPolicy.apiServerCidrs={10.96.0.1/32}",
        "networkPolicy.providerPorts={443,8443}",
        "networkPolicy.extraEgress[0].ports[0].port=3128",
    ],
    &[
        "admissionPolicies.providers.allowedHosts={api.example.com,*.example.org}",
        "admissionPolicies.providers.httpsOnly=false",
        "admissionPolicies.exemptUsers={system:serviceaccount:velero:velero}",
        "rbac.aggregate=false",
    ],
    &[
        "image.digest=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "imagePullSecrets[0].name=registry",
        "listen=[::]:9090",
        "service.port=9090",
        "allowProviderCidr={10.0.0.0/8,fd00::/8}",
        "noProviderProxy={vault.example.com}",
        "env[0].name=APITOKEN_PROVIDER_PROXY",
        "env[0].valueFrom.secretKeyRef.name=proxy",
        "env[0].valueFrom.secretKeyRef.key=url",
        "nodeSelector.disk=ssd",
        "tolerations[0].operator=Exists",
        "volumes[0].name=tmp",
        "volumes[0].emptyDir.medium=Memory",
        "volumeMounts[0].name=tmp",
        "volumeMounts[0].mountPath=/tmp",
        "serviceAccount.annotations.a=b",
    ],
];

#[tokio::test]
async fn helm_finds_nothing_to_complain_about() {
    helm::helm(None, &["lint", "--strict", chart().to_str().unwrap()]).await.unwrap();
}

#[tokio::test]
async fn what_is_installed_by_default_and_in_namespace_mode_stands_in_golden_files() {
    let golden = repository().join("tests/chart/golden");
    let rendered = helm::template(&["crds.enabled=false"]).await.unwrap();
    holds(&golden.join("default.yaml"), &rendered);
    let rendered = helm::template(&["crds.enabled=false", "namespaces={web,shop}"]).await.unwrap();
    holds(&golden.join("namespaces.yaml"), &rendered);
}

#[tokio::test]
async fn without_an_election_the_old_pod_is_gone_before_a_new_one_starts() {
    for (values, strategy) in [(&["replicas=1", "leaderElect=false"][..], "Recreate"), (&[], "RollingUpdate")] {
        let objects = helm::objects(values).await;
        assert_eq!(of_kind(&objects, "Deployment")[0]["spec"]["strategy"]["type"], strategy);
    }
}

/// Asks the API server whether it would take the manifests; nothing is stored. A warning counts as a refusal.
async fn would_be_taken(installed: &Installation, manifests: &str) -> Result<(), String> {
    let args = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-"];
    let said = installed.kubectl(&User::Admin, &args, manifests).await?;
    if said.contains("Warning") { Err(said) } else { Ok(()) }
}

#[tokio::test]
async fn whatever_is_set_the_api_server_takes_what_is_rendered_under_the_restricted_level() {
    let installed = Installation::in_cluster_mode().await;
    let restricted = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": NAMESPACE, "labels": { "pod-security.kubernetes.io/enforce": "restricted" },
    } });
    installed.apply(&restricted).await;
    // The pod of `helm test` has the account `default`, which a controller makes.
    testbed::eventually::await_until("the default account", PATIENCE, async || {
        installed.kubectl(&User::Admin, &["get", "serviceaccount", "default", "-n", NAMESPACE], "").await
    })
    .await;
    let mut refusals = Vec::new();
    for values in MATRIX {
        // The installed one would lend it what is only merged: ports, for example.
        // The CRDs are large, and the same in all but the first two.
        let crds = values.is_empty() || values[0].starts_with("crds.");
        let crds: &[&str] = if crds { &[] } else { &["crds.enabled=false"] };
        let rendered = helm::template_of("matrix", &[values, crds].concat()).await.unwrap();
        if let Err(said) = would_be_taken(installed, &rendered).await {
            refusals.push(format!("{values:?}: {said}"));
        }
    }
    assert!(refusals.is_empty(), "{}", refusals.join("\n"));
}

/// A kind of the Prometheus operator that takes whatever it is given.
fn stub(plural: &str, kind: &str) -> Value {
    let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.monitoring.coreos.com") },
        "spec": {
            "group": "monitoring.coreos.com", "scope": "Namespaced",
            "names": { "plural": plural, "singular": kind.to_lowercase(), "kind": kind },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } }],
        },
    })
}

#[tokio::test]
async fn where_the_api_of_the_prometheus_operator_is_served_monitors_and_rules_are_made() {
    let installed = Installation::in_cluster_mode().await;
    for (plural, kind) in
        [("servicemonitors", "ServiceMonitor"), ("podmonitors", "PodMonitor"), ("prometheusrules", "PrometheusRule")]
    {
        installed.apply(&stub(plural, kind)).await;
        let name = format!("crd/{plural}.monitoring.coreos.com");
        installed.kubectl(&User::Admin, &["wait", "--for=condition=Established", &name], "").await.unwrap();
    }
    for (value, kind) in [("serviceMonitor.enabled=true", "ServiceMonitor"), ("podMonitor.enabled=true", "PodMonitor")]
    {
        let chart = chart();
        let mut args = vec!["template", "matrix", chart.to_str().unwrap(), "--namespace", NAMESPACE];
        args.extend(["--api-versions", "monitoring.coreos.com/v1", "--set", value]);
        args.extend(["--set", "prometheusRule.enabled=true,dashboard.enabled=true,crds.enabled=false"]);
        let rendered = helm::helm(None, &args).await.unwrap();
        for kind in [kind, "PrometheusRule", "ConfigMap"] {
            assert_eq!(of_kind(&helm::parsed(&rendered), kind).len(), 1, "{kind}");
        }
        would_be_taken(installed, &rendered).await.unwrap();
    }
}

#[tokio::test]
async fn a_pod_that_is_not_restricted_would_be_refused_by_the_test_above() {
    let installed = Installation::in_cluster_mode().await;
    let objects = helm::objects(&[]).await;
    let mut pod = of_kind(&objects, "Pod")[0].clone();
    pod["metadata"]["namespace"] = json!("shop");
    installed
        .kubectl(&User::Admin, &["label", "namespace", "shop", "pod-security.kubernetes.io/enforce=restricted"], "")
        .await
        .unwrap();
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
    let said = would_be_taken(installed, &pod.to_string()).await.unwrap_err();
    assert!(said.contains("violates PodSecurity"), "{said}");
}

#[tokio::test]
async fn the_manifest_of_the_notes_is_taken() {
    let installed = Installation::in_cluster_mode().await;
    let notes = readme::notes(&["namespaces={web,shop}"]).await;
    let manifest = notes.split("<<EOF\n").nth(1).unwrap().split("\nEOF").next().unwrap();
    would_be_taken(installed, manifest).await.unwrap();
}

#[tokio::test]
async fn no_role_says_all_of_anything_nor_what_an_operator_could_grow_by() {
    for values in MATRIX {
        let objects = helm::objects(values).await;
        for role in [of_kind(&objects, "ClusterRole"), of_kind(&objects, "Role")].concat() {
            for rule in role["rules"].as_array().unwrap() {
                let text = rule.to_string();
                let name = &role["metadata"]["name"];
                for word in
                    ["*", "serviceaccounts", "pods", "escalate", "impersonate", "bind", "webhook", "nonResource"]
                {
                    assert!(!text.contains(word), "{name}: {text}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_sample_rights_are_those_of_the_chart() {
    let text = fs::read_to_string(repository().join("examples/rbac.yaml")).unwrap();
    let sample = helm::parsed(&text);
    let objects = helm::objects(&[]).await;
    let rules = |role: &Value| {
        let each = role["rules"].as_array().unwrap().iter().flat_map(single_rights);
        each.collect::<std::collections::BTreeSet<_>>()
    };
    let named = |objects: &[Value], kind: &str, name: &str| {
        let found = of_kind(objects, kind).into_iter().find(|role| role["metadata"]["name"] == name).cloned();
        found.unwrap_or_else(|| panic!("no {kind} {name}"))
    };
    let whole = "apitoken-operator";
    assert_eq!(rules(&named(&sample, "ClusterRole", whole)), rules(&named(&objects, "ClusterRole", whole)));
    let of_people = |name: &str| rules(&named(&objects, "ClusterRole", name));
    let tenant = &of_people("apitoken-operator-view") | &of_people("apitoken-operator-edit");
    assert_eq!(rules(&named(&sample, "ClusterRole", "apitoken-tenant")), tenant);
    // Who may write all Secrets may write the key.
    let key = ["/secrets/ create", "/secrets/apitoken-operator-key get"].map(str::to_owned);
    let election = rules(&named(&sample, "ClusterRole", "apitoken-operator-election"));
    assert_eq!(rules(&named(&objects, "Role", "apitoken-operator-self")), &election | &key.into());
}

/// `group/resource/name verb`, one by one, so that only what is granted counts and not how it is grouped.
fn single_rights(rule: &Value) -> Vec<String> {
    // Without names it is all of them.
    let list = |key: &str| -> Vec<String> {
        let listed = rule[key].as_array().cloned().unwrap_or_else(|| vec![json!("")]);
        listed.iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    };
    let mut rights = Vec::new();
    for group in list("apiGroups") {
        for resource in list("resources") {
            for name in list("resourceNames") {
                rights.extend(list("verbs").iter().map(|verb| format!("{group}/{resource}/{name} {verb}")));
            }
        }
    }
    rights
}
