//! `apitoken-operator crd`: the three kinds as the API server is to know them, in one YAML stream.
//!
//! It prints and nothing else; what is in it follows from the types in `api` alone.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

use crate::api::{ApiToken, ClusterTokenProvider, TokenProvider, reasons, status};

/// What an ApiToken says of itself before the operator has looked at it.
const PENDING_MESSAGE: &str = "waiting for the operator; if this stays, see whether apitoken-operator is running";

/// Where the schema of the only version stands in a definition.
pub const SCHEMA: &str = "/spec/versions/0/schema/openAPIV3Schema";

/// The text that the command prints: one document for each kind.
#[must_use]
pub fn run() -> String {
    definitions().iter().flat_map(|definition| ["---\n".to_owned(), yaml(definition)]).collect()
}

/// The three definitions, ready to be applied.
#[must_use]
pub fn definitions() -> [CustomResourceDefinition; 3] {
    [with_status_default(finish(&ApiToken::crd())), finish(&TokenProvider::crd()), finish(&ClusterTokenProvider::crd())]
        .map(|json| serde_json::from_value(json).expect("invariant: a finished definition is still a definition"))
}

/// One definition as YAML, without a document separator.
#[must_use]
pub fn yaml(definition: &CustomResourceDefinition) -> String {
    serde_saphyr::to_string(definition).expect("invariant: a definition has no key that is not a text")
}

fn finish(crd: &CustomResourceDefinition) -> Value {
    let mut json = serde_json::to_value(crd).expect("invariant: a definition has no key that is not a text");
    if let Some(schema) = json.pointer_mut(SCHEMA) {
        without_null(schema);
        plain_descriptions(schema);
        with_list_types(schema);
    }
    json
}

/// `Option` brings `nullable` and a null among the values of an enum. The API server drops a null where a field is
/// optional anyway, and both would only be in the way of whoever reads `kubectl explain` or an error message.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("nullable") == Some(&Value::Bool(true)) {
                members.remove("nullable");
            }
            if let Some(Value::Array(values)) = members.get_mut("enum") {
                values.retain(|value| !value.is_null());
            }
            members.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// Line ends and backticks are the doc comment's, not the text's: `kubectl explain` wraps by itself and shows no code.
fn plain_descriptions(schema: &mut Value) {
    match schema {
        Value::Object(members) => members.iter_mut().for_each(|(key, value)| match value {
            Value::String(text) if key == "description" => {
                *text = text.replace('\n', " ").replace('`', "");
            }
            _ => plain_descriptions(value),
        }),
        Value::Array(items) => items.iter_mut().for_each(plain_descriptions),
        _ => {}
    }
}

/// A list without a type is atomic; saying so spares everybody the look into the documentation.
fn with_list_types(schema: &mut Value) {
    let Value::Object(members) = schema else {
        return;
    };
    if members.get("type") == Some(&json!("array")) {
        members.entry("x-kubernetes-list-type").or_insert_with(|| json!("atomic"));
    }
    members.values_mut().for_each(with_list_types);
}

/// The derive has no word for it. Without it a new object has no condition at all, and tools that wait (kstatus, Argo
/// CD, Flux) take that for done.
fn with_status_default(mut json: Value) -> Value {
    let default = json!({
        "observedGeneration": -1,
        "conditions": [{
            "type": status::READY,
            "status": "Unknown",
            "reason": reasons::PENDING,
            "message": PENDING_MESSAGE,
            "lastTransitionTime": "1970-01-01T00:00:00Z",
        }],
    });
    if let Some(schema) = json.pointer_mut(SCHEMA) {
        schema["properties"]["status"]["default"] = default;
    }
    json
}
