//! What `kubectl explain` teaches, from what the API server publishes.

use serde_json::Value;

use crate::{
    applying::{admin, cluster},
    columns::kubectl,
};

#[tokio::test]
async fn the_published_schema_explains_every_field_of_the_three_kinds() {
    let cluster = cluster().await;
    let request = http::Request::get("/openapi/v3/apis/apitoken.dev/v1alpha1").body(Vec::new()).unwrap();
    let published: Value = admin(cluster).request(request).await.unwrap();
    let mut fields = 0;
    let mut silent = Vec::new();
    for kind in ["ApiToken", "TokenProvider", "ClusterTokenProvider"] {
        let root = &published["components"]["schemas"][format!("dev.apitoken.v1alpha1.{kind}")];
        for part in ["spec", "status"] {
            walk(&format!("{kind}.{part}"), &root["properties"][part], &mut fields, &mut silent);
        }
    }
    assert_eq!(silent, Vec::<String>::new());
    assert!(fields > 300, "only {fields} fields are published");
}

fn walk(path: &str, schema: &Value, fields: &mut usize, silent: &mut Vec<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        *fields += 1;
        if field["description"].as_str().is_none_or(str::is_empty) {
            silent.push(path.clone());
        }
        for below in [field, &field["items"], &field["additionalProperties"]] {
            walk(&path, below, fields, silent);
        }
    }
}

#[tokio::test]
async fn kubectl_explain_teaches_what_an_output_is() {
    let cluster = cluster().await;
    let told = words(&kubectl(cluster, &["explain", "apitoken.spec.output"]).await);
    for lesson in [
        "The Secret that pods mount.",
        "secretName <string> Name of the Secret, 1 to 253 characters. Default: the ApiToken's name.",
        "Default: what the provider suggests, else { token: \"${accessToken}\" }.",
        "onDelete <string> enum: Delete, Retain What becomes of the Secret when the ApiToken is deleted.",
        "none under apitoken.dev/, kubernetes.io/ or k8s.io/",
    ] {
        assert!(told.contains(lesson), "{lesson:?} is not taught:\n{told}");
    }
}

#[tokio::test]
async fn kubectl_explain_tells_what_each_kind_is_for() {
    let cluster = cluster().await;
    for (kind, purpose) in [
        ("apitoken", "A token of an API, kept valid in a Secret."),
        ("tokenprovider", "for the ApiTokens of its own namespace"),
        ("clustertokenprovider", "for the ApiTokens of all namespaces or of those that allowedNamespaces selects"),
        ("tokenprovider.spec.limits", "Requests in a second, on average; 1 to 1000. Default 50"),
        ("tokenprovider.spec.http.login.response", "When the access token ends, 1 to 8 ways to tell"),
    ] {
        let told = words(&kubectl(cluster, &["explain", kind]).await);
        assert!(told.contains(purpose), "{kind} is not explained:\n{told}");
    }
}

/// The text without kubectl's line breaks.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
