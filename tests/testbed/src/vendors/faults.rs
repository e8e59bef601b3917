//! What can go wrong on purpose with one request.
//!
//! A fault either replaces the answer of the vendor, which then does nothing, or spoils an answer that the vendor has
//! worked for: then the token exists, and only its way to the client is bad.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::message::{Delivery, Raw, Reply};

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Exactly this instead of the vendor's answer.
    Reply { status: u16, headers: Vec<(String, String)>, body: String },
    /// 200 with the body of the vendor's error.
    ErrorWithStatus200,
    /// Nothing is ever said; the connection stays open.
    Hang,
    /// Closed before the first byte; the vendor did nothing.
    CloseBeforeAnswer,
    /// Closed in the middle of the head; the vendor did nothing.
    CloseInHead,
    /// A chunked body that never ends.
    EndlessBody,
    /// The vendor does its work, then the connection closes: the client cannot know.
    LostReply,
    /// The good reply, its body cut in half but framed as if whole.
    MalformedJson,
    /// The good reply with a damaged access token in it.
    Token(Damage),
    /// The good reply with a member of so many bytes before the others.
    HugeBody(usize),
    /// The good reply with a header of so many bytes.
    HugeHeader(usize),
    /// The good reply, one byte each interval from the first one on.
    SlowHead(Duration),
    /// The good reply, its body one byte each interval.
    SlowBody(Duration),
    /// The good reply as `text/html`.
    WrongContentType,
    /// The good reply, said to be gzip, which it is not.
    ClaimedGzip,
}

/// How a token is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    Missing,
    Null,
    Empty,
    /// A number where text belongs.
    Number,
    /// CR LF and NUL in the middle: in a header they would end the line.
    ControlCharacters,
    /// Lengthened to so many bytes.
    Long(usize),
}

impl Fault {
    /// A bare status.
    pub fn status(status: u16) -> Self {
        Self::Reply { status, headers: Vec::new(), body: String::new() }
    }

    /// 429, to be tried again after what `retry_after` says, in whatever form.
    pub fn rate_limited(retry_after: impl Into<String>) -> Self {
        Self::status(429).header("retry-after", retry_after).body("Too Many Requests")
    }

    /// 302, 307 or another status that sends the client to `location`.
    pub fn redirect(status: u16, location: impl Into<String>) -> Self {
        Self::status(status).header("location", location)
    }

    /// Adds a header to a scripted reply; other faults stay as they are.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        if let Self::Reply { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.into()));
        }
        self
    }

    /// Sets the body of a scripted reply; other faults stay as they are.
    #[must_use]
    pub fn body(mut self, text: impl Into<String>) -> Self {
        if let Self::Reply { body, .. } = &mut self {
            *body = text.into();
        }
        self
    }

    /// What is delivered without any work of the vendor; `None` if the vendor works first. `error` makes the vendor's
    /// own error body for a status.
    pub(super) fn instead(&self, error: impl Fn(u16) -> Reply) -> Option<Delivery> {
        match self {
            Self::Reply { status, headers, body } => {
                let body = Bytes::from(body.clone());
                Some(Delivery::Reply(Reply { status: *status, headers: headers.clone(), body }))
            }
            Self::ErrorWithStatus200 => Some(Delivery::Reply(error(200))),
            Self::CloseBeforeAnswer => Some(Delivery::Raw(Raw::then_close(None, ""))),
            Self::CloseInHead => {
                Some(Delivery::Raw(Raw::then_close(Some(200), "HTTP/1.1 200 OK\r\ncontent-type: applica")))
            }
            Self::EndlessBody => Some(Delivery::Raw(endless())),
            _ => None,
        }
    }

    /// The vendor's reply, spoilt. `token` points to the access token in it.
    pub(super) fn spoil(&self, reply: Reply, token: &str) -> Delivery {
        match self {
            Self::LostReply => Delivery::Raw(Raw::then_close(None, "")),
            Self::SlowHead(pace) => Delivery::Raw(slow(&reply, 0, *pace)),
            Self::SlowBody(pace) => Delivery::Raw(slow(&reply, framed_head(&reply).len(), *pace)),
            Self::MalformedJson => {
                let half = reply.body.len() / 2;
                Delivery::Reply(Reply { body: reply.body.slice(..half), ..reply })
            }
            Self::Token(damage) => Delivery::Reply(with_json(reply, |body| damage.apply(body, token))),
            Self::HugeBody(bytes) => Delivery::Reply(padded(reply, *bytes)),
            Self::HugeHeader(bytes) => Delivery::Reply(reply.header("x-padding", "p".repeat(*bytes))),
            Self::WrongContentType => Delivery::Reply(reply.replace_header("content-type", "text/html")),
            Self::ClaimedGzip => Delivery::Reply(reply.replace_header("content-encoding", "gzip")),
            _ => Delivery::Reply(reply),
        }
    }
}

/// A time as HTTP writes it in `Date` and `Retry-After`.
pub fn http_date(time: Timestamp) -> String {
    let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
    printer.timestamp_to_rfc9110_string(&time).expect("invariant: years have four digits")
}

impl Damage {
    fn apply(self, body: &mut Value, pointer: &str) {
        let Some((parent, name)) = pointer.rsplit_once('/') else {
            return;
        };
        let Some(Value::Object(parent)) = body.pointer_mut(parent) else {
            return;
        };
        let Some(Value::String(token)) = parent.get(name).cloned() else {
            return;
        };
        let (start, end) = token.split_at(token.len() / 2);
        let damaged = match self {
            Self::Missing => return drop(parent.remove(name)),
            Self::Null => Value::Null,
            Self::Empty => "".into(),
            Self::Number => 42.into(),
            Self::ControlCharacters => format!("{start}\r\nX-Injected: 1\0{end}").into(),
            Self::Long(bytes) => format!("{token}{}", "A".repeat(bytes.saturating_sub(token.len()))).into(),
        };
        parent.insert(name.to_owned(), damaged);
    }
}

fn with_json(mut reply: Reply, change: impl FnOnce(&mut Value)) -> Reply {
    if let Ok(mut body) = serde_json::from_slice(&reply.body) {
        change(&mut body);
        reply.body = body.to_string().into();
    }
    reply
}

/// The padding stands first, so that a reader who stops at a bound has not seen the token.
fn padded(reply: Reply, bytes: usize) -> Reply {
    let rest = reply.body.strip_prefix(b"{").unwrap_or_default().to_vec();
    let body = [format!(r#"{{"padding":"{}","#, "p".repeat(bytes)).into_bytes(), rest].concat();
    Reply { body: body.into(), ..reply }
}

fn framed_head(reply: &Reply) -> String {
    reply.head(&format!("content-length: {}\r\nconnection: close", reply.body.len()))
}

/// The whole reply: so many bytes at once, the others one by one.
fn slow(reply: &Reply, fast: usize, pace: Duration) -> Raw {
    let mut whole = Bytes::from([framed_head(reply).as_bytes(), &reply.body].concat());
    let slow = whole.split_off(fast);
    Raw { slow, pace, ..Raw::then_close(Some(reply.status), whole) }
}

fn endless() -> Raw {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n[\"\r\n";
    let chunk = format!("1000\r\n{}\r\n", "e".repeat(0x1000));
    Raw { endless: chunk.into(), ..Raw::then_close(Some(200), head) }
}
