//! An operator that serves two namespaces only, and what a tenant with the built-in role `edit` may do.

use anyhow::Result;
use serde_json::json;
use testbed::audit::AuditEvent;

use crate::{
    images, operator,
    stage::{Stage, chart},
    team, vendors,
};

const SERVED: &str = "team-a";
const SERVED_TOO: &str = "team-b";
const NOT_SERVED: &str = "team-c";

/// Whom the chart lets the operator be.
const OPERATOR: &str = "system:serviceaccount:apitoken-system:apitoken-operator";
/// A tenant's pipeline.
const TENANT: &str = "system:serviceaccount:team-a:pipeline";

pub async fn in_namespace_mode_secrets_elsewhere_are_out_of_reach(stage: &Stage) -> Result<()> {
    namespace_mode(stage).await?;
    let mark = stage.cluster().audit().mark()?;
    for namespace in [SERVED, SERVED_TOO, NOT_SERVED] {
        stage.apply(namespace, &request("clusters")).await?;
    }
    for namespace in [SERVED, SERVED_TOO] {
        let wait = ["-n", namespace, "wait", "apitoken/clusters", "--for=condition=Ready", "--timeout=60s"];
        stage.kubectl(&wait).await?;
    }
    let pending = ["-n", NOT_SERVED, "get", "apitoken", "clusters", "-o", "jsonpath={.status.observedGeneration}"];
    assert_eq!(stage.kubectl(&pending).await?, "-1", "a namespace that is not listed was served");

    let asked = stage.cluster().audit().since(&mark)?.into_iter().filter(|event| event.user == OPERATOR);
    let asked: Vec<_> = asked.collect();
    assert!(asked.iter().any(|event| event.resource == "secrets" && event.namespace == SERVED), "{asked:?}");
    let strange = |event: &&AuditEvent| {
        let own = [SERVED, SERVED_TOO, operator::NAMESPACE].contains(&event.namespace.as_str());
        event.code == 403 || event.resource == "secrets" && !own
    };
    assert_eq!(asked.iter().filter(strange).collect::<Vec<_>>(), Vec::<&AuditEvent>::new());

    for verb in ["get", "list", "watch", "create", "update", "patch", "delete"] {
        assert!(may(stage, OPERATOR, SERVED, verb, "secrets").await?, "{verb} secrets in {SERVED}");
        for namespace in [NOT_SERVED, team::NAMESPACE, "kube-system"] {
            assert!(!may(stage, OPERATOR, namespace, verb, "secrets").await?, "{verb} secrets in {namespace}");
        }
    }
    Ok(())
}

pub async fn a_tenant_with_the_role_edit_makes_tokens_and_no_provider(stage: &Stage) -> Result<()> {
    namespace_mode(stage).await?;
    let bind =
        ["-n", SERVED, "create", "rolebinding", "pipeline", "--clusterrole=edit", "--serviceaccount=team-a:pipeline"];
    stage.kubectl(&bind).await?;
    as_tenant(stage, &["apply", "-f", "-"], &request("of-a-tenant")).await?;
    let wait = ["wait", "apitoken/of-a-tenant", "--for=condition=Ready", "--timeout=60s"];
    as_tenant(stage, &wait, "").await?;

    for (verb, resource) in [
        ("create", "tokenproviders.apitoken.dev"),
        ("patch", "tokenproviders.apitoken.dev"),
        ("create", "clustertokenproviders.apitoken.dev"),
        ("patch", "apitokens.apitoken.dev/status"),
        ("update", "apitokens.apitoken.dev/status"),
    ] {
        assert!(!may(stage, TENANT, SERVED, verb, resource).await?, "{verb} {resource}");
    }
    assert!(!may(stage, TENANT, NOT_SERVED, "create", "apitokens.apitoken.dev").await?);
    // The role lets him write Secrets; the admission policy, no session.
    let session = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "apitoken.dev/session",
        "metadata": { "name": "apitoken-session-forged", "labels": { "apitoken.dev/role": "session" } },
    });
    let refused = as_tenant(stage, &["create", "-f", "-"], &session.to_string()).await;
    let refused = format!("{:#}", refused.expect_err("a session was forged"));
    assert!(refused.contains("ValidatingAdmissionPolicy"), "{refused}");
    Ok(())
}

/// The release with `namespaces: [team-a, team-b]`, and a provider for all.
async fn namespace_mode(stage: &Stage) -> Result<()> {
    team::prepared(stage).await?;
    operator::installed(stage).await?;
    for namespace in [SERVED, SERVED_TOO, NOT_SERVED] {
        if stage.kubectl(&["get", "namespace", namespace]).await.is_err() {
            stage.namespace(namespace).await?;
        }
    }
    if stage.kubectl(&["-n", SERVED, "get", "serviceaccount", "pipeline"]).await.is_err() {
        stage.kubectl(&["-n", SERVED, "create", "serviceaccount", "pipeline"]).await?;
    }
    stage.apply(team::NAMESPACE, &team::sample(stage)?).await?;
    let listed = format!("namespaces={{{SERVED},{SERVED_TOO}}}");
    operator::helm(stage, &["upgrade"], chart(), images::TAG, &["--set", &listed]).await?;
    operator::ready(stage, 2).await;
    Ok(())
}

/// The whole cluster again, for the stories after these.
pub async fn back_to_the_whole_cluster_by_an_upgrade(stage: &Stage) -> Result<()> {
    operator::installed(stage).await?;
    operator::helm(stage, &["upgrade", "--reset-values"], chart(), images::TAG, &[]).await?;
    operator::ready(stage, 2).await;
    let served_now = ["-n", NOT_SERVED, "wait", "apitoken/clusters", "--for=condition=Ready", "--timeout=60s"];
    if stage.kubectl(&["-n", NOT_SERVED, "get", "apitoken", "clusters"]).await.is_ok() {
        stage.kubectl(&served_now).await?;
    }
    Ok(())
}

/// Credentials and an ApiToken, as a tenant applies them.
fn request(name: &str) -> String {
    vendors::palette_request(name, "robot@example.com", "change-me")
}

async fn as_tenant(stage: &Stage, arguments: &[&str], input: &str) -> Result<String> {
    let mut all = vec!["-n", SERVED, "--as", TENANT];
    all.extend(arguments);
    stage.kubectl_as(&testbed::users::User::Admin, &all, input).await
}

/// What `kubectl auth can-i` says for somebody.
async fn may(stage: &Stage, who: &str, namespace: &str, verb: &str, resource: &str) -> Result<bool> {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let subresource = format!("--subresource={subresource}");
    let ask = ["auth", "can-i", verb, resource, &subresource, "-n", namespace, "--as", who];
    // It ends with 1 for `no`.
    Ok(stage.kubectl(&ask).await.is_ok_and(|said| said.trim() == "yes"))
}
