//! Where in a reply things stand.

use std::{collections::BTreeMap, time::Duration};

use http::HeaderName;

use crate::api::http::{FailureClass, Operation};

/// How a good reply is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub access_token: Source,
    pub refresh_token: Option<Wanted>,
    pub outputs: BTreeMap<String, Wanted>,
    /// The earliest that yields.
    pub expiry: Vec<Expiry>,
    /// The same for the session; never [`Expiry::After`].
    pub session_expiry: Vec<Expiry>,
}

/// A place in a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// RFC 6901 pointer; empty for the whole document.
    Json(String),
    Header(HeaderName),
    Cookie(String),
    /// The whole body.
    Text,
}

/// A place whose value a reply may lack if it is optional.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub source: Source,
    pub optional: bool,
}

/// One way to learn when something ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// So many of these from the moment the request was sent.
    In(Unit, Source),
    /// So many of these since 1970.
    Epoch(Unit, Source),
    /// RFC 3339 or an HTTP date.
    Timestamp(Source),
    /// `exp` of a value as it is after this reply.
    Jwt(TokenName),
    /// Max-Age, else Expires.
    Cookie(String),
    /// Only if nothing else yields.
    After(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Microseconds,
    Milliseconds,
    Seconds,
    Minutes,
}

/// A value of the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenName {
    AccessToken,
    RefreshToken,
    Output(String),
}

/// How a failure is recognized before the status decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `None`: both.
    pub operation: Option<Operation>,
    /// Empty: any.
    pub status: Vec<u16>,
    pub condition: Option<Condition>,
    pub class: FailureClass,
    /// Shown to the user.
    pub reason: Option<String>,
}

/// Something in the reply itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub source: Source,
    /// Empty: it is enough that the place is there and not null.
    pub equals: Vec<String>,
}

impl Unit {
    /// So many of these, in seconds. Divided rather than multiplied by a fraction: 1760000000000 ms are whole seconds.
    #[must_use]
    pub fn in_seconds(self, count: f64) -> f64 {
        match self {
            Self::Microseconds => count / 1e6,
            Self::Milliseconds => count / 1e3,
            Self::Seconds => count,
            Self::Minutes => count * 60.0,
        }
    }
}
