//! `docs/providers/reference.md`: every field of the provider form, from the schema that the API server has.
//!
//! After a change of the types: `UPDATE_REFERENCE=1 cargo test --test reference`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at what it cannot go on with")]

use std::{env, fmt::Write, fs, path::PathBuf};

use apitoken_operator::command::crd;
use serde_json::Value;

const HEAD: &str = "# Reference of the provider form

Every field below `spec` of a `ClusterTokenProvider`; a `TokenProvider` has the same but `allowedNamespaces`. Made from the schema of the CustomResourceDefinition, which `kubectl explain clustertokenprovider.spec --recursive` shows as well. How to write a definition: [write-one.md](write-one.md).

A *template* is text with `${name}` in it. `[]` stands for each element of a list, `{}` for each entry of a map. What is required is required where its parent is given.
";

/// Where descriptions are long and repeat: the members of a value, told once.
const TOLD_ONCE: [(&str, &str); 2] = [
    ("exactly one of json, header, cookie and text", "value"),
    ("exactly one of seconds, milliseconds, minutes", "expiry entry"),
];

fn page() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/providers/reference.md")
}

fn schema() -> Value {
    let [_, _, provider] = crd::definitions();
    let definition = serde_json::to_value(provider).unwrap();
    definition.pointer(crd::SCHEMA).unwrap()["properties"]["spec"].clone()
}

/// The named form of a schema that stands in many places.
fn form(schema: &Value) -> Option<&'static str> {
    let rules = schema["x-kubernetes-validations"].as_array()?;
    let says = |text: &str| rules.iter().any(|rule| rule["message"].as_str().is_some_and(|it| it.contains(text)));
    TOLD_ONCE.iter().find(|(text, _)| says(text)).map(|(_, name)| *name)
}

fn kind(schema: &Value) -> String {
    if let Some(form) = form(schema) {
        return form.to_owned();
    }
    if let Some(values) = schema["enum"].as_array() {
        let names: Vec<_> = values.iter().map(|value| format!("`{}`", value.as_str().unwrap())).collect();
        return names.join(", ");
    }
    match schema["type"].as_str().unwrap_or("any") {
        "array" => format!("list of {}", kind(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("map to {}", kind(&schema["additionalProperties"]))
        }
        "string" => "text".to_owned(),
        "integer" => "number".to_owned(),
        other => other.to_owned(),
    }
}

struct Reference {
    text: String,
    forms: Vec<(&'static str, Value)>,
}

impl Reference {
    fn table(&mut self, title: &str, schema: &Value) {
        let Some(fields) = schema["properties"].as_object() else { return };
        let _ = write!(self.text, "\n## {title}\n\n");
        if let Some(about) = schema["description"].as_str() {
            let _ = write!(self.text, "{}\n\n", escaped(about));
        }
        self.text.push_str("| field | type | |\n| --- | --- | --- |\n");
        let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
        for (name, field) in fields {
            let must = if required.contains(&&Value::from(name.as_str())) { ", required" } else { "" };
            let about = field["description"].as_str().unwrap_or_default();
            let _ = writeln!(self.text, "| `{name}` | {}{must} | {} |", kind(field), escaped(about));
        }
        for (name, field) in fields {
            self.below(&format!("{title}.{name}"), field);
        }
    }

    fn below(&mut self, path: &str, field: &Value) {
        if let Some(form) = form(field) {
            if !self.forms.iter().any(|(known, _)| *known == form) {
                self.forms.push((form, field.clone()));
            }
        } else if field["type"] == "array" {
            self.below(&format!("{path}[]"), &field["items"]);
        } else if field["additionalProperties"].is_object() {
            self.below(&format!("{path}{{}}"), &field["additionalProperties"]);
        } else {
            self.table(path, field);
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "\\<").replace("${", "\\${").replace('*', "\\*")
}

fn generated() -> String {
    let mut reference = Reference { text: HEAD.to_owned(), forms: Vec::new() };
    reference.table("spec", &schema());
    let mut told = Vec::new();
    // A form may use another.
    while let Some((name, schema)) = reference.forms.iter().find(|(name, _)| !told.contains(name)).cloned() {
        told.push(name);
        let title = if name == "value" { "A value" } else { "An expiry entry" };
        let mut inner = Reference { text: String::new(), forms: std::mem::take(&mut reference.forms) };
        inner.table(title, &schema);
        reference.text.push_str(&inner.text);
        reference.forms = inner.forms;
    }
    reference.text
}

#[test]
fn the_page_is_what_the_schema_says() {
    let generated = generated();
    if env::var_os("UPDATE_REFERENCE").is_some() {
        fs::write(page(), &generated).unwrap();
    }
    let written = fs::read_to_string(page()).unwrap();
    assert!(
        written == generated,
        "{} is out of date: UPDATE_REFERENCE=1 cargo test --test reference",
        page().display()
    );
}

#[test]
fn the_page_has_every_field_of_the_form() {
    let page = fs::read_to_string(page()).unwrap();
    let mut names = Vec::new();
    fields(&schema(), &mut names);
    assert!(names.len() > 80, "only {} fields", names.len());
    for name in names {
        assert!(page.contains(&format!("| `{name}` |")), "no {name}");
    }
}

fn fields(schema: &Value, names: &mut Vec<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        names.extend(properties.keys().cloned());
        properties.values().for_each(|field| fields(field, names));
    }
    fields_of(&schema["items"], names);
    fields_of(&schema["additionalProperties"], names);
}

fn fields_of(schema: &Value, names: &mut Vec<String>) {
    if schema.is_object() {
        fields(schema, names);
    }
}
