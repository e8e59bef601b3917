//! A manifest held against the schema of its kind, as an API server would do it.
//!
//! Messages name fields and never repeat a value: people paste secrets into wrong places.

use serde_json::{Map, Value};

use super::schema_rule::{self, Judgement};
use crate::provider::{nearest::did_you_mean, validate::Problem};

/// What the schema says of a manifest.
#[derive(Debug, Default)]
pub struct Structure {
    /// Wrong names, types, sizes: the manifest is not of its kind.
    pub faults: Vec<Problem>,
    /// Broken rules, in the API server's words.
    pub rules: Vec<Problem>,
}

/// How a fault begins that is a name which the schema does not know.
pub const IS_NO_FIELD: &str = "is no field";
/// Longest list of names that a message shows.
const SHOWN: usize = 12;

impl Structure {
    /// Of an object and the schema of its kind.
    #[must_use]
    pub fn check(schema: &Value, object: &Value) -> Self {
        let mut found = Self::default();
        found.value(schema, object, "");
        found
    }

    fn fault(&mut self, path: &str, message: impl Into<String>) {
        self.faults.push(Problem { path: path.to_owned(), message: message.into() });
    }

    fn value(&mut self, schema: &Value, value: &Value, path: &str) {
        let wanted = schema["type"].as_str();
        if let Some(wanted) = wanted.filter(|wanted| !is_of(wanted, value)) {
            let (wanted, given) = (called(wanted), kind(value));
            let hint =
                if wanted == "text" && !value.is_object() && !value.is_array() { ": write it in quotes" } else { "" };
            return self.fault(path, format!("must be {wanted}, and is {given}{hint}"));
        }
        match value {
            Value::Object(members) => self.object(schema, members, path),
            Value::Array(elements) => self.list(schema, elements, path),
            Value::String(text) => self.text(schema, text, path),
            Value::Number(number) => self.number(schema, number.as_f64(), path),
            _ => {}
        }
        self.rules(schema, value, path);
    }

    fn object(&mut self, schema: &Value, members: &Map<String, Value>, path: &str) {
        let known = schema["properties"].as_object();
        let open = schema["x-kubernetes-preserve-unknown-fields"] == true || known.is_none();
        self.size(schema, "Properties", members.len(), path, "entries");
        for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
            let at = join(path, name);
            if let Some(schema) = known.and_then(|known| known.get(name)) {
                self.value(schema, value, &at);
            } else if schema["additionalProperties"].is_object() {
                self.value(&schema["additionalProperties"], value, &at);
            } else if !open {
                let names = || known.into_iter().flat_map(Map::keys).map(String::as_str);
                let meant = did_you_mean(name, names(), str::to_owned);
                let all = names().take(SHOWN + 1).collect::<Vec<_>>();
                let all = if meant.is_empty() && all.len() <= SHOWN {
                    format!(": there are {}", all.join(", "))
                } else {
                    meant
                };
                self.fault(&at, format!("{IS_NO_FIELD}{all}"));
            }
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if members.get(name).is_none_or(Value::is_null) {
                self.fault(&join(path, name), format!("is required{}", first_sentence(schema, name)));
            }
        }
    }

    fn list(&mut self, schema: &Value, elements: &[Value], path: &str) {
        self.size(schema, "Items", elements.len(), path, "entries");
        for (index, element) in elements.iter().enumerate() {
            self.value(&schema["items"], element, &format!("{path}[{index}]"));
        }
        let key = match schema["x-kubernetes-list-type"].as_str() {
            Some("set") => "",
            Some("map") => schema["x-kubernetes-list-map-keys"][0].as_str().unwrap_or_default(),
            _ => return,
        };
        let identity = |element: &Value| if key.is_empty() { element.clone() } else { element[key].clone() };
        for (index, element) in elements.iter().enumerate() {
            if elements[..index].iter().any(|earlier| identity(earlier) == identity(element)) {
                self.fault(&format!("{path}[{index}]"), "is there twice");
            }
        }
    }

    fn text(&mut self, schema: &Value, text: &str, path: &str) {
        self.size(schema, "Length", text.chars().count(), path, "characters");
        let Some(values) = schema["enum"].as_array() else { return };
        let names: Vec<_> = values.iter().filter_map(Value::as_str).collect();
        if !names.contains(&text) {
            let meant = did_you_mean(text, names.iter().copied(), str::to_owned);
            self.fault(path, format!("must be one of {}{meant}", names.join(", ")));
        }
    }

    fn number(&mut self, schema: &Value, number: Option<f64>, path: &str) {
        let (least, most) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
        let Some(number) = number else { return };
        if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
            let bound = |bound: Option<f64>, word: &str| bound.map(|it| format!("{word} {it}"));
            let bounds: Vec<_> = [bound(least, "at least"), bound(most, "at most")].into_iter().flatten().collect();
            self.fault(path, format!("must be {}", bounds.join(" and ")));
        }
    }

    fn size(&mut self, schema: &Value, what: &str, size: usize, path: &str, unit: &str) {
        let bound = |edge: &str| schema[format!("{edge}{what}")].as_u64().and_then(|bound| usize::try_from(bound).ok());
        if let Some(most) = bound("max").filter(|most| size > *most) {
            self.fault(path, format!("has {size} {unit}: at most {most} are taken"));
        }
        if let Some(least) = bound("min").filter(|least| size < *least) {
            self.fault(path, format!("has {size} {unit}: at least {least} must be there"));
        }
    }

    fn rules(&mut self, schema: &Value, value: &Value, path: &str) {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            if schema_rule::judge(rule["rule"].as_str().unwrap_or_default(), value) == Judgement::Broken {
                let at = format!("{path}{}", rule["fieldPath"].as_str().unwrap_or_default());
                let message = rule["message"].as_str().unwrap_or_default().to_owned();
                self.rules.push(Problem { path: at.trim_start_matches('.').to_owned(), message });
            }
        }
    }
}

/// The object without the fields that its schema does not know, as the API server would store it.
#[must_use]
pub fn pruned(schema: &Value, value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let open = schema["x-kubernetes-preserve-unknown-fields"] == true || !schema["properties"].is_object();
            let inner = |name: &str| match schema["properties"].get(name) {
                Some(schema) => Some(schema),
                None if schema["additionalProperties"].is_object() => Some(&schema["additionalProperties"]),
                None => open.then_some(&Value::Null),
            };
            let kept = members.iter().filter(|(_, value)| !value.is_null() || open);
            kept.filter_map(|(name, value)| Some((name.clone(), pruned(inner(name)?, value)))).collect()
        }
        Value::Array(elements) => elements.iter().map(|element| pruned(&schema["items"], element)).collect(),
        _ => value.clone(),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn is_of(wanted: &str, value: &Value) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        _ => true,
    }
}

fn called(wanted: &str) -> &'static str {
    match wanted {
        "object" => "an object",
        "array" => "a list",
        "string" => "text",
        "integer" => "a whole number",
        "boolean" => "true or false",
        _ => "a number",
    }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// What the field is for.
fn first_sentence(schema: &Value, name: &str) -> String {
    let text = schema["properties"][name]["description"].as_str().unwrap_or_default();
    let sentence = text.split(". ").next().unwrap_or_default().trim_end_matches('.');
    if sentence.is_empty() { String::new() } else { format!(": {}{}", sentence[..1].to_lowercase(), &sentence[1..]) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({ "type": "object", "required": ["name"], "properties": {
            "name": { "type": "string", "maxLength": 5, "description": "What it is called. Long." },
            "method": { "type": "string", "enum": ["GET", "POST"] },
            "status": { "type": "array", "maxItems": 2, "x-kubernetes-list-type": "set",
                "items": { "type": "integer", "minimum": 200, "maximum": 599 } },
            "fields": { "type": "object", "additionalProperties": { "type": "string" } },
            "any": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
        }})
    }

    fn faults(object: &Value) -> Vec<String> {
        Structure::check(&schema(), object).faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_fault_is_told_with_its_path_and_what_was_meant() {
        let table = [
            (json!({ "name": "a", "metod": "GET" }), "metod: is no field; did you mean method?"),
            (json!({ "name": "a", "xyz": 1 }), "xyz: is no field: there are any, fields, method, name, status"),
            (json!({}), "name: is required: what it is called"),
            (json!({ "name": null }), "name: is required: what it is called"),
            (json!({ "name": 5 }), "name: must be text, and is a number: write it in quotes"),
            (json!({ "name": "abcdef" }), "name: has 6 characters: at most 5 are taken"),
            (json!({ "name": "a", "method": "post" }), "method: must be one of GET, POST; did you mean POST?"),
            (json!({ "name": "a", "status": [200, 200] }), "status[1]: is there twice"),
            (json!({ "name": "a", "status": [100] }), "status[0]: must be at least 200 and at most 599"),
            (
                json!({ "name": "a", "fields": { "x": true } }),
                "fields.x: must be text, and is a boolean: write it in quotes",
            ),
            (json!({ "name": "a", "any": [] }), "any: must be an object, and is a list"),
        ];
        for (object, expected) in table {
            assert_eq!(faults(&object), [expected], "{object}");
        }
        assert_eq!(faults(&json!({ "name": "a", "any": { "x": { "y": null } }, "fields": { "z": "1" } })), [""; 0]);
    }

    #[test]
    fn no_message_repeats_a_value() {
        let object =
            json!({ "name": "canary-canary", "method": "canary", "status": "canary", "fields": { "x": ["canary"] } });
        assert!(!format!("{:?}", faults(&object)).contains("canary"));
    }

    #[test]
    fn what_is_not_known_is_dropped_and_free_json_is_kept() {
        let object = json!({ "name": "a", "nope": 1, "any": { "x": null }, "fields": { "y": "z" }, "method": null });
        let expected = json!({ "name": "a", "any": { "x": null }, "fields": { "y": "z" } });
        assert_eq!(pruned(&schema(), &object), expected);
    }
}
