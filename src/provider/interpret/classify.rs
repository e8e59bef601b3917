//! Whether a reply is a failure, and of which class: the definition's rules first, then the status.

use std::time::Duration;

use http::header;
use url::Url;

use super::{
    Reply, dates, expiry,
    read::{Document, Found},
};
use crate::{
    api::http::{FailureClass, Operation},
    provider::{
        definition::{Condition, Definition, Rule, Source},
        grant::Failure,
    },
};

/// No provider makes us wait longer.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);
/// A longer place of a redirect is not shown: it might hold more than a place.
const LONGEST_PLACE: usize = 120;

pub(super) fn by_rule(definition: &Definition, operation: Operation, document: &Document<'_>) -> Option<Failure> {
    let (index, rule) = matching_rule(definition, operation, document)?;
    let reason = rule.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let status = document.reply.status;
    let verb = verb(operation);
    let message =
        format!("the {verb} was answered with HTTP {status}, which errors[{index}] calls {:?}{reason}", rule.class);
    Some(failure(document.reply, rule.class, rule.reason.clone(), message))
}

/// The rule that decides, with its number.
pub(super) fn matching_rule<'d>(
    definition: &'d Definition,
    operation: Operation,
    document: &Document<'_>,
) -> Option<(usize, &'d Rule)> {
    definition.errors.iter().enumerate().find(|(_, rule)| matches(rule, operation, document))
}

fn matches(rule: &Rule, operation: Operation, document: &Document<'_>) -> bool {
    rule.operation.is_none_or(|only| only == operation)
        && (rule.status.is_empty() || rule.status.contains(&document.reply.status))
        && rule.condition.as_ref().is_none_or(|condition| holds(condition, document))
}

/// `""` is there and not null, though it is absent where a value is wanted.
pub(super) fn holds(condition: &Condition, document: &Document<'_>) -> bool {
    let found = document.find(&condition.source);
    let there = match &condition.source {
        Source::Json(pointer) => document.pointer(pointer).is_some_and(|json| !json.is_null()),
        Source::Header(name) => document.reply.headers.contains_key(name),
        Source::Cookie(_) | Source::Text => found != Found::Absent,
    };
    let text = match &found {
        Found::Text(text) => Some(&**text),
        Found::Absent => Some(""),
        Found::Invalid(_) => None,
    };
    there && (condition.equals.is_empty() || text.is_some_and(|text| condition.equals.iter().any(|it| it == text)))
}

/// What a status means where no rule says otherwise. Wide on purpose: servers agree on little.
pub(super) fn by_status(definition: &Definition, operation: Operation, reply: &Reply) -> Option<Failure> {
    let (status, verb) = (reply.status, verb(operation));
    let refused = match operation {
        Operation::Login => FailureClass::Rejected,
        Operation::Refresh => FailureClass::SessionOver,
    };
    let (class, message) = match (status, operation) {
        (200..=299, _) => return None,
        (429, _) => (FailureClass::RateLimited, format!("the {verb} was answered with HTTP 429, too many requests")),
        (503, _) if reply.headers.contains_key(header::RETRY_AFTER) => {
            (FailureClass::RateLimited, format!("the {verb} was answered with HTTP 503 and a time to wait"))
        }
        (300..=399, _) if reply.headers.contains_key(header::LOCATION) => {
            (FailureClass::Transient, redirect(definition, reply))
        }
        (400 | 401 | 403 | 422, _) => (refused, format!("the provider refused the {verb} with HTTP {status}")),
        (408 | 425, _) => (FailureClass::Transient, format!("the {verb} was answered with HTTP {status}")),
        (400..=499, Operation::Login) => {
            let hint = "are url, path and method right?";
            (FailureClass::Misconfigured, format!("the {verb} was answered with HTTP {status}: {hint}"))
        }
        (400..=499, Operation::Refresh) => (refused, format!("the provider refused the {verb} with HTTP {status}")),
        _ => (FailureClass::Transient, format!("the {verb} was answered with HTTP {status}")),
    };
    Some(failure(reply, class, None, message))
}

pub(super) fn failure(reply: &Reply, class: FailureClass, reason: Option<String>, message: String) -> Failure {
    Failure { class, reason, status: Some(reply.status), message, retry_after: retry_after(reply) }
}

/// Seconds or an HTTP date (RFC 9110 10.2.3), the latter by the provider's own clock where it shows one. In whole
/// seconds, rounded up.
#[must_use]
pub fn retry_after(reply: &Reply) -> Option<Duration> {
    let text = reply.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<f64>() {
        // Negative, or `NaN` and `inf`: words that the parser knows and no server means.
        Ok(_) if !text.starts_with(|c: char| c.is_ascii_digit()) => return None,
        Ok(seconds) => Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_WAIT),
        Err(_) => {
            let now = expiry::date(reply).unwrap_or(reply.received_at);
            Duration::try_from(dates::http_date(text)?.duration_since(now)).unwrap_or_default()
        }
    };
    let wait = wait.min(LONGEST_WAIT);
    Some(Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)))
}

/// Where to, without path and query: those may hold what was sent.
fn redirect(definition: &Definition, reply: &Reply) -> String {
    let status = reply.status;
    let place = reply.headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
    let base = Url::parse(&definition.base.to_string()).ok();
    let place = place.zip(base).and_then(|(place, base)| base.join(place).ok()).map(|url| url.origin());
    let place = place.filter(url::Origin::is_tuple).map(|origin| origin.ascii_serialization());
    let place = match place {
        Some(place) if place == definition.origin().to_string() => "another path of the same host".to_owned(),
        Some(place) if place.len() <= LONGEST_PLACE => place,
        _ => "elsewhere".to_owned(),
    };
    format!("HTTP {status} sends the request to {place}; redirects are not followed: if the API has moved, change url")
}

pub(super) const fn verb(operation: Operation) -> &'static str {
    match operation {
        Operation::Login => "login",
        Operation::Refresh => "refresh",
    }
}
