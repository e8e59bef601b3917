//! What the stories of the admission policies share: Secrets of each role, and what became of a request.

use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

/// A Secret of this name, role (none if empty) and type.
pub fn secret(name: &str, role: &str, kind: &str) -> Secret {
    let labels = if role.is_empty() { json!({}) } else { json!({ "apitoken.dev/role": role }) };
    let secret = json!({ "metadata": { "name": name, "labels": labels }, "type": kind, "stringData": { "a": "b" } });
    serde_json::from_value(secret).unwrap()
}

/// `None` if this policy refused it. Anything else that goes wrong ends the test.
pub fn accepted<T>(answer: kube::Result<T>, policy: &str) -> Option<()> {
    match answer {
        Ok(_) => Some(()),
        Err(kube::Error::Api(status)) if status.message.contains(policy) => None,
        Err(error) => panic!("neither accepted nor refused by {policy}: {error}"),
    }
}
