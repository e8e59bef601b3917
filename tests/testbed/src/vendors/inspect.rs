//! The strict reading of requests: everything that a client should not have sent is written down as a mistake.
//!
//! A mistake that the real vendor would not notice is only noted; who cannot go on without the value says so by `None`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::message::Request;

/// Headers that any login or refresh may carry. A vendor adds its own.
const ORDINARY_HEADERS: [&str; 7] =
    ["host", "accept", "accept-encoding", "user-agent", "connection", "content-type", "content-length"];

/// What was found wrong with one request.
#[derive(Debug, Default)]
pub struct Inspection {
    mistakes: Vec<String>,
}

impl Inspection {
    pub fn note(&mut self, mistake: impl Into<String>) {
        self.mistakes.push(mistake.into());
    }

    pub fn into_mistakes(self) -> Vec<String> {
        self.mistakes
    }

    /// What holds for every request: no cookies ever, nothing that a reverse proxy would choke on.
    pub fn every_request(&mut self, request: &Request) {
        for (name, why) in [
            ("cookie", "no cookies are kept"),
            ("expect", "a login waits for no 100 Continue"),
            ("transfer-encoding", "the length is known"),
            ("content-encoding", "requests are not compressed"),
        ] {
            if request.headers.contains_key(name) {
                self.note(format!("header {name}: {why}"));
            }
        }
        if !request.headers.contains_key("host") {
            self.note("header host is missing");
        }
    }

    /// What holds for logins and refreshes: JSON is accepted, and no header is there that the vendor has no use for.
    pub fn headers(&mut self, request: &Request, own: &[&str]) {
        match request.header("accept") {
            None => self.note("header accept is missing"),
            Some(accept) if !accepts_json(accept) => self.note(format!("accept: {accept} does not admit JSON")),
            Some(_) => {}
        }
        for name in request.headers.keys().map(http::HeaderName::as_str) {
            if request.headers.get_all(name).iter().count() > 1 {
                self.note(format!("header {name} is there more than once"));
            }
            if !ORDINARY_HEADERS.contains(&name) && !own.contains(&name) {
                self.note(format!("header {name} does not belong here"));
            }
        }
    }

    /// The body is absent, and nothing says otherwise.
    pub fn no_body(&mut self, request: &Request) {
        if !request.body.is_empty() || request.headers.contains_key("content-type") {
            self.note("a body or content-type where none belongs");
        }
    }

    /// The query is exactly this.
    pub fn query(&mut self, request: &Request, expected: &[(&str, &str)]) {
        let pairs = request.query_pairs();
        let same = pairs.as_ref().is_some_and(|pairs| {
            pairs.len() == expected.len()
                && pairs.iter().all(|(name, value)| expected.contains(&(name.as_str(), value.as_str())))
        });
        if !same {
            let query = request.query.as_deref().unwrap_or_default();
            self.note(format!("the query (names {:?}) is not exactly {expected:?}", names_only(query)));
        }
    }

    /// The body as a JSON object.
    pub fn json_object(&mut self, request: &Request) -> Option<Map<String, Value>> {
        match request.header("content-type") {
            Some("application/json") => {}
            other => {
                self.note(format!("content-type is {other:?}, not application/json"));
                if !other.is_some_and(|other| other.starts_with("application/json")) {
                    return None;
                }
            }
        }
        match serde_json::from_slice(&request.body) {
            Ok(Value::Object(object)) => Some(object),
            Ok(_) => self.give_up("the body is JSON, but no object"),
            Err(_) => self.give_up("the body is not JSON"),
        }
    }

    /// The members of an object, all text: the required ones and some of the optional ones, and no others.
    pub fn texts(
        &mut self,
        object: &Map<String, Value>,
        required: &[&str],
        optional: &[&str],
    ) -> Option<BTreeMap<String, String>> {
        let mut texts = BTreeMap::new();
        for (name, value) in object {
            match value.as_str() {
                _ if !required.contains(&name.as_str()) && !optional.contains(&name.as_str()) => {
                    self.note(format!("field {name} is unknown"));
                }
                None => self.note(format!("field {name} is not a string")),
                Some("") => self.note(format!("field {name} is empty")),
                Some(text) => drop(texts.insert(name.clone(), text.to_owned())),
            }
        }
        self.complete(texts, required)
    }

    /// The same for pairs of a query or a form.
    pub fn pairs(&mut self, pairs: Vec<(String, String)>, required: &[&str]) -> Option<BTreeMap<String, String>> {
        let mut texts = BTreeMap::new();
        for (name, value) in pairs {
            if !required.contains(&name.as_str()) {
                self.note(format!("field {name} is unknown"));
            } else if texts.insert(name.clone(), value).is_some() {
                self.note(format!("field {name} is there more than once"));
            }
        }
        self.complete(texts, required)
    }

    /// Notes why it cannot go on.
    pub fn give_up<T>(&mut self, mistake: impl Into<String>) -> Option<T> {
        self.note(mistake);
        None
    }

    fn complete(&mut self, texts: BTreeMap<String, String>, required: &[&str]) -> Option<BTreeMap<String, String>> {
        let missing: Vec<_> = required.iter().filter(|name| !texts.contains_key(**name)).collect();
        for name in &missing {
            self.note(format!("field {name} is missing"));
        }
        missing.is_empty().then_some(texts)
    }
}

fn accepts_json(accept: &str) -> bool {
    let types = accept.split(',').map(|range| range.split(';').next().unwrap_or_default().trim());
    types.into_iter().any(|range| ["application/json", "application/*", "*/*"].contains(&range))
}

/// A query without its values: they may be secret, and mistakes are printed.
fn names_only(query: &str) -> Vec<&str> {
    query.split('&').map(|pair| pair.split('=').next().unwrap_or_default()).collect()
}
