//! How replies are read.

use std::str::FromStr;

use http::HeaderName;

use crate::{
    api::http as api,
    provider::{
        definition::{Expiry, Response, Source, TokenName, Unit, Wanted},
        problem::Problems,
    },
};

/// Names that `jwt` and `output.data` give to something else.
const RESERVED: [&str; 3] = ["accessToken", "refreshToken", "expiresAt"];

/// `login` is the login's response where this is the refresh's.
pub(super) fn response(
    problems: &mut Problems,
    at: &str,
    form: &api::Response,
    login: Option<&Response>,
) -> Option<Response> {
    let access_token = value(problems, &format!("{at}.accessToken"), &form.access_token);
    let refresh_token = form
        .refresh_token
        .as_ref()
        .map(|it| wanted(problems, &format!("{at}.refreshToken"), it));
    let mut outputs = Some(std::collections::BTreeMap::new());
    for (name, it) in &form.outputs {
        let at = format!("{at}.outputs.{name}");
        if !is_output_name(name) {
            problems.add(&at, "an output is named by letters and digits, a letter first, and not accessToken, refreshToken, expiresAt");
        } else if login.is_some_and(|login| !login.outputs.contains_key(name)) {
            problems.add(
                &at,
                "is no output of the login's response: a session never gains an output by a refresh",
            );
        }
        outputs = outputs.zip(wanted(problems, &at, it)).map(|(mut outputs, it)| {
            outputs.insert(name.clone(), it);
            outputs
        });
    }
    let known = |name: &str| match name {
        "accessToken" => Some(TokenName::AccessToken),
        "refreshToken" if form.refresh_token.is_some() || login.is_some_and(|it| it.refresh_token.is_some()) => {
            Some(TokenName::RefreshToken)
        }
        name if form.outputs.contains_key(name) || login.is_some_and(|it| it.outputs.contains_key(name)) => {
            Some(TokenName::Output(name.to_owned()))
        }
        _ => None,
    };
    if form.expiry.is_empty() {
        problems.add(
            format!("{at}.expiry"),
            "needs at least one entry: how would anybody know when the token ends?",
        );
    }
    let expiry = entries(problems, &format!("{at}.expiry"), &form.expiry, &known);
    let session_expiry = entries(problems, &format!("{at}.sessionExpiry"), &form.session_expiry, &known);
    if session_expiry.iter().any(|entry| matches!(entry, Expiry::After(_))) {
        problems.add(
            format!("{at}.sessionExpiry"),
            "has no `after`: use refresh.sessionLimit",
        );
    }
    Some(Response {
        access_token: access_token?,
        refresh_token: refresh_token.map_or(Some(None), |it| it.map(Some))?,
        outputs: outputs?,
        expiry,
        session_expiry,
    })
}

fn is_output_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric())
        && !RESERVED.contains(&name)
}

pub(super) fn value(problems: &mut Problems, at: &str, form: &api::Value) -> Option<Source> {
    source(
        problems,
        at,
        [form.json.as_deref(), form.header.as_deref(), form.cookie.as_deref()],
        form.text.is_some(),
    )
}

fn wanted(problems: &mut Problems, at: &str, form: &api::OptionalValue) -> Option<Wanted> {
    let places = [form.json.as_deref(), form.header.as_deref(), form.cookie.as_deref()];
    let source = source(problems, at, places, form.text.is_some())?;
    Some(Wanted {
        source,
        optional: form.optional == Some(true),
    })
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
    problems.add(
        at,
        "is not a JSON pointer (RFC 6901): write /session/accessToken; `~` is ~0 and `/` in a name is ~1",
    );
    None
}

fn header_name(problems: &mut Problems, at: &str, text: &str) -> Option<Source> {
    let name = HeaderName::from_str(text).ok();
    if name.is_none() {
        problems.add(at, "is not a header name");
    }
    name.map(Source::Header)
}

fn cookie_name(problems: &mut Problems, at: &str, text: &str) -> Option<String> {
    if text.is_empty()
        || text
            .bytes()
            .any(|b| !b.is_ascii_graphic() || matches!(b, b'=' | b';' | b','))
    {
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
        ("milliseconds", &form.milliseconds, |source| {
            Expiry::In(Unit::Milliseconds, source)
        }),
        ("minutes", &form.minutes, |source| Expiry::In(Unit::Minutes, source)),
        ("epochSeconds", &form.epoch_seconds, |source| {
            Expiry::Epoch(Unit::Seconds, source)
        }),
        ("epochMilliseconds", &form.epoch_milliseconds, |source| {
            Expiry::Epoch(Unit::Milliseconds, source)
        }),
        ("epochMicroseconds", &form.epoch_microseconds, |source| {
            Expiry::Epoch(Unit::Microseconds, source)
        }),
        ("timestamp", &form.timestamp, Expiry::Timestamp),
    ];
    let given = values.iter().filter(|(_, value, _)| value.is_some()).count();
    let others = [form.jwt.is_some(), form.cookie.is_some(), form.after.is_some()];
    if given + others.into_iter().filter(|it| *it).count() != 1 {
        problems.add(
            at,
            "needs exactly one of seconds, milliseconds, minutes, epochSeconds, epochMilliseconds, \
                          epochMicroseconds, timestamp, jwt, cookie, after",
        );
        return None;
    }
    for (name, form, make) in values {
        if let Some(form) = form {
            return value(problems, &format!("{at}.{name}"), form).map(make);
        }
    }
    if let Some(after) = form.after {
        if after.get().is_zero() {
            problems.add(format!("{at}.after"), "must be longer than nothing, such as 30m");
        }
        return Some(Expiry::After(after.get()));
    }
    if let Some(cookie) = &form.cookie {
        return cookie_name(problems, at, cookie).map(Expiry::Cookie);
    }
    let name = form.jwt.as_deref()?;
    let token = known(name);
    if token.is_none() {
        problems.add(
            format!("{at}.jwt"),
            "names no value: accessToken, refreshToken or an output that the response has",
        );
    }
    token.map(Expiry::Jwt)
}
