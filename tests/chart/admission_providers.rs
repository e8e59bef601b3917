//! The admission policy on providers: https only, and hosts of the administrator's list.

use serde_json::{Value, json};
use testbed::{eventually::await_until, users::User};

use crate::installation::{Installation, PATIENCE};

async fn attempt(installed: &Installation, spec: &Value) -> Result<String, String> {
    for (kind, metadata) in [
        ("TokenProvider", json!({ "name": "x", "namespace": "web" })),
        ("ClusterTokenProvider", json!({ "name": "x" })),
    ] {
        let object = json!({ "apiVersion": "apitoken.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec });
        installed.kubectl(&User::Admin, &["create", "--dry-run=server", "-f", "-"], &object.to_string()).await?;
    }
    Ok(String::new())
}

async fn in_force() -> &'static Installation {
    let installed = Installation::in_cluster_mode().await;
    let elsewhere = json!({ "preset": "Palette", "url": "https://elsewhere.test" });
    await_until("the policy is in force", PATIENCE, async || match attempt(installed, &elsewhere).await {
        Err(said) if said.contains("apitoken-operator-providers") => Ok(()),
        answer => Err(format!("{answer:?}")),
    })
    .await;
    installed
}

#[tokio::test]
async fn a_provider_with_plain_http_is_refused_and_the_message_names_the_value() {
    let installed = in_force().await;
    let spec = json!({ "preset": "Palette", "url": "http://a.example.com", "tls": { "insecureHTTP": true } });
    let said = attempt(installed, &spec).await.unwrap_err();
    assert!(said.contains("admissionPolicies.providers.httpsOnly"), "{said}");
}

#[tokio::test]
async fn only_hosts_of_the_list_are_let_in_wherever_a_provider_names_one() {
    let installed = in_force().await;
    for url in ["https://a.example.com", "https://A.B.example.com:8443/v1", "https://127.0.0.1:9/v1"] {
        attempt(installed, &json!({ "preset": "Palette", "url": url })).await.unwrap();
    }
    for url in [
        "https://example.com",
        "https://badexample.com",
        "https://a.example.com.evil.test",
        "https://evil.test/a.example.com",
        "https://127.0.0.1.evil.test",
        "https://127a0.0.1",
        "https://evil.test\\.example.com",
    ] {
        let said = attempt(installed, &json!({ "preset": "Palette", "url": url })).await.unwrap_err();
        assert!(said.contains("admissionPolicies.providers.allowedHosts"), "{url}: {said}");
    }
    let grant = |place: &str, url: &str| json!({ "oauth2": { "grant": "ClientCredentials", place: url } });
    for place in ["tokenURL", "issuer"] {
        attempt(installed, &grant(place, "https://idp.example.com/token")).await.unwrap();
        let said = attempt(installed, &grant(place, "https://idp.evil.test/token")).await.unwrap_err();
        assert!(said.contains("allowedHosts"), "{said}");
    }
}

#[tokio::test]
async fn a_preset_at_its_vendors_own_host_is_let_in() {
    attempt(in_force().await, &json!({ "preset": "Palette" })).await.unwrap();
}

#[tokio::test]
async fn a_provider_from_before_the_policy_can_be_labelled_and_deleted_but_not_rewritten() {
    let installed = Installation::in_namespace_mode().await;
    let old = json!({
        "apiVersion": "apitoken.dev/v1alpha1", "kind": "ClusterTokenProvider", "metadata": { "name": "old" },
        "spec": { "preset": "Palette", "url": "http://old.test", "tls": { "insecureHTTP": true } },
    });
    let admin = User::Admin;
    let policy = "apitoken-operator-providers";
    let binding = ["get", "validatingadmissionpolicybinding", policy, "-o", "json"];
    let binding = installed.kubectl(&admin, &binding, "").await.unwrap();
    installed.kubectl(&admin, &["delete", "validatingadmissionpolicybinding", policy], "").await.unwrap();
    await_until("the old provider is made", PATIENCE, async || {
        installed.kubectl(&admin, &["create", "-f", "-"], &old.to_string()).await
    })
    .await;
    let mut binding: Value = serde_json::from_str(&binding).unwrap();
    for server_side in ["uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"] {
        binding["metadata"].as_object_mut().unwrap().remove(server_side);
    }
    installed.kubectl(&admin, &["create", "-f", "-"], &binding.to_string()).await.unwrap();
    // Only asked: a change that got through would be none the next time.
    let patch = |patch: &'static str| {
        let args = ["patch", "clustertokenprovider", "old", "--dry-run=server", "--type", "merge", "-p", patch];
        async move { installed.kubectl(&User::Admin, &args, "").await }
    };
    await_until("the policy is in force again", PATIENCE, async || {
        match patch(r#"{"spec":{"url":"http://new.test"}}"#).await {
            Err(said) if said.contains(policy) => Ok(()),
            answer => Err(format!("{answer:?}")),
        }
    })
    .await;
    patch(r#"{"metadata":{"labels":{"a":"b"}}}"#).await.unwrap();
    installed.kubectl(&admin, &["delete", "clustertokenprovider", "old"], "").await.unwrap();
}
