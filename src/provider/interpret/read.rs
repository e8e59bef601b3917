//! What stands at a place of a reply.

use std::borrow::Cow;

use http::HeaderMap;
use secrecy::{ExposeSecret, zeroize::Zeroize};
use serde_json::Value as Json;

use super::Reply;
use crate::provider::definition::Source;

/// From here on integers are not exact in the number type of JSON readers, 2^53.
const INEXACT: f64 = 9_007_199_254_740_992.0;

/// A reply with its body parsed, wiped when it is no longer needed.
pub(super) struct Document<'r> {
    pub reply: &'r Reply,
    json: Option<Json>,
}

/// What was found.
#[derive(PartialEq, Eq)]
pub(super) enum Found<'d> {
    /// Missing, null or empty.
    Absent,
    Text(Cow<'d, str>),
    /// Something that is no text; why, for the message.
    Invalid(&'static str),
}

impl<'r> Document<'r> {
    pub fn of(reply: &'r Reply) -> Self {
        let body = reply.body.expose_secret();
        // RFC 8259 8.1 forbids the byte order mark and allows readers to ignore it.
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        Self {
            reply,
            json: serde_json::from_slice(body).ok(),
        }
    }

    pub const fn is_json(&self) -> bool {
        self.json.is_some()
    }

    pub fn pointer(&self, pointer: &str) -> Option<&Json> {
        self.json.as_ref()?.pointer(pointer)
    }

    /// The body as text, without trailing line ends.
    pub fn text(&self) -> Option<&str> {
        let text = std::str::from_utf8(self.reply.body.expose_secret()).ok()?;
        Some(text.trim_end_matches(['\r', '\n']))
    }

    pub fn find(&self, source: &Source) -> Found<'_> {
        match source {
            Source::Json(pointer) => self.pointer(pointer).map_or(Found::Absent, scalar),
            Source::Header(name) => self
                .reply
                .headers
                .get(name)
                .map_or(Found::Absent, |value| text_of(value.as_bytes())),
            Source::Cookie(name) => cookie(&self.reply.headers, name).map_or(Found::Absent, |it| Found::text(it.value)),
            Source::Text => self.text().map_or(Found::Invalid("is not UTF-8 text"), Found::text),
        }
    }
}

impl Drop for Document<'_> {
    fn drop(&mut self) {
        if let Some(json) = &mut self.json {
            wipe(json);
        }
    }
}

fn wipe(json: &mut Json) {
    match json {
        Json::String(text) => text.zeroize(),
        Json::Array(elements) => elements.iter_mut().for_each(wipe),
        Json::Object(members) => members.values_mut().for_each(wipe),
        _ => {}
    }
}

impl<'d> Found<'d> {
    fn text(text: &'d str) -> Self {
        if text.is_empty() {
            Self::Absent
        } else {
            Self::Text(Cow::Borrowed(text))
        }
    }

    /// Finite, if it is a number at all. `NaN` and `inf` are words that the parser knows and no server means.
    pub fn number(&self) -> Option<f64> {
        let Self::Text(text) = self else { return None };
        text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
    }
}

/// A string as it is, a number or boolean as JSON writes it.
fn scalar(json: &Json) -> Found<'_> {
    match json {
        Json::Null => Found::Absent,
        Json::String(text) => Found::text(text),
        Json::Bool(_) => Found::Text(Cow::Owned(json.to_string())),
        Json::Number(number) if number.is_f64() && number.as_f64().is_some_and(|it| it.abs() >= INEXACT) => {
            Found::Invalid("is a number too large to be read exactly")
        }
        Json::Number(number) => Found::Text(Cow::Owned(number.to_string())),
        Json::Array(_) => Found::Invalid("is a list"),
        Json::Object(_) => Found::Invalid("is an object"),
    }
}

fn text_of(bytes: &[u8]) -> Found<'_> {
    std::str::from_utf8(bytes).map_or(Found::Invalid("is not UTF-8 text"), Found::text)
}

/// A cookie that a reply sets.
pub(super) struct Cookie<'h> {
    /// Raw: `+`, `/`, `=` and quotes kept.
    pub value: &'h str,
    attributes: &'h str,
}

impl<'h> Cookie<'h> {
    /// Of several of one name the last counts (RFC 6265 5.3).
    pub fn attribute(&self, name: &str) -> Option<&'h str> {
        let mut pairs = self.attributes.rsplit(';').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
        Some(value.trim())
    }
}

/// The last `Set-Cookie` of this name.
pub(super) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<Cookie<'h>> {
    headers.get_all(http::header::SET_COOKIE).iter().rev().find_map(|line| {
        let line = std::str::from_utf8(line.as_bytes()).ok()?;
        let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
        let (key, value) = pair.split_once('=')?;
        (key.trim() == name).then_some(Cookie {
            value: value.trim(),
            attributes,
        })
    })
}
