//! Schema pieces that several fields share: names, keys, templates, addresses.
//!
//! They say what the API server refuses; `rules` says in which words. Each piece has a bound, without which the API
//! server refuses a rule as too expensive.

mod rules;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use self::rules::Rule;

/// Longest template, in characters.
const TEMPLATE: u32 = 4096;

fn validations(rules: &[Rule]) -> Value {
    rules.iter().map(|(rule, message)| json!({ "rule": rule, "message": message })).collect()
}

/// A text of at most so many characters. No least length beside a rule that demands something: one mistake, one message.
fn text(most: u32, given: &[Rule]) -> Schema {
    let mut schema = json_schema!({ "type": "string", "maxLength": most });
    if !given.is_empty() {
        schema.insert("x-kubernetes-validations".into(), validations(given));
    }
    schema
}

fn map(values: &Schema, most: u32, given: &[Rule]) -> Schema {
    let mut schema = json_schema!({ "type": "object", "additionalProperties": values, "maxProperties": most });
    if !given.is_empty() {
        schema.insert("x-kubernetes-validations".into(), validations(given));
    }
    schema
}

fn set(items: &Schema, most: u32) -> Schema {
    json_schema!({
        "type": "array", "items": items, "minItems": 1, "maxItems": most, "x-kubernetes-list-type": "set"
    })
}

pub(in crate::api) fn object_name(_: &mut SchemaGenerator) -> Schema {
    text(253, &[rules::OBJECT_NAME])
}

pub(in crate::api) fn secret_key(_: &mut SchemaGenerator) -> Schema {
    text(253, &[rules::SECRET_KEY])
}

pub(in crate::api) fn secret_keys(_: &mut SchemaGenerator) -> Schema {
    set(&text(253, &[rules::SECRET_KEY]), 32)
}

pub(in crate::api) fn preset_name(_: &mut SchemaGenerator) -> Schema {
    text(63, &[rules::PRESET_NAME])
}

/// Values of a parameter that a tenant may choose from.
pub(in crate::api) fn choices(_: &mut SchemaGenerator) -> Schema {
    set(&text(1024, &[]), 64)
}

/// Texts that the place named by a rule may hold.
pub(in crate::api) fn expected_texts(_: &mut SchemaGenerator) -> Schema {
    set(&text(256, &[]), 32)
}

pub(in crate::api) fn statuses(_: &mut SchemaGenerator) -> Schema {
    set(&json_schema!({ "type": "integer", "format": "int32", "minimum": 200, "maximum": 599 }), 32)
}

/// Words of a request, in the order in which they are sent.
pub(in crate::api) fn words(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "items": word(generator), "maxItems": 32, "x-kubernetes-list-type": "atomic"
    })
}

pub(in crate::api) fn word(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": 1024 })
}

pub(in crate::api) fn parameter_name(_: &mut SchemaGenerator) -> Schema {
    text(63, &[rules::PARAMETER_NAME])
}

pub(in crate::api) fn parameter_value(_: &mut SchemaGenerator) -> Schema {
    text(1024, &[])
}

pub(in crate::api) fn parameter_values(_: &mut SchemaGenerator) -> Schema {
    map(&text(1024, &[]), 16, &[rules::PARAMETER_NAMES])
}

pub(in crate::api) fn output_data(_: &mut SchemaGenerator) -> Schema {
    let mut schema = map(&text(TEMPLATE, &[]), 32, &[rules::SECRET_KEYS]);
    schema.insert("minProperties".into(), json!(1));
    schema
}

pub(in crate::api) fn labels(_: &mut SchemaGenerator) -> Schema {
    map(&text(63, &[rules::LABEL_VALUE]), 32, &[rules::METADATA_KEYS, rules::RESERVED_KEYS])
}

pub(in crate::api) fn annotations(_: &mut SchemaGenerator) -> Schema {
    map(&text(TEMPLATE, &[]), 32, &[rules::METADATA_KEYS, rules::RESERVED_KEYS])
}

pub(in crate::api) fn template(_: &mut SchemaGenerator) -> Schema {
    text(TEMPLATE, &[])
}

pub(in crate::api) fn path(_: &mut SchemaGenerator) -> Schema {
    text(1024, &[rules::PATH])
}

pub(in crate::api) fn fields(_: &mut SchemaGenerator) -> Schema {
    map(&text(TEMPLATE, &[]), 32, &[rules::FIELD_NAMES])
}

pub(in crate::api) fn multipart_fields(_: &mut SchemaGenerator) -> Schema {
    map(&text(TEMPLATE, &[]), 32, &[rules::FIELD_NAMES, rules::MULTIPART_NAMES])
}

/// Further fields of an OAuth 2.0 login.
pub(in crate::api) fn login_fields(_: &mut SchemaGenerator) -> Schema {
    map(&text(TEMPLATE, &[]), 32, &[rules::FIELD_NAMES, rules::LOGIN_FIELDS, rules::LISTED_FIELDS])
}

/// Further fields of an OAuth 2.0 refresh.
pub(in crate::api) fn refresh_fields(_: &mut SchemaGenerator) -> Schema {
    map(&text(TEMPLATE, &[]), 32, &[rules::FIELD_NAMES, rules::REFRESH_FIELDS])
}

pub(in crate::api) fn headers(_: &mut SchemaGenerator) -> Schema {
    map(&text(TEMPLATE, &[]), 32, &[rules::HEADER_NAMES, rules::MANAGED_HEADERS, rules::REPEATED_HEADERS])
}

pub(in crate::api) fn header_name(_: &mut SchemaGenerator) -> Schema {
    text(128, &[rules::HEADER_NAME])
}

pub(in crate::api) fn cookie_name(_: &mut SchemaGenerator) -> Schema {
    text(128, &[rules::COOKIE_NAME])
}

pub(in crate::api) fn json_pointer(_: &mut SchemaGenerator) -> Schema {
    text(512, &[rules::POINTER])
}

pub(in crate::api) fn output_name(_: &mut SchemaGenerator) -> Schema {
    text(63, &[rules::OUTPUT_NAME])
}

/// Further values by names of one's own, each described by `value`.
pub(in crate::api) fn outputs_of(value: &Schema) -> Schema {
    map(value, 16, &[rules::OUTPUT_NAMES, rules::TAKEN_OUTPUT_NAMES])
}

pub(in crate::api) fn base_url(_: &mut SchemaGenerator) -> Schema {
    text(1024, &[rules::BASE_URL, rules::STATIC])
}

pub(in crate::api) fn token_url(_: &mut SchemaGenerator) -> Schema {
    text(1024, &[rules::TOKEN_URL, rules::STATIC])
}

pub(in crate::api) fn duration(_: &mut SchemaGenerator) -> Schema {
    text(32, &[rules::DURATION])
}

pub(in crate::api) fn positive_duration(_: &mut SchemaGenerator) -> Schema {
    text(32, &[rules::DURATION, rules::POSITIVE])
}

pub(in crate::api) fn timeout(_: &mut SchemaGenerator) -> Schema {
    text(32, &[rules::DURATION, rules::TIMEOUT])
}

pub(in crate::api) fn probe_interval(_: &mut SchemaGenerator) -> Schema {
    text(32, &[rules::DURATION, rules::PROBE_INTERVAL])
}

pub(in crate::api) fn certificates(_: &mut SchemaGenerator) -> Schema {
    text(65536, &[rules::CERTIFICATES])
}

/// `text: {}`: an object whose presence is all it says.
pub(in crate::api) fn presence(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object" })
}

/// JSON of any shape below an object; what templates it holds only the operator can see.
pub(in crate::api) fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// For enums: what a field says of its values tells more than what the enum says of itself, which would replace it.
pub(in crate::api) fn without_description(schema: &mut Schema) {
    schema.remove("description");
}
