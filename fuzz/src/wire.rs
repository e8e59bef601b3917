//! A reply as text: `login 200 Everything`, its headers, an empty line, its body. A line break alone ends a line.

use std::sync::{Arc, LazyLock};

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::{
    api::http::Operation,
    provider::{definition::Definition, interpret::Reply, presets, validate},
};

/// A definition that asks for every kind of value at every kind of place.
static EVERYTHING: LazyLock<Arc<Definition>> = LazyLock::new(|| {
    let spec = serde_saphyr::from_str(include_str!("everything.yaml")).expect("the definition is YAML");
    Arc::new(validate::compile(&spec).expect("the definition is good"))
});

/// What a corpus file describes.
pub struct Wire {
    pub operation: Operation,
    pub definition: Arc<Definition>,
    pub reply: Reply,
}

/// When the requests of the fuzzer are sent, and their replies are there.
pub fn sent_and_received() -> (Timestamp, Timestamp) {
    let at = |text: &str| text.parse().expect("a time");
    (at("2026-11-20T12:00:00.7Z"), at("2026-11-20T12:00:01.7Z"))
}

/// Reads such a text. `None` for what no HTTP client would hand on.
pub fn read(input: &[u8]) -> Option<Wire> {
    let end = input.windows(2).position(|pair| pair == b"\n\n")?;
    let (head, body) = (&input[..end], &input[end + 2..]);
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let mut words = first.split(' ');
    let operation = match words.next()? {
        "login" => Operation::Login,
        "refresh" => Operation::Refresh,
        _ => return None,
    };
    let status = words.next()?.parse().ok().filter(|status| (100..1000).contains(status))?;
    let definition = match words.next()? {
        "Everything" => Arc::clone(&EVERYTHING),
        preset => presets::definition(preset)?,
    };
    let (sent_at, received_at) = sent_and_received();
    let reply = Reply { status, headers: headers(lines)?, body: body.to_vec().into(), sent_at, received_at };
    Some(Wire { operation, definition, reply })
}

fn headers<'l>(lines: impl Iterator<Item = &'l [u8]>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        headers.append(name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?);
    }
    Some(headers)
}
