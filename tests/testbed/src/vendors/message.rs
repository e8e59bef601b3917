//! What goes over the wire, as plain values: a whole request, a whole reply, and replies that break HTTP on purpose.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;

/// A request that has arrived completely.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// Still percent-encoded.
    pub path: String,
    /// Still percent-encoded; `None` without a question mark.
    pub query: Option<String>,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The number of the connection, from 1.
    pub connection: u64,
    /// What the client has shown in the handshake (DER).
    pub client_certificate: Option<Bytes>,
}

/// An ordinary reply.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

/// What the server does with a request in the end.
pub enum Delivery {
    Reply(Reply),
    Raw(Raw),
}

/// Bytes written past the HTTP library, which would not write them.
pub struct Raw {
    /// The status in it; `None` if nothing is said at all.
    pub status: Option<u16>,
    /// Written at once.
    pub fast: Bytes,
    /// Then written byte by byte, one each `pace`.
    pub slow: Bytes,
    pub pace: Duration,
    /// Then written over and over until the client goes away; empty: the connection is closed.
    pub endless: Bytes,
    /// Dropped when the writing is over: until then the request counts as in flight.
    pub until_written: Option<Box<dyn Send>>,
}

impl Request {
    /// The header's value if it is there and readable as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The path's segments, each decoded; `None` if an escape is broken.
    pub fn segments(&self) -> Option<Vec<String>> {
        self.path.strip_prefix('/')?.split('/').map(|segment| percent_decode(segment, false)).collect()
    }

    /// The query's pairs in their order, decoded; `None` if an escape is broken.
    pub fn query_pairs(&self) -> Option<Vec<(String, String)>> {
        self.query.as_deref().map_or_else(|| Some(Vec::new()), pairs)
    }

    /// The same of a body that is a form.
    pub fn form_pairs(&self) -> Option<Vec<(String, String)>> {
        pairs(std::str::from_utf8(&self.body).ok()?)
    }
}

fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let decode = |text: &str| percent_decode(text, true);
    text.split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(value)?))
        })
        .collect()
}

pub(super) fn percent_decode(text: &str, plus_is_space: bool) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Self {
        Self::with_type(status, "application/json", body.to_string())
    }

    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self::with_type(status, "text/plain; charset=utf-8", body.into())
    }

    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    fn with_type(status: u16, content_type: &str, body: String) -> Self {
        Self { status, headers: vec![("content-type".to_owned(), content_type.to_owned())], body: body.into() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Replaces a header, or adds it.
    #[must_use]
    pub fn replace_header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.header(name, value)
    }

    /// The head as HTTP/1.1 writes it, the empty line included; `length` is the header that frames the body.
    pub fn head(&self, length: &str) -> String {
        let mut head = format!("HTTP/1.1 {} Scripted\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("{length}\r\n\r\n"));
        head
    }
}

impl Raw {
    /// Writes `bytes` and closes.
    pub fn then_close(status: Option<u16>, bytes: impl Into<Bytes>) -> Self {
        Self {
            status,
            fast: bytes.into(),
            slow: Bytes::new(),
            pace: Duration::ZERO,
            endless: Bytes::new(),
            until_written: None,
        }
    }
}
