//! The bytes of a body.

use secrecy::{ExposeSecret, SecretSlice, SecretString, zeroize::Zeroizing};
use serde_json::Value as Json;

use super::{Once, Unrenderable, encode, missing};
use crate::provider::{
    assertion::{self, Claims},
    definition::{Assertion, Body, FormValue, JsonTemplate},
    template::Template,
    values::Values,
};

/// What separates the fields of a multipart body, told apart from other texts.
pub(super) struct Boundary<'a>(&'a str);

impl<'a> Boundary<'a> {
    /// RFC 2046 allows more; these need no quotes.
    pub fn new(text: &'a str) -> Result<Self, Unrenderable> {
        let good = (1..=70).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if good { Ok(Self(text)) } else { Err(Unrenderable::Boundary) }
    }
}

/// The body and its `Content-Type`.
pub(super) fn body(
    body: &Body,
    values: &Values<'_>,
    once: &Once<'_>,
) -> Result<(SecretSlice<u8>, String), Unrenderable> {
    let boundary = once.random;
    let mut out = Zeroizing::new(String::new());
    let kind = match body {
        Body::Json(members) => {
            object(members, values, &mut out);
            "application/json".to_owned()
        }
        Body::Form(fields) => {
            form(fields, values, once, &mut out)?;
            "application/x-www-form-urlencoded".to_owned()
        }
        Body::Multipart(fields) => {
            multipart(fields, values, &Boundary::new(boundary)?, &mut out)?;
            format!("multipart/form-data; boundary={boundary}")
        }
    };
    Ok((SecretSlice::from(std::mem::take(&mut *out).into_bytes()), kind))
}

fn form(
    fields: &[(String, FormValue)],
    values: &Values<'_>,
    once: &Once<'_>,
    out: &mut String,
) -> Result<(), Unrenderable> {
    for (name, value) in fields {
        let value = match value {
            FormValue::Text(template) => template.expand(|name| values.get(name)),
            FormValue::Assertion(assertion) => Some(signed(assertion, values, once)?),
        };
        let Some(value) = value else { continue };
        if !out.is_empty() {
            out.push('&');
        }
        encode::form(name, out);
        out.push('=');
        encode::form(value.expose_secret(), out);
    }
    Ok(())
}

fn signed(form: &Assertion, values: &Values<'_>, once: &Once<'_>) -> Result<SecretString, Unrenderable> {
    let text =
        |template: &Template| template.expand(|name| values.get(name)).ok_or_else(|| missing("assertion", template));
    let (issuer, subject, key) = (text(&form.issuer)?, text(&form.subject)?, text(&form.key)?);
    if once.shown {
        return Ok(format!("{:?}.{}", form.algorithm, key.expose_secret()).into());
    }
    let key_id = form.key_id.expand(|name| values.get(name));
    let claims = Claims {
        issuer: issuer.expose_secret(),
        subject: subject.expose_secret(),
        audience: form.audience.as_deref().ok_or(Unrenderable::NoEndpoint)?,
        key_id: key_id.as_ref().map(ExposeSecret::expose_secret),
        id: once.random,
        now: once.at,
    };
    assertion::sign(form.algorithm, &key, &claims)
        .map_err(|fault| Unrenderable::Key { template: form.key.source().to_owned(), fault })
}

/// RFC 7578, names escaped as browsers do it.
fn multipart(
    fields: &[(String, Template)],
    values: &Values<'_>,
    boundary: &Boundary<'_>,
    out: &mut String,
) -> Result<(), Unrenderable> {
    let boundary = boundary.0;
    for (name, template) in fields {
        let Some(value) = template.expand(|name| values.get(name)) else {
            continue;
        };
        let name = name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
        if value.expose_secret().contains(boundary) || name.contains(boundary) {
            return Err(Unrenderable::Boundary);
        }
        for part in ["--", boundary, "\r\nContent-Disposition: form-data; name=\"", &name, "\"\r\n\r\n"] {
            out.push_str(part);
        }
        out.push_str(value.expose_secret());
        out.push_str("\r\n");
    }
    for part in ["--", boundary, "--\r\n"] {
        out.push_str(part);
    }
    Ok(())
}

/// Writes the members that have a value; says whether there were any, or were none to begin with.
fn object(members: &[(String, JsonTemplate)], values: &Values<'_>, out: &mut String) -> bool {
    out.push('{');
    let mut any = false;
    for (name, value) in members {
        let before = out.len();
        if any {
            out.push(',');
        }
        string(name, out);
        out.push(':');
        if json(value, values, out) {
            any = true;
        } else {
            out.truncate(before);
        }
    }
    out.push('}');
    any || members.is_empty()
}

fn list(elements: &[JsonTemplate], values: &Values<'_>, out: &mut String) -> bool {
    out.push('[');
    let mut any = false;
    for value in elements {
        let before = out.len();
        if any {
            out.push(',');
        }
        if json(value, values, out) {
            any = true;
        } else {
            out.truncate(before);
        }
    }
    out.push(']');
    any || elements.is_empty()
}

/// Whether there is something to write. What was written in vain is for the caller to take back.
fn json(value: &JsonTemplate, values: &Values<'_>, out: &mut String) -> bool {
    match value {
        JsonTemplate::Fixed(value) => {
            out.push_str(&value.to_string());
            true
        }
        JsonTemplate::List(elements) => list(elements, values, out),
        JsonTemplate::Object(members) => object(members, values, out),
        JsonTemplate::Text(template) => match template.expand(|name| values.get(name)) {
            Some(text) => {
                string(text.expose_secret(), out);
                true
            }
            None => false,
        },
    }
}

fn string(text: &str, out: &mut String) {
    let quoted = Zeroizing::new(Json::from(text).to_string());
    out.push_str(&quoted);
}
