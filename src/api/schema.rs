//! Schema pieces that several fields share: names, keys, templates, addresses.
//!
//! They say what the API server refuses and in which words. Rules are CEL rather than `pattern`, because a pattern can
//! only answer with itself. Each piece has a bound, without which the API server refuses the rule as too expensive.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::response::OptionalValue;

/// A rule and what a person reads who broke it.
type Rule = (&'static str, &'static str);

/// Longest template, in characters.
const TEMPLATE: u32 = 4096;

const OBJECT_NAME: Rule = (
    "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
    "must be the name of an object: lowercase letters, digits, '-' and '.', beginning and ending with a letter or digit",
);
const SECRET_KEY: Rule =
    ("self.matches('^[-._a-zA-Z0-9]+$')", "must be a key of a Secret: only letters, digits, '-', '_' and '.'");
const SECRET_KEYS: Rule = (
    "self.all(k, k.matches('^[-._a-zA-Z0-9]{1,253}$') && k != '.' && !k.startsWith('..'))",
    "each key must be fit for a Secret: 1 to 253 letters, digits, '-', '_' and '.', and neither '.' nor '..' at the start",
);
const PRESET_NAME: Rule =
    ("self.matches('^[A-Za-z][A-Za-z0-9-]*$')", "must be the name of a preset, such as Palette");
const PARAMETER_NAME: Rule = ("self.matches('^[A-Za-z0-9_-]+$')", "must be letters, digits, '_' and '-'");
const PARAMETER_NAMES: Rule = (
    "self.all(k, k.matches('^[A-Za-z0-9_-]{1,63}$'))",
    "each name must be 1 to 63 letters, digits, '_' and '-'",
);
const METADATA_KEYS: Rule = (
    "self.all(k, k.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",
    "each key must be a qualified name such as team or example.com/team",
);
const RESERVED_KEYS: Rule = (
    "self.all(k, k.startsWith('app.kubernetes.io/') || !k.matches('^([^/]*[.])?(kubernetes[.]io|k8s[.]io|apitoken[.]dev)/'))",
    "keys under apitoken.dev/, kubernetes.io/ and k8s.io/ are reserved; app.kubernetes.io/ is free to use",
);
const LABEL_VALUE: Rule = (
    "self.matches('^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$')",
    "must be a label value: letters, digits, '-', '_' and '.', beginning and ending with a letter or digit, or empty",
);
const HEADER_NAME: Rule =
    ("self.matches('^[-!#$%&*+.^_`|~0-9A-Za-z]+$')", "must be the name of a header, such as X-Auth-Token");
const HEADER_NAMES: Rule =
    ("self.all(k, k.matches('^[-!#$%&*+.^_`|~0-9A-Za-z]+$'))", "each name must be that of a header, such as X-API-Key");
const MANAGED_HEADERS: Rule = (
    "!self.exists(k, k.lowerAscii() in ['host', 'content-length', 'transfer-encoding', 'connection', 'expect', 'te', 'trailer', 'upgrade', 'accept-encoding'])",
    "Host, Content-Length, Transfer-Encoding, Connection, Expect, TE, Trailer, Upgrade and Accept-Encoding are set by the operator",
);
const REPEATED_HEADERS: Rule = (
    "self.all(k, self.exists_one(other, other.lowerAscii() == k.lowerAscii()))",
    "the same header is given twice: names are compared without regard to case",
);
const FIELD_NAMES: Rule = ("!('' in self)", "a name must not be empty");
const MULTIPART_NAMES: Rule =
    ("self.all(k, !k.matches('[\"\\r\\n]'))", "a name of a multipart field must not have quotes or line ends");
const LOGIN_FIELDS: Rule = (
    "!self.exists(k, k in ['grant_type', 'client_id', 'client_secret', 'client_assertion', 'client_assertion_type', 'username', 'password', 'refresh_token', 'assertion'])",
    "grant_type, client_id, client_secret, client_assertion, client_assertion_type, username, password, refresh_token and assertion follow from grant and clientAuth",
);
const LISTED_FIELDS: Rule = (
    "!self.exists(k, k in ['scope', 'audience', 'resource'])",
    "scope, audience and resource have fields of their own: scopes, audience, resources",
);
const REFRESH_FIELDS: Rule = (
    "!self.exists(k, k in ['grant_type', 'client_id', 'client_secret', 'client_assertion', 'client_assertion_type', 'refresh_token'])",
    "grant_type, client_id, client_secret, client_assertion, client_assertion_type and refresh_token are set by the operator",
);
const COOKIE_NAME: Rule = ("self.matches('^[-!#$%&*+.^_`|~0-9A-Za-z]+$')", "must be the name of a cookie");
const POINTER: Rule = (
    "self.matches('^(/([^/~]|~[01])*)*$')",
    "must be a JSON pointer (RFC 6901) such as /session/accessToken; \"\" is the whole document",
);
const OUTPUT_NAME: Rule = ("self.matches('^[A-Za-z][A-Za-z0-9]*$')", "must be a letter, then letters and digits");
const OUTPUT_NAMES: Rule = (
    "self.all(k, k.matches('^[A-Za-z][A-Za-z0-9]{0,62}$'))",
    "each name must be a letter, then at most 62 letters and digits",
);
const TAKEN_OUTPUT_NAMES: Rule = (
    "!('accessToken' in self) && !('refreshToken' in self) && !('expiresAt' in self)",
    "accessToken, refreshToken and expiresAt have a meaning of their own: choose other names",
);
const BASE_URL: Rule = (
    "self.matches('^https?://[^/?#@\\\\s]+(/[^?#\\\\s]*)?$')",
    "must be an http or https URL without user, query or fragment, such as https://api.example.com/v1",
);
const TOKEN_URL: Rule = (
    "self.matches('^https?://[^/?#@\\\\s]+(/[^?#\\\\s]*)?([?][^#\\\\s]*)?$')",
    "must be an http or https URL without user or fragment, such as https://idp.example.com/oauth2/token",
);
const STATIC: Rule = ("!self.contains('${')", "an address is static: ${...} is not replaced here");
const PATH: Rule = (
    "self.matches('^/[^?#\\\\s]*$')",
    "must begin with / and have no query, fragment or blank: what follows a ? goes into query",
);
const DURATION: Rule = (
    "self != '' && self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?$')",
    "must be hours, minutes and seconds in this order, such as 1h30m, 720h or 45s",
);
/// What is no duration at all is left to the other rule, because `duration()` fails on it with a message of its own.
const TIMEOUT: Rule = (
    "self == '' || !self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?$') || (duration(self) >= duration('1s') && duration(self) <= duration('5m'))",
    "must be between 1s and 5m",
);
const CERTIFICATES: Rule =
    ("self.contains('-----BEGIN CERTIFICATE-----')", "must be one or more certificates as PEM text");

fn rules(rules: &[Rule]) -> Value {
    rules.iter().map(|(rule, message)| json!({ "rule": rule, "message": message })).collect()
}

fn text(length: std::ops::RangeInclusive<u32>, given: &[Rule]) -> Schema {
    let mut schema = json_schema!({ "type": "string", "maxLength": length.end() });
    if *length.start() > 0 {
        schema.insert("minLength".into(), json!(length.start()));
    }
    if !given.is_empty() {
        schema.insert("x-kubernetes-validations".into(), rules(given));
    }
    schema
}

fn map(values: Schema, most: u32, given: &[Rule]) -> Schema {
    let mut schema = json_schema!({ "type": "object", "additionalProperties": values, "maxProperties": most });
    if !given.is_empty() {
        schema.insert("x-kubernetes-validations".into(), rules(given));
    }
    schema
}

fn set(items: Schema, most: u32) -> Schema {
    json_schema!({
        "type": "array", "items": items, "minItems": 1, "maxItems": most, "x-kubernetes-list-type": "set"
    })
}

pub(super) fn object_name(_: &mut SchemaGenerator) -> Schema {
    text(1..=253, &[OBJECT_NAME])
}

pub(super) fn secret_key(_: &mut SchemaGenerator) -> Schema {
    text(1..=253, &[SECRET_KEY])
}

pub(super) fn secret_keys(_: &mut SchemaGenerator) -> Schema {
    set(text(1..=253, &[SECRET_KEY]), 32)
}

pub(super) fn preset_name(_: &mut SchemaGenerator) -> Schema {
    text(1..=63, &[PRESET_NAME])
}

/// Values of a parameter that a tenant may choose from.
pub(super) fn choices(_: &mut SchemaGenerator) -> Schema {
    set(text(0..=1024, &[]), 64)
}

/// Texts that the place named by a rule may hold.
pub(super) fn expected_texts(_: &mut SchemaGenerator) -> Schema {
    set(text(0..=256, &[]), 32)
}

pub(super) fn statuses(_: &mut SchemaGenerator) -> Schema {
    set(json_schema!({ "type": "integer", "format": "int32", "minimum": 200, "maximum": 599 }), 32)
}

/// Words of a request, in the order in which they are sent.
pub(super) fn words(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "items": text(1..=1024, &[]), "maxItems": 32, "x-kubernetes-list-type": "atomic"
    })
}

pub(super) fn word(_: &mut SchemaGenerator) -> Schema {
    text(1..=1024, &[])
}

pub(super) fn parameter_name(_: &mut SchemaGenerator) -> Schema {
    text(1..=63, &[PARAMETER_NAME])
}

pub(super) fn parameter_value(_: &mut SchemaGenerator) -> Schema {
    text(0..=1024, &[])
}

pub(super) fn parameter_values(_: &mut SchemaGenerator) -> Schema {
    map(text(0..=1024, &[]), 16, &[PARAMETER_NAMES])
}

pub(super) fn output_data(_: &mut SchemaGenerator) -> Schema {
    let mut schema = map(text(0..=TEMPLATE, &[]), 32, &[SECRET_KEYS]);
    schema.insert("minProperties".into(), json!(1));
    schema
}

pub(super) fn labels(_: &mut SchemaGenerator) -> Schema {
    map(text(0..=63, &[LABEL_VALUE]), 32, &[METADATA_KEYS, RESERVED_KEYS])
}

pub(super) fn annotations(_: &mut SchemaGenerator) -> Schema {
    map(text(0..=TEMPLATE, &[]), 32, &[METADATA_KEYS, RESERVED_KEYS])
}

pub(super) fn template(_: &mut SchemaGenerator) -> Schema {
    text(0..=TEMPLATE, &[])
}

pub(super) fn path(_: &mut SchemaGenerator) -> Schema {
    text(1..=1024, &[PATH])
}

pub(super) fn fields(_: &mut SchemaGenerator) -> Schema {
    map(text(0..=TEMPLATE, &[]), 32, &[FIELD_NAMES])
}

pub(super) fn multipart_fields(_: &mut SchemaGenerator) -> Schema {
    map(text(0..=TEMPLATE, &[]), 32, &[FIELD_NAMES, MULTIPART_NAMES])
}

/// Further fields of an OAuth 2.0 login.
pub(super) fn login_fields(_: &mut SchemaGenerator) -> Schema {
    map(text(0..=TEMPLATE, &[]), 32, &[FIELD_NAMES, LOGIN_FIELDS, LISTED_FIELDS])
}

/// Further fields of an OAuth 2.0 refresh.
pub(super) fn refresh_fields(_: &mut SchemaGenerator) -> Schema {
    map(text(0..=TEMPLATE, &[]), 32, &[FIELD_NAMES, REFRESH_FIELDS])
}

pub(super) fn headers(_: &mut SchemaGenerator) -> Schema {
    map(text(0..=TEMPLATE, &[]), 32, &[HEADER_NAMES, MANAGED_HEADERS, REPEATED_HEADERS])
}

pub(super) fn header_name(_: &mut SchemaGenerator) -> Schema {
    text(1..=128, &[HEADER_NAME])
}

pub(super) fn cookie_name(_: &mut SchemaGenerator) -> Schema {
    text(1..=128, &[COOKIE_NAME])
}

pub(super) fn json_pointer(_: &mut SchemaGenerator) -> Schema {
    text(0..=512, &[POINTER])
}

pub(super) fn output_name(_: &mut SchemaGenerator) -> Schema {
    text(1..=63, &[OUTPUT_NAME])
}

pub(super) fn outputs(generator: &mut SchemaGenerator) -> Schema {
    map(OptionalValue::json_schema(generator), 16, &[OUTPUT_NAMES, TAKEN_OUTPUT_NAMES])
}

pub(super) fn base_url(_: &mut SchemaGenerator) -> Schema {
    text(1..=1024, &[BASE_URL, STATIC])
}

pub(super) fn token_url(_: &mut SchemaGenerator) -> Schema {
    text(1..=1024, &[TOKEN_URL, STATIC])
}

pub(super) fn duration(_: &mut SchemaGenerator) -> Schema {
    text(0..=32, &[DURATION])
}

pub(super) fn timeout(_: &mut SchemaGenerator) -> Schema {
    text(0..=32, &[DURATION, TIMEOUT])
}

pub(super) fn certificates(_: &mut SchemaGenerator) -> Schema {
    text(1..=65536, &[CERTIFICATES])
}

/// `text: {}`: an object whose presence is all it says.
pub(super) fn presence(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object" })
}

/// JSON of any shape below an object; what templates it holds only the operator can see.
pub(super) fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// For enums: what a field says of its values tells more than what the enum says of itself, which would replace it.
pub(super) fn without_description(schema: &mut Schema) {
    schema.remove("description");
}
