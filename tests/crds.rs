//! The definitions in `crds/`: equal to what the command prints, and fit for an API server and for its readers.
//!
//! After a change of the types: `UPDATE_CRDS=1 cargo test --test crds`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at what it cannot go on with")]

use std::{env, fs, path::PathBuf, sync::LazyLock};

use apitoken_operator::command::crd;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

/// kubectl keeps a client-side apply in one annotation, and all annotations together may have this many bytes.
const ANNOTATION_BYTES: usize = 262_144;

fn committed(definition: &CustomResourceDefinition) -> PathBuf {
    let file = format!("{}.yaml", definition.spec.names.plural);
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("crds").join(file)
}

/// Every schema below the roots of the three kinds, with its path, such as `ApiToken.spec.output.data{}`.
static SCHEMAS: LazyLock<Vec<(String, Value)>> = LazyLock::new(|| {
    let mut found = Vec::new();
    for definition in crd::definitions() {
        let root = definition.spec.versions[0].schema.as_ref().unwrap();
        let root = serde_json::to_value(root.open_api_v3_schema.as_ref().unwrap()).unwrap();
        collect(&definition.spec.names.kind, root, &mut found);
    }
    found
});

fn collect(path: &str, schema: Value, found: &mut Vec<(String, Value)>) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, property) in properties {
            collect(&format!("{path}.{name}"), property.clone(), found);
        }
    }
    for (below, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[below].is_object() {
            collect(&format!("{path}{mark}"), schema[below].clone(), found);
        }
    }
    found.push((path.to_owned(), schema));
}

fn is_field(path: &str) -> bool {
    !path.ends_with(['}', ']'])
}

fn paths_where(wrong: impl Fn(&str, &Value) -> bool) -> Vec<String> {
    assert!(SCHEMAS.len() > 300, "only {} schemas were found: does the walk still see them?", SCHEMAS.len());
    SCHEMAS.iter().filter(|(path, schema)| wrong(path, schema)).map(|(path, _)| path.clone()).collect()
}

#[test]
fn the_crds_directory_holds_what_the_command_prints() {
    for definition in crd::definitions() {
        let (path, wanted) = (committed(&definition), crd::yaml(&definition));
        if env::var_os("UPDATE_CRDS").is_some() {
            fs::write(&path, &wanted).unwrap();
        }
        let there = fs::read_to_string(&path).unwrap_or_default();
        assert!(there == wanted, "{} is out of date: UPDATE_CRDS=1 cargo test --test crds", path.display());
    }
    let files = fs::read_dir(env!("CARGO_MANIFEST_DIR").to_owned() + "/crds").unwrap();
    assert_eq!(files.count(), crd::definitions().len(), "crds/ holds a file that belongs to no kind");
}

#[test]
fn the_command_prints_one_stream_of_all_three_kinds() {
    let printed: Vec<CustomResourceDefinition> = serde_saphyr::from_multiple(&crd::run()).unwrap();
    assert_eq!(printed, crd::definitions());
    let kinds: Vec<_> = printed.iter().map(|definition| definition.spec.names.kind.as_str()).collect();
    assert_eq!(kinds, ["ApiToken", "TokenProvider", "ClusterTokenProvider"]);
}

#[test]
fn every_field_says_what_it_is_for() {
    let silent = paths_where(|path, schema| {
        is_field(path) && schema["description"].as_str().is_none_or(|text| text.trim().len() < 10)
    });
    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn a_field_of_an_enumeration_says_what_each_of_its_values_means() {
    let silent = paths_where(|_, schema| {
        let text = schema["description"].as_str().unwrap_or_default();
        let values = schema["enum"].as_array().into_iter().flatten();
        values.filter_map(Value::as_str).any(|value| !text.contains(value))
    });
    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn descriptions_leave_line_ends_and_markup_to_whoever_shows_them() {
    let marked = paths_where(|_, schema| schema["description"].as_str().is_some_and(|text| text.contains(['\n', '`'])));
    assert_eq!(marked, Vec::<String>::new());
}

#[test]
fn no_field_offers_null_as_a_value() {
    let null = paths_where(|_, schema| {
        schema.get("nullable").is_some()
            || schema["enum"].as_array().is_some_and(|values| values.contains(&Value::Null))
    });
    assert_eq!(null, Vec::<String>::new());
}

#[test]
fn numbers_are_signed_and_bounded_where_people_write_them() {
    let wrong = paths_where(|path, schema| {
        let number = schema["type"] == "integer";
        let signed = schema["format"] == "int32" || schema["format"] == "int64";
        let bounded = schema.get("minimum").is_some() && schema.get("maximum").is_some();
        number && (!signed || (path.contains(".spec.") && !bounded))
    });
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn what_people_write_is_bounded_in_length() {
    let unbounded = paths_where(|path, schema| {
        let wanted = match schema["type"].as_str() {
            Some("string") if schema.get("enum").is_none() => "maxLength",
            Some("array") => "maxItems",
            Some("object") if schema.get("additionalProperties").is_some() => "maxProperties",
            _ => return false,
        };
        // The selector is the API server's own type, with bounds of its own.
        path.contains(".spec.") && !path.contains(".allowedNamespaces.") && schema.get(wanted).is_none()
    });
    assert_eq!(unbounded, Vec::<String>::new());
}

#[test]
fn every_list_says_how_it_is_merged() {
    let silent = paths_where(|_, schema| schema["type"] == "array" && schema.get("x-kubernetes-list-type").is_none());
    assert_eq!(silent, Vec::<String>::new());
    for (suffix, wanted) in [
        (".status.conditions", "map"),
        (".spec.parameters", "map"),
        (".credentials.required", "set"),
        (".errors[].status", "set"),
        (".response.expiry", "atomic"),
        (".http.errors", "atomic"),
        (".oauth2.scopes", "atomic"),
    ] {
        let is_list = |(path, schema): &&(String, Value)| path.ends_with(suffix) && schema["type"] == "array";
        let lists: Vec<_> = SCHEMAS.iter().filter(is_list).collect();
        assert!(!lists.is_empty(), "there is no list {suffix}");
        assert!(lists.iter().all(|(_, schema)| schema["x-kubernetes-list-type"] == wanted), "{suffix} is no {wanted}");
    }
}

#[test]
fn every_rule_has_words_of_its_own() {
    let wordless = paths_where(|_, schema| {
        let rules = schema["x-kubernetes-validations"].as_array();
        rules.into_iter().flatten().any(|rule| rule["message"].as_str().is_none_or(str::is_empty))
    });
    assert_eq!(wordless, Vec::<String>::new());
}

#[test]
fn no_rule_makes_a_field_immutable() {
    let immutable = paths_where(|_, schema| schema["x-kubernetes-validations"].to_string().contains("oldSelf"));
    assert_eq!(immutable, Vec::<String>::new());
}

#[test]
fn both_providers_have_the_same_fields_but_for_the_allowed_namespaces() {
    let spec = |kind: &str| {
        let path = format!("{kind}.spec");
        SCHEMAS.iter().find(|(found, _)| *found == path).map(|(_, schema)| schema.clone()).unwrap()
    };
    let (own, mut cluster) = (spec("TokenProvider"), spec("ClusterTokenProvider"));
    assert!(cluster["properties"].as_object_mut().unwrap().remove("allowedNamespaces").is_some());
    assert_eq!(own["properties"], cluster["properties"]);
    assert_eq!(own["x-kubernetes-validations"], cluster["x-kubernetes-validations"]);
    assert_eq!(own["required"], cluster["required"]);
}

#[test]
fn a_new_api_token_is_pending_and_observed_by_nobody() {
    let (_, status) = SCHEMAS.iter().find(|(path, _)| path == "ApiToken.status").unwrap();
    assert_eq!(status["default"]["observedGeneration"], -1);
    let condition = &status["default"]["conditions"][0];
    assert_eq!(condition["lastTransitionTime"], "1970-01-01T00:00:00Z");
    let said = json!([condition["type"], condition["status"], condition["reason"]]);
    assert_eq!(said, json!(["Ready", "Unknown", "Pending"]));
}

#[test]
fn a_definition_can_be_applied_on_the_client_side_too() {
    for definition in crd::definitions() {
        let bytes = serde_json::to_string(&definition).unwrap().len();
        assert!(bytes < ANNOTATION_BYTES, "{} has {bytes} bytes", definition.spec.names.plural);
    }
}
