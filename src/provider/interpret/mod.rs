//! From a reply to a grant or a failure.
//!
//! The order is fixed: the definition's rules, then the status, and only then are values read, so that a token in a
//! refused reply is never taken. Messages hold no byte of the reply but its status and the host of a redirect.

mod classify;
mod dates;
mod expiry;
mod explain;
mod proof;
/// What a token endpoint's refusals mean, and the codes that may be shown.
pub mod oauth2;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use http::HeaderMap;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretSlice, SecretString};

pub use self::classify::retry_after;
pub use self::explain::{DecidedBy, Explanation, SeenExpiry, SeenText, SeenValue, explain};
pub use self::proof::{Proof, Revocation, proof, revocation};
use self::{
    expiry::{Times, whole_seconds},
    read::{Document, Found},
};
use super::{
    definition::{Definition, Expiry, Protocol, Response, Source, TokenName},
    grant::{Failure, Grant},
    values::SessionValues,
};
use crate::api::http::{FailureClass, Operation};

/// Longest value that is kept, in bytes.
const LONGEST_VALUE: usize = 16 * 1024;

/// What came back. Cannot be printed.
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    /// Bounded by who received it.
    pub body: SecretSlice<u8>,
    /// Just before the request was sent.
    pub sent_at: Timestamp,
    /// When the last byte was there.
    pub received_at: Timestamp,
}

/// Reads the reply to an operation. `session` is what a refresh continues.
///
/// # Errors
/// With the class of the failure: a rule's, else the status's, else that of a reply that lacks what is wanted.
pub fn interpret(
    definition: &Definition,
    operation: Operation,
    reply: &Reply,
    session: Option<SessionValues<'_>>,
) -> Result<Grant, Failure> {
    let document = Document::of(reply);
    if let Some(failure) = classify::by_rule(definition, operation, &document) {
        return Err(failure);
    }
    if definition.protocol == Protocol::OAuth2
        && let Some(failure) = oauth2::by_error(operation, &document)
    {
        return Err(failure);
    }
    if let Some(failure) = classify::by_status(definition, operation, reply) {
        return Err(failure);
    }
    let response = response_of(definition, operation);
    Reading { protocol: definition.protocol, operation, document: &document, response }.grant(session)
}

fn response_of(definition: &Definition, operation: Operation) -> &Response {
    match (operation, &definition.refresh) {
        (Operation::Refresh, Some(refresh)) => &refresh.response,
        _ => &definition.login.response,
    }
}

/// A good reply, being read.
struct Reading<'a> {
    protocol: Protocol,
    operation: Operation,
    document: &'a Document<'a>,
    response: &'a Response,
}

/// What a value may be made of.
#[derive(Clone, Copy)]
enum Kind {
    /// Visible ASCII: it will stand in headers.
    Token,
    /// Anything but control characters.
    Output,
}

impl Reading<'_> {
    fn grant(&self, session: Option<SessionValues<'_>>) -> Result<Grant, Failure> {
        let access = &self.response.access_token;
        let Some(access_token) = self.value("accessToken", access, Kind::Token)? else {
            return Err(self.absent("accessToken", access));
        };
        let refresh_token = match &self.response.refresh_token {
            None => None,
            Some(it) => self.wanted("refreshToken", &it.source, it.optional, Kind::Token)?,
        };
        let mut outputs = BTreeMap::new();
        for (name, it) in &self.response.outputs {
            if let Some(value) = self.wanted(name, &it.source, it.optional, Kind::Output)? {
                outputs.insert(name.clone(), value);
            }
        }
        let token = |name: &TokenName| {
            let (new, old) = match name {
                TokenName::AccessToken => (Some(&access_token), None),
                TokenName::RefreshToken => (refresh_token.as_ref(), session.and_then(|it| it.refresh_token)),
                TokenName::Output(name) => (outputs.get(name), session.and_then(|it| it.outputs.get(name))),
            };
            new.or(old).map(ExposeSecret::expose_secret)
        };
        let reply = self.document.reply;
        let clock_offset = expiry::clock_offset(reply);
        let times = Times { document: self.document, offset: clock_offset, token };
        let expires_at = times.earliest(&self.response.expiry).ok_or_else(|| self.endless())?;
        let session_expires_at = times.earliest(&self.response.session_expiry);
        let issued_at = whole_seconds(reply.sent_at);
        Ok(Grant { access_token, refresh_token, outputs, issued_at, expires_at, session_expires_at, clock_offset })
    }

    /// A refresh keeps what its reply lacks; a login has nothing to keep.
    fn wanted(&self, name: &str, source: &Source, optional: bool, kind: Kind) -> Result<Option<SecretString>, Failure> {
        match self.value(name, source, kind)? {
            None if !optional && self.operation == Operation::Login => Err(self.absent(name, source)),
            value => Ok(value),
        }
    }

    fn value(&self, name: &str, source: &Source, kind: Kind) -> Result<Option<SecretString>, Failure> {
        let fault = match self.document.find(source) {
            Found::Absent => return Ok(None),
            Found::Invalid(fault) => fault,
            Found::Text(text) => match kind.fault(&text) {
                None => return Ok(Some(SecretString::from(text.into_owned()))),
                Some(fault) => fault,
            },
        };
        Err(self.lacking(&format!("{name} {} {fault}", place(source))))
    }

    fn absent(&self, name: &str, source: &Source) -> Failure {
        if matches!(source, Source::Json(_)) && !self.document.is_json() {
            return self.no_json();
        }
        self.lacking(&format!("{name} {} is not there", place(source)))
    }

    /// Nothing says when the token ends.
    fn endless(&self) -> Failure {
        let json = |entry: &Expiry| {
            matches!(
                entry,
                Expiry::In(_, Source::Json(_)) | Expiry::Epoch(_, Source::Json(_)) | Expiry::Timestamp(Source::Json(_))
            )
        };
        if !self.document.is_json() && self.response.expiry.iter().any(json) {
            return self.no_json();
        }
        self.lacking(match self.protocol {
            Protocol::Http => "no entry of expiry says when the token ends: correct them, or add `after`",
            Protocol::OAuth2 => "neither expires_in nor the token says when it ends: set oauth2.lifetime",
        })
    }

    /// Often the page of a proxy or of a maintenance; it passes.
    fn no_json(&self) -> Failure {
        let (status, verb) = (self.document.reply.status, classify::verb(self.operation));
        let message = format!("the {verb} was answered with HTTP {status}, but not with JSON");
        classify::failure(self.document.reply, FailureClass::Transient, None, message)
    }

    /// A refresh falls back to a login, whose answer counts: a typo in `refresh.response` must not let a token die.
    fn lacking(&self, what: &str) -> Failure {
        let class = match self.operation {
            Operation::Login => FailureClass::Misconfigured,
            Operation::Refresh => FailureClass::SessionOver,
        };
        let (status, verb) = (self.document.reply.status, classify::verb(self.operation));
        let message = format!("the {verb} was answered with HTTP {status}, but {what}");
        classify::failure(self.document.reply, class, None, message)
    }
}

impl Kind {
    fn fault(self, text: &str) -> Option<&'static str> {
        if text.len() > LONGEST_VALUE {
            return Some("is longer than 16 KiB");
        }
        match self {
            Self::Token if !text.bytes().all(|b| b.is_ascii_graphic()) => Some("is not visible ASCII"),
            Self::Output if text.chars().any(char::is_control) => Some("holds control characters"),
            _ => None,
        }
    }
}

/// As the definition names it.
fn place(source: &Source) -> String {
    match source {
        Source::Json(pointer) if pointer.is_empty() => "(the whole JSON document)".to_owned(),
        Source::Json(pointer) => format!("(JSON pointer {pointer})"),
        Source::Header(name) => format!("(header {name})"),
        Source::Cookie(name) => format!("(cookie {name})"),
        Source::Text => "(the whole body)".to_owned(),
    }
}
