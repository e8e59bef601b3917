//! How replies are read.

use std::{collections::BTreeMap, str::FromStr};

use http::HeaderName;

use crate::{
    api::http as api,
    provider::{
        definition::{Expiry, Response, Source, TokenName, Unit, Wanted},
        nearest::did_you_mean,
        problem::Problems,
    },
};

/// Names that `jwt` and `output.data` give to something else.
const RESERVED: [&str; 3] = ["accessToken", "refreshToken", "expiresAt"];

/// Where people find what is read here.
pub(in crate::provider) struct Places<'a> {
    pub response: &'a str,
    pub session_expiry: &'a str,
}

/// `login` is the login's response where this is the refresh's.
pub(in crate::provider) fn response(
    problems: &mut Problems,
    places: &Places<'_>,
    form: &api::Response,
    login: Option<&Response>,
) -> Option<Response> {
    let at = places.response;
    let access_token = value(problems, &format!("{at}.accessToken"), &form.access_token);
    let refresh_token = form.refresh_token.as_ref().map(|it| wanted(problems, &format!("{at}.refreshToken"), it));
    let outputs = outputs(problems, &format!("{at}.outputs"), &form.outputs, login);
    let has_refresh_token = form.refresh_token.is_some() || login.is_some_and(|it| it.refresh_token.is_some());
    let known = |name: &str| match name {
        "accessToken" => Some(TokenName::AccessToken),
        "refreshToken" if has_refresh_token => Some(TokenName::RefreshToken),
        name if form.outputs.contains_key(name) || login.is_some_and(|it| it.outputs.contains_key(name)) => {
            Some(TokenName::Output(name.to_owned()))
        }
        _ => None,
    };
    if form.expiry.is_empty() {
        problems.add(format!("{at}.expiry"), "needs at least one entry, such as `after: 15m`");
    }
    let expiry = entries(problems, &format!("{at}.expiry"), &form.expiry, &known);
    let session_expiry = entries(problems, places.session_expiry, &form.session_expiry, &known);
    if session_expiry.iter().any(|entry| matches!(entry, Expiry::After(_))) {
        problems.add(places.session_expiry, "has no `after`: use refresh.sessionLimit");
    }
    Some(Response {
        access_token: access_token?,
        refresh_token: refresh_token.map_or(Some(None), |it| it.map(Some))?,
        outputs,
        expiry,
        session_expiry,
    })
}

fn outputs(
    problems: &mut Problems,
    at: &str,
    forms: &BTreeMap<String, api::OptionalValue>,
    login: Option<&Response>,
) -> BTreeMap<String, Wanted> {
    let mut outputs = BTreeMap::new();
    for (name, form) in forms {
        let at = format!("{at}.{name}");
        if !is_output_name(name) {
            problems.add(&at, "an output is named by letters and digits, a letter first, and not accessToken, refreshToken, expiresAt");
        } else if login.is_some_and(|login| !login.outputs.contains_key(name)) {
            problems.add(&at, "is no output of the login's response: a session never gains an output by a refresh");
        }
        if let Some(wanted) = wanted(problems, &at, form) {
            outputs.insert(name.clone(), wanted);
        }
    }
    outputs
}

fn is_output_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric())
        && !RESERVED.contains(&name)
}

pub(super) fn value(problems: &mut Problems, at: &str, form: &api::Value) -> Option<Source> {
    source(problems, at, [form.json.as_deref(), form.header.as_deref(), form.cookie.as_deref()], form.text.is_some())
}

fn wanted(problems: &mut Problems, at: &str, form: &api::OptionalValue) -> Option<Wanted> {
    let places = [form.json.as_deref(), form.header.as_deref(), form.cookie.as_deref()];
    let source = source(problems, at, places, form.text.is_some())?;
    Some(Wanted { source, optional: form.optional == Some(true) })
}

/// Exactly one of `json`, `header`, `cookie` (in this order) and `text`.
pub(super) fn source(problems: &mut Problems, at: &str, places: [Option<&str>; 3], text: bool) -> Option<Source> {
    match (places, text) {
        ([Some(json), None, None], false) => pointer(problems, &format!("{at}.json"), json),
        ([None, Some(header), None], false) => header_name(problems, &format!("{at}.header"), header),
        ([None, None, Some(cookie)], false) => cookie_name(problems, at, cookie).map(Source::Cookie),
        ([None, None, None], true) => Some(Source::Text),
        _ => {
            problems.add(at, "needs exactly one of json, header, cookie, text");
            None
        }
    }
}

fn pointer(problems: &mut Problems, at: &str, text: &str) -> Option<Source> {
    let escapes = text.split('~').skip(1).all(|tail| tail.starts_with(['0', '1']));
    if (text.is_empty() || text.starts_with('/')) && escapes {
        return Some(Source::Json(text.to_owned()));
    }
    let meant = meant_pointer(text).map(|meant| format!(": did you mean {meant}?"));
    let meant = meant.unwrap_or_else(|| ": write /session/accessToken; `~` is ~0 and `/` in a name is ~1".to_owned());
    problems.add(at, format!("is not a JSON pointer (RFC 6901){meant}"));
    None
}

/// People write JSONPath (`$.data[0].token`), jq's `.data.token`, or a name alone.
fn meant_pointer(text: &str) -> Option<String> {
    let path = text.trim().trim_start_matches('$').trim_start_matches('.').trim_end_matches('/');
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '[' | ']' | '\'' | '"');
    if path.is_empty() || !path.chars().all(good) {
        return None;
    }
    let steps = path.split(['.', '/', '[', ']', '\'', '"']).filter(|step| !step.is_empty());
    Some(steps.flat_map(|step| ["/", step]).collect())
}

fn header_name(problems: &mut Problems, at: &str, text: &str) -> Option<Source> {
    let name = HeaderName::from_str(text).ok();
    if name.is_none() {
        problems.add(at, "is not a header name");
    }
    name.map(Source::Header)
}

fn cookie_name(problems: &mut Problems, at: &str, text: &str) -> Option<String> {
    if text.is_empty() || text.bytes().any(|b| !b.is_ascii_graphic() || matches!(b, b'=' | b';' | b',')) {
        problems.add(format!("{at}.cookie"), "is not a cookie name");
        return None;
    }
    Some(text.to_owned())
}

fn entries(
    problems: &mut Problems,
    at: &str,
    forms: &[api::Expiry],
    known: &impl Fn(&str) -> Option<TokenName>,
) -> Vec<Expiry> {
    let entry = |(index, form)| entry(problems, &format!("{at}[{index}]"), form, known);
    forms.iter().enumerate().filter_map(entry).collect()
}

fn entry(
    problems: &mut Problems,
    at: &str,
    form: &api::Expiry,
    known: &impl Fn(&str) -> Option<TokenName>,
) -> Option<Expiry> {
    type Make = fn(Source) -> Expiry;
    let values: [(&str, &Option<api::Value>, Make); 7] = [
        ("seconds", &form.seconds, |source| Expiry::In(Unit::Seconds, source)),
        ("milliseconds", &form.milliseconds, |source| Expiry::In(Unit::Milliseconds, source)),
        ("minutes", &form.minutes, |source| Expiry::In(Unit::Minutes, source)),
        ("epochSeconds", &form.epoch_seconds, |source| Expiry::Epoch(Unit::Seconds, source)),
        ("epochMilliseconds", &form.epoch_milliseconds, |source| Expiry::Epoch(Unit::Milliseconds, source)),
        ("epochMicroseconds", &form.epoch_microseconds, |source| Expiry::Epoch(Unit::Microseconds, source)),
        ("timestamp", &form.timestamp, Expiry::Timestamp),
    ];
    let mut given = values.into_iter().filter_map(|(name, form, make)| Some((name, form.as_ref()?, make)));
    match (given.next(), given.next(), form.jwt.as_deref(), form.cookie.as_deref(), form.after) {
        (Some((name, form, make)), None, None, None, None) => value(problems, &format!("{at}.{name}"), form).map(make),
        (None, None, Some(name), None, None) => jwt(problems, at, name, known),
        (None, None, None, Some(cookie), None) => cookie_name(problems, at, cookie).map(Expiry::Cookie),
        (None, None, None, None, Some(after)) => {
            if after.get().is_zero() {
                problems.add(format!("{at}.after"), "must be longer than nothing, such as 30m");
            }
            Some(Expiry::After(after.get()))
        }
        _ => {
            problems.add(
                at,
                "needs exactly one of seconds, milliseconds, minutes, epochSeconds, epochMilliseconds, \
                              epochMicroseconds, timestamp, jwt, cookie, after",
            );
            None
        }
    }
}

fn jwt(problems: &mut Problems, at: &str, name: &str, known: &impl Fn(&str) -> Option<TokenName>) -> Option<Expiry> {
    let token = known(name);
    if token.is_none() {
        let names = ["accessToken", "refreshToken"].into_iter().filter(|name| known(name).is_some());
        let meant = did_you_mean(name, names, str::to_owned);
        problems.add(
            format!("{at}.jwt"),
            format!("names no value: accessToken, refreshToken or an output that the response has{meant}"),
        );
    }
    token.map(Expiry::Jwt)
}
