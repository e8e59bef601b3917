//! What `try` says: plain text that needs no colour, and no secret.

use std::{fmt::Write as _, time::Duration};

use k8s_openapi::jiff::Timestamp;
use secrecy::ExposeSecret;

use super::{
    try_input::Trial,
    try_reply::{self, Names},
};
use crate::{
    api::http::{FailureClass, Operation, Reuse},
    provider::{
        definition::Protocol,
        grant::{Failure, Grant},
        interpret::{DecidedBy, Explanation, Reply, SeenExpiry, SeenText, SeenValue},
        values::SessionValues,
    },
    token::{facts::Issued, schedule, session::Session},
};

/// Stands for the ApiToken's uid.
pub const UID: &str = "00000000-0000-0000-0000-000000000000";
/// Width of the first column.
const NAME: usize = 14;
/// Width of the second.
const PLACE: usize = 38;
/// So many ApiTokens show within what limits renewals are spread.
const SPREAD: u32 = 1000;

/// What is tried.
pub fn head(trial: &Trial) -> String {
    let mut out = format!("{}\n", trial.manifest);
    let preset = trial.preset.as_ref().map(|preset| format!(", preset {preset}")).unwrap_or_default();
    match &trial.definition.issuer {
        Some(issuer) => line(&mut out, "issuer", &issuer.url),
        None => line(&mut out, "url", &format!("{}{preset}", trial.definition.base)),
    }
    let keys = &trial.definition.credentials;
    let known = keys.required.iter().chain(&keys.optional);
    let lengths = known.filter_map(|key| {
        let length = trial.credentials.get(key)?.expose_secret().chars().count();
        Some(format!("{key} •••({length})"))
    });
    let lengths: Vec<_> = lengths.collect();
    if !lengths.is_empty() {
        let from = trial.credentials_from.as_deref().unwrap_or_default();
        line(&mut out, "credentials", &format!("{}, from {from}", lengths.join(", ")));
    }
    for key in trial.credentials.trailing_whitespace_keys() {
        line(&mut out, "", &format!("{key} ends in white space, such as the newline that echo adds: is that meant?"));
    }
    for (name, value) in &trial.parameters {
        line(&mut out, "parameter", &format!("{name} = {value}"));
    }
    out
}

/// How the reply was read.
pub fn reading(
    operation: Operation,
    reply: &Reply,
    explanation: &Explanation,
    outcome: &Result<Grant, Failure>,
) -> String {
    let mut out = "\n".to_owned();
    line(&mut out, "decided by", &decided(operation, reply.status, explanation));
    if explanation.decided_by != DecidedBy::Values {
        return out;
    }
    for value in &explanation.values {
        let found = match value.found {
            SeenText::Absent if value.optional => "not there (optional)".to_owned(),
            SeenText::Absent if operation == Operation::Refresh && value.name != "accessToken" => {
                "not there: the session keeps its own".to_owned()
            }
            SeenText::Absent => "not there".to_owned(),
            SeenText::Text { characters, is_jwt: true } => format!("{characters} characters, a JWT with exp"),
            SeenText::Text { characters: 1, .. } => "1 character".to_owned(),
            SeenText::Text { characters, .. } => format!("{characters} characters"),
            SeenText::Invalid(fault) => fault.to_owned(),
        };
        let _ = writeln!(out, "  {:NAME$}{:PLACE$}{found}", value.name, value.place);
    }
    entries(&mut out, "expiry", &explanation.expiry, reply);
    entries(&mut out, "sessionExpiry", &explanation.session_expiry, reply);
    if let Some(offset) = explanation.clock_offset {
        let text =
            format!("the provider's clock is {} s ahead of this one; its times were moved by that", offset.as_secs());
        line(&mut out, "clock", &text);
    }
    if let Ok(grant) = outcome {
        let life = grant.expires_at.as_second() - grant.issued_at.as_second();
        line(&mut out, "valid", &format!("until {}: {}", grant.expires_at, span(life)));
    }
    out
}

fn decided(operation: Operation, status: u16, explanation: &Explanation) -> String {
    match explanation.decided_by {
        DecidedBy::Rule(index) => format!("errors[{index}], which matches"),
        DecidedBy::Status => {
            format!("the default for HTTP {status} on a {}; no rule of errors matches", verb(operation))
        }
        DecidedBy::Values if explanation.is_json => format!("HTTP {status} is good, and no rule of errors matches"),
        DecidedBy::Values => format!("HTTP {status} is good, and no rule of errors matches; the body is not JSON"),
    }
}

fn entries(out: &mut String, name: &str, entries: &[SeenExpiry], reply: &Reply) {
    let yielded =
        |fallback: bool| entries.iter().filter(move |it| it.is_fallback == fallback).filter_map(|it| it.yields).min();
    let counts = yielded(false).or_else(|| yielded(true));
    for (index, entry) in entries.iter().enumerate() {
        let name = if index == 0 { name } else { "" };
        let said = match entry.yields {
            None => "yields nothing".to_owned(),
            Some(_) if entry.is_fallback && yielded(false).is_some() => "not needed".to_owned(),
            Some(at) => {
                let life = span(at.as_second() - reply.sent_at.as_second());
                let earliest = if counts == entry.yields { "  <- counts" } else { "" };
                format!("{} ({life}){earliest}", whole(at))
            }
        };
        let _ = writeln!(out, "  {name:NAME$}{:PLACE$}{said}", entry.entry);
    }
}

/// Which part of the definition decided or lacks something, and what the reply has instead.
pub fn hints(trial: &Trial, operation: Operation, reply: &Reply, explanation: &Explanation, names: &Names) -> String {
    let mut out = String::new();
    let request = format!("spec.http.{}", verb(operation));
    let of_oauth2 = trial.definition.protocol == Protocol::OAuth2;
    let lacks = explanation.values.iter().find(|value| !value.is_good(operation));
    let path = match explanation.decided_by {
        DecidedBy::Rule(index) => Some(format!("spec.http.errors[{index}]")),
        DecidedBy::Status if of_oauth2 => matches!(reply.status, 404 | 405).then(|| "spec.oauth2".to_owned()),
        DecidedBy::Status if reply.status == 404 => Some(format!("{request}.path")),
        DecidedBy::Status if reply.status == 405 => Some(format!("{request}.method")),
        DecidedBy::Status => None,
        DecidedBy::Values => lacks.map(|value| value.path(trial.response_path(operation))),
    };
    if let Some(place) = path.and_then(|path| trial.place(&path)) {
        line(&mut out, "see", &place);
    }
    if explanation.decided_by != DecidedBy::Values {
        return out;
    }
    let found = try_reply::candidates(reply, &["token", "jwt", "session", "authorization"], names);
    if let Some(value) = lacks.filter(|_| !found.is_empty()) {
        line(&mut out, "hint", &format!("{} may be at {}", value.name, found.join(" or ")));
    }
    let told = explanation.expiry.iter().any(|entry| entry.yields.is_some() && !entry.is_fallback);
    let found = try_reply::candidates(reply, &["expir", "ttl", "lifetime", "validity"], names);
    if !told && !found.is_empty() {
        line(&mut out, "hint", &format!("the end of the token may stand at {}", found.join(" or ")));
    }
    out
}

impl SeenValue {
    fn is_good(&self, operation: Operation) -> bool {
        match self.found {
            SeenText::Text { .. } => true,
            SeenText::Invalid(_) => false,
            SeenText::Absent => self.optional || operation == Operation::Refresh && self.name != "accessToken",
        }
    }

    fn path(&self, response: &str) -> String {
        match self.name.as_str() {
            // The places of OAuth 2.0's own members are not written anywhere.
            "accessToken" | "refreshToken" if response == "spec.oauth2" => response.to_owned(),
            name @ ("accessToken" | "refreshToken") => format!("{response}.{name}"),
            name => format!("{response}.outputs.{name}"),
        }
    }
}

/// What a refresh changed.
pub fn compared(grant: &Grant, before: Option<SessionValues<'_>>) -> String {
    let Some(before) = before else { return String::new() };
    let mut out = String::new();
    if before.access_token.expose_secret() == grant.access_token.expose_secret() {
        line(
            &mut out,
            "compared",
            "the access token is the same as before: it would be renewed at half of what remains",
        );
    }
    let rotated = match (&grant.refresh_token, before.refresh_token) {
        (Some(new), Some(old)) if new.expose_secret() == old.expose_secret() => {
            "the refresh token is the same as before"
        }
        (Some(_), Some(_)) => {
            "the refresh token was replaced: keep reuse: OneTime unless the documentation says otherwise"
        }
        (None, Some(_)) => "no new refresh token: the old one is kept",
        _ => return out,
    };
    line(&mut out, "compared", rotated);
    out
}

/// A failure: what it means, and what the operator would do.
pub fn failure(trial: &Trial, operation: Operation, failure: &Failure) -> String {
    let mut out = "\n".to_owned();
    let reason = failure.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    line(&mut out, "result", &format!("{:?}{reason}: {}", failure.class, failure.message));
    let then = match (failure.class, operation) {
        (FailureClass::Rejected, _) => {
            "would not send these credentials again before they change, or an hour has passed"
        }
        (FailureClass::SessionOver, _) => "would log in, once",
        (FailureClass::RateLimited, _) => "would wait as told, and keep the token that it has",
        (FailureClass::Transient, _) => "would try again, with growing pauses",
        (FailureClass::Misconfigured, _) => {
            "would try again after a minute, then ever more rarely: the definition does not fit"
        }
    };
    line(&mut out, "the operator", then);
    if let Some(wait) = failure.retry_after {
        line(&mut out, "asked to wait", &span(i64::try_from(wait.as_secs()).unwrap_or(i64::MAX)));
    }
    let untrimmed = trial.credentials.trailing_whitespace_keys();
    if !untrimmed.is_empty() && matches!(failure.class, FailureClass::Rejected | FailureClass::Misconfigured) {
        line(&mut out, "hint", &format!("the value of {} ends in white space", untrimmed.join(", ")));
    }
    out
}

/// What the output would hold, and when the token would be renewed.
pub fn outcome(trial: &Trial, session: &Session) -> String {
    let (Some(material), Some(issued)) = (&session.material, &session.facts.issued) else { return String::new() };
    let mut out = format!("\nOutput Secret {}\n", trial.plan.secret_name);
    let data = trial.plan.project(material, issued);
    for (key, value) in &data {
        let _ = writeln!(out, "  {key:NAME$}•••({})", value.expose_secret().chars().count());
    }
    for key in trial.plan.data.keys().filter(|key| !data.contains_key(*key)) {
        line(&mut out, key, "left out: a value of it is absent");
    }
    out.push_str("\nSchedule\n");
    let now = issued.issued_at;
    let by = renewed_by(trial, issued);
    // `try` refreshes at once, which nobody else does: little life is gained by that, and it means nothing.
    let issued = &Issued { no_progress: false, ..issued.clone() };
    let policy = trial.spec.refresh.as_ref();
    let spread = |at: &dyn Fn(&str) -> Option<Timestamp>| {
        let times: Vec<_> = (0..SPREAD).filter_map(|uid| at(&uid.to_string())).collect();
        let ends = (times.iter().min()?, times.iter().max()?);
        let after = |at: &Timestamp| span(at.as_second() - now.as_second());
        Some(format!("after {} to {}", after(ends.0), after(ends.1)))
    };
    let renewal = |unplanned| {
        let issued = Issued { unplanned, ..issued.clone() };
        spread(&|uid| Some(schedule::renew_at(&issued, policy, uid))).unwrap_or_default()
    };
    let (first, later) = (renewal(true), renewal(false));
    line(&mut out, "renewed", &format!("{later}, by {by}"));
    if first != later {
        line(&mut out, "at first", &first);
    }
    if let Some(end) = issued.session_expires_at {
        let early =
            spread(&|uid| schedule::early_login_at(issued, uid)).map(|text| format!("; a login before, {text}"));
        line(&mut out, "session ends", &format!("{end}{}", early.unwrap_or_default()));
    }
    let limits = &trial.definition.limits;
    let text =
        format!("{} requests/s, burst {}, {} at once", limits.requests_per_second, limits.burst, limits.concurrency);
    line(&mut out, "at most", &text);
    out
}

fn renewed_by(trial: &Trial, issued: &Issued) -> &'static str {
    let uses = trial.definition.refresh_uses();
    match &trial.definition.refresh {
        None => "login",
        Some(_) if uses.refresh_token && !issued.has_refresh_token => "login: the reply has no refresh token",
        Some(refresh) if refresh.reuse == Reuse::Reusable => "refresh",
        Some(_) => "refresh, each token presented once",
    }
}

const fn verb(operation: Operation) -> &'static str {
    match operation {
        Operation::Login => "login",
        Operation::Refresh => "refresh",
    }
}

fn line(out: &mut String, name: &str, text: &str) {
    let _ = writeln!(out, "  {name:NAME$}{text}");
}

fn whole(at: Timestamp) -> Timestamp {
    schedule::whole_seconds(at)
}

/// Two units are enough: `1 h 5 min`.
fn span(seconds: i64) -> String {
    if seconds < 0 {
        return format!("{} ago", span(-seconds));
    }
    let total = Duration::from_secs(seconds.unsigned_abs()).as_secs();
    let (days, hours, minutes, rest) = (total / 86_400, total / 3600 % 24, total / 60 % 60, total % 60);
    let units = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")];
    let parts: Vec<_> = units.iter().skip_while(|(count, _)| *count == 0).take(2).collect();
    let parts: Vec<_> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count} {unit}")).collect();
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}
