//! A reply that may be shown: its shape, never its values.
//!
//! A server decides what is in a reply, so nothing of it is repeated but names that are plain words, and codes that are
//! registered. Of a value there is its kind and its length.

use std::fmt::Write as _;

use http::header;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::provider::{
    interpret::{Reply, oauth2::ERROR_CODES},
    jwt,
};

/// Lines that are shown of a body.
const MOST_LINES: usize = 60;
/// Media types that may be named.
const KINDS: [&str; 6] =
    ["application/json", "application/problem+json", "text/html", "text/plain", "application/xml", "text/xml"];

/// The reply in a line, and the shape of its body.
#[must_use]
pub fn lines(reply: &Reply, took: f64, names: &Names) -> Vec<String> {
    let reason = http::StatusCode::from_u16(reply.status).ok().and_then(|status| status.canonical_reason());
    let kind = reply.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let kind = match kind.as_deref() {
        None => "no Content-Type",
        Some(kind) => KINDS.iter().find(|known| **known == kind).map_or("another Content-Type", |known| known),
    };
    let size = reply.body.expose_secret().len();
    let mut lines = vec![format!("{} {} after {took:.2} s, {kind}, {size} bytes", reply.status, reason.unwrap_or(""))];
    lines.extend(cookies(reply, names));
    match serde_json::from_slice::<Value>(reply.body.expose_secret()) {
        Ok(json) => {
            let mut shape = Vec::new();
            names.draw(&json, "", "", &mut shape);
            let left = shape.len().saturating_sub(MOST_LINES);
            lines.extend(shape.into_iter().take(MOST_LINES));
            if left > 0 {
                lines.push(format!("... and {left} lines more"));
            }
        }
        Err(_) if size == 0 => lines.push("(an empty body)".to_owned()),
        Err(_) => lines.push(format!("(not JSON: {size} bytes)")),
    }
    lines
}

/// Places of a reply that may be what a definition lacks, as JSON pointers: texts that look like tokens, and numbers
/// or texts that look like times.
#[must_use]
pub fn candidates(reply: &Reply, words: &[&str], names: &Names) -> Vec<String> {
    let mut found = Vec::new();
    if let Ok(json) = serde_json::from_slice::<Value>(reply.body.expose_secret()) {
        names.search(&json, String::new(), words, &mut found);
    }
    found
}

/// Which names of a reply may be shown: words as programmers choose them, with no room for a secret, no control
/// character for the terminal, nothing that was sent, and no text that is a value elsewhere in the reply.
pub struct Names {
    hidden: Vec<SecretString>,
}

impl Names {
    /// Of a reply to a request that held `sent`.
    pub fn of<'s>(sent: impl Iterator<Item = &'s SecretString>, reply: &Reply) -> Self {
        let mut hidden: Vec<_> = sent.cloned().collect();
        if let Ok(json) = serde_json::from_slice::<Value>(reply.body.expose_secret()) {
            texts(&json, &mut hidden);
        }
        Self { hidden }
    }

    fn may_be_shown(&self, name: &str) -> bool {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'@' | b'$');
        let digits = name.bytes().filter(u8::is_ascii_digit).count();
        let hidden = self.hidden.iter().map(ExposeSecret::expose_secret).any(|secret| name.contains(secret));
        (1..=32).contains(&name.len()) && digits <= 3 && name.bytes().all(good) && !hidden
    }

    fn search(&self, json: &Value, at: String, words: &[&str], found: &mut Vec<String>) {
        match json {
            Value::Object(members) => {
                for (name, value) in members.iter().filter(|(name, _)| self.may_be_shown(name)) {
                    self.search(value, format!("{at}/{name}"), words, found);
                }
            }
            Value::String(_) | Value::Number(_) => {
                let name = at.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
                if words.iter().any(|word| name.contains(word)) {
                    found.push(at);
                }
            }
            _ => {}
        }
    }

    fn draw(&self, json: &Value, indent: &str, label: &str, lines: &mut Vec<String>) {
        let inner = format!("{indent}  ");
        match json {
            Value::Object(members) if !members.is_empty() => {
                lines.push(format!("{indent}{label}{{"));
                for (name, value) in members {
                    let name = if self.may_be_shown(name) {
                        name.clone()
                    } else {
                        format!("(a name of {})", name.chars().count())
                    };
                    self.draw(value, &inner, &format!("{name}: "), lines);
                }
                lines.push(format!("{indent}}}"));
            }
            Value::Array(elements) if !elements.is_empty() => {
                lines.push(format!("{indent}{label}["));
                self.draw(&elements[0], &inner, "", lines);
                if elements.len() > 1 {
                    lines.push(format!("{inner}... {} in all", elements.len()));
                }
                lines.push(format!("{indent}]"));
            }
            leaf => lines.push(format!("{indent}{label}{}", described(leaf))),
        }
    }
}

fn cookies(reply: &Reply, all: &Names) -> Option<String> {
    let names = reply.headers.get_all(header::SET_COOKIE).iter();
    let names = names.filter_map(|line| Some(line.to_str().ok()?.split_once('=')?.0.trim()));
    let names: Vec<_> = names.map(|name| if all.may_be_shown(name) { name } else { "(another)" }).collect();
    (!names.is_empty()).then(|| format!("sets cookies: {}", names.join(", ")))
}

/// Texts that are long enough to be a secret.
fn texts(json: &Value, found: &mut Vec<SecretString>) {
    match json {
        Value::String(text) if text.len() >= 8 => found.push(text.as_str().into()),
        Value::Array(elements) => elements.iter().for_each(|element| texts(element, found)),
        Value::Object(members) => members.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

fn described(json: &Value) -> String {
    match json {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => {
            let text = number.to_string();
            let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
            let mut out = format!("••• (number, digits: {}", whole.trim_start_matches('-').len());
            if !rest.is_empty() {
                let _ = write!(out, " and a fraction");
            }
            out + ")"
        }
        Value::String(text) if ERROR_CODES.contains(&text.as_str()) => format!("\"{text}\""),
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => {
            let jwt = if jwt::expiry(text).is_some() { ", a JWT with exp" } else { "" };
            let count = text.chars().count();
            format!("••• ({count} character{}{jwt})", if count == 1 { "" } else { "s" })
        }
        Value::Array(_) => "[]".to_owned(),
        Value::Object(_) => "{}".to_owned(),
    }
}
