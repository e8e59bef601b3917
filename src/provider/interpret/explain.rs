//! How a reply is read, step by step, for people who write a definition. It decides nothing: it asks the same questions
//! as `interpret` and keeps the answers. Of a value it tells where it stands and how long it is, never the value.

use jiff::{SignedDuration, Timestamp};

use super::{
    Reply, classify,
    expiry::{self, Times},
    read::{Document, Found},
};
use crate::{
    api::{duration::HumanDuration, http::Operation},
    provider::{
        definition::{Definition, Expiry, Response, Source, TokenName, Unit},
        grant::Grant,
        jwt,
        values::SessionValues,
    },
};

/// All that was asked of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    pub decided_by: DecidedBy,
    /// The body is JSON.
    pub is_json: bool,
    pub values: Vec<SeenValue>,
    pub expiry: Vec<SeenExpiry>,
    pub session_expiry: Vec<SeenExpiry>,
    /// How far the provider's clock is ahead; absolute times have been moved by it.
    pub clock_offset: Option<SignedDuration>,
}

/// What settled whether the reply is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecidedBy {
    /// `errors[index]`
    Rule(usize),
    /// The status is a failure by default.
    Status,
    /// The status is good, so the values count.
    Values,
}

/// A value that the definition reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenValue {
    /// `accessToken`, `refreshToken` or an output's name.
    pub name: String,
    /// As the definition writes it.
    pub place: String,
    pub optional: bool,
    pub found: SeenText,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeenText {
    /// Missing, null or empty.
    Absent,
    Text {
        characters: usize,
        is_jwt: bool,
    },
    /// Why it is no value.
    Invalid(&'static str),
}

/// An entry of `expiry`, and what it yielded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenExpiry {
    /// As the definition writes it.
    pub entry: String,
    pub yields: Option<Timestamp>,
    /// Only for when no other entry yields.
    pub is_fallback: bool,
}

/// Explains a reply to an operation. `session` is what a refresh continued; `grant` what the reply was read as.
#[must_use]
pub fn explain(
    definition: &Definition,
    operation: Operation,
    reply: &Reply,
    session: Option<SessionValues<'_>>,
    grant: Option<&Grant>,
) -> Explanation {
    use secrecy::ExposeSecret;
    let document = Document::of(reply);
    let decided_by = match classify::matching_rule(definition, operation, &document) {
        Some((index, _)) => DecidedBy::Rule(index),
        None if classify::by_status(definition, operation, reply).is_some() => DecidedBy::Status,
        None => DecidedBy::Values,
    };
    let response = super::response_of(definition, operation);
    let token = |name: &TokenName| {
        let (new, old) = match name {
            TokenName::AccessToken => (grant.map(|it| &it.access_token), None),
            TokenName::RefreshToken => {
                (grant.and_then(|it| it.refresh_token.as_ref()), session.and_then(|it| it.refresh_token))
            }
            TokenName::Output(name) => {
                (grant.and_then(|it| it.outputs.get(name)), session.and_then(|it| it.outputs.get(name)))
            }
        };
        new.or(old).map(ExposeSecret::expose_secret)
    };
    let clock_offset = expiry::clock_offset(reply);
    let times = Times { document: &document, offset: clock_offset, token };
    let seen = |entry: &Expiry| SeenExpiry {
        entry: written_entry(entry),
        yields: times.yields(entry),
        is_fallback: matches!(entry, Expiry::After(_)),
    };
    Explanation {
        decided_by,
        is_json: document.is_json(),
        values: values(response, &document),
        expiry: response.expiry.iter().map(seen).collect(),
        session_expiry: response.session_expiry.iter().map(seen).collect(),
        clock_offset,
    }
}

fn values(response: &Response, document: &Document<'_>) -> Vec<SeenValue> {
    let seen = |name: &str, source: &Source, optional: bool| SeenValue {
        name: name.to_owned(),
        place: written(source),
        optional,
        found: match document.find(source) {
            Found::Absent => SeenText::Absent,
            Found::Invalid(fault) => SeenText::Invalid(fault),
            Found::Text(text) => {
                SeenText::Text { characters: text.chars().count(), is_jwt: jwt::expiry(&text).is_some() }
            }
        },
    };
    let mut all = vec![seen("accessToken", &response.access_token, false)];
    all.extend(response.refresh_token.iter().map(|it| seen("refreshToken", &it.source, it.optional)));
    all.extend(response.outputs.iter().map(|(name, it)| seen(name, &it.source, it.optional)));
    all
}

fn written(source: &Source) -> String {
    match source {
        Source::Json(pointer) if pointer.is_empty() => "json: \"\"".to_owned(),
        Source::Json(pointer) => format!("json: {pointer}"),
        Source::Header(name) => format!("header: {name}"),
        Source::Cookie(name) => format!("cookie: {name}"),
        Source::Text => "text: {}".to_owned(),
    }
}

fn written_entry(entry: &Expiry) -> String {
    let of = |name: &str, source: &Source| format!("{name}: {{ {} }}", written(source));
    match entry {
        Expiry::In(Unit::Milliseconds, source) => of("milliseconds", source),
        Expiry::In(Unit::Minutes, source) => of("minutes", source),
        Expiry::In(_, source) => of("seconds", source),
        Expiry::Epoch(Unit::Milliseconds, source) => of("epochMilliseconds", source),
        Expiry::Epoch(Unit::Microseconds, source) => of("epochMicroseconds", source),
        Expiry::Epoch(_, source) => of("epochSeconds", source),
        Expiry::Timestamp(source) => of("timestamp", source),
        Expiry::Jwt(TokenName::AccessToken) => "jwt: accessToken".to_owned(),
        Expiry::Jwt(TokenName::RefreshToken) => "jwt: refreshToken".to_owned(),
        Expiry::Jwt(TokenName::Output(name)) => format!("jwt: {name}"),
        Expiry::Cookie(name) => format!("cookie: {name}"),
        Expiry::After(span) => format!("after: {}", HumanDuration::from_secs(span.as_secs())),
    }
}
