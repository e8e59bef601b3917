//! The request of a login or a refresh.

use std::{collections::BTreeMap, str::FromStr};

use http::{HeaderName, header};
use serde_json::Value as Json;

use super::scope::Scope;
use crate::{
    api::http::{self as api, BasicAuthEncoding},
    provider::{
        definition::{BasicAuth, Body, FormValue, JsonTemplate, RequestForm, is_dot_segment},
        problem::Problems,
        template::Template,
    },
};

/// Set by us or by the connection, so that no definition may.
const MANAGED: [&str; 9] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "expect",
    "te",
    "trailer",
    "upgrade",
    "accept-encoding",
];

pub(super) fn request(problems: &mut Problems, scope: Scope<'_>, at: &str, form: &api::Request) -> Option<RequestForm> {
    let path = path(problems, scope, &format!("{at}.path"), &form.path);
    let query = fields(problems, scope, &format!("{at}.query"), &form.query);
    let headers = headers(problems, scope, &format!("{at}.headers"), &form.headers);
    let basic_auth = form.basic_auth.as_ref().map(|basic| basic_auth(problems, scope, at, basic));
    let body = form.body.as_ref().map(|it| body(problems, scope, &format!("{at}.body"), it));
    let named = |name: HeaderName| headers.iter().any(|(known, _)| *known == name);
    if basic_auth.is_some() && named(header::AUTHORIZATION) {
        problems.add(format!("{at}.basicAuth"), "makes an Authorization header, and headers has one too: keep one");
    }
    if form.method == api::Method::Get && form.body.is_some() {
        problems.add(format!("{at}.body"), "a GET has no body: write the fields under query, or use POST");
    }
    if matches!(body, Some(Some(Body::Multipart(_)))) && named(header::CONTENT_TYPE) {
        problems.add(format!("{at}.headers"), "no Content-Type with multipart: it is made with the boundary");
    }
    Some(RequestForm {
        method: method(form.method),
        path: path?,
        query,
        headers,
        basic_auth: basic_auth.flatten(),
        body: body.flatten(),
    })
}

const fn method(method: api::Method) -> http::Method {
    match method {
        api::Method::Get => http::Method::GET,
        api::Method::Post => http::Method::POST,
        api::Method::Put => http::Method::PUT,
        api::Method::Patch => http::Method::PATCH,
        api::Method::Delete => http::Method::DELETE,
    }
}

fn path(problems: &mut Problems, scope: Scope<'_>, at: &str, text: &str) -> Option<Template> {
    let foreign = |c: char| matches!(c, '?' | '#' | '\\') || c.is_whitespace() || c.is_control();
    if !text.starts_with('/') || text.contains(foreign) {
        problems.add(at, "must begin with / and hold no ?, #, \\ or blank; a query belongs under query");
        return None;
    }
    if text.split('/').any(is_dot_segment) {
        problems.add(at, "holds a `.` or `..` segment: write the path without it");
        return None;
    }
    scope.required(problems, at, text)
}

pub(in crate::provider) fn fields(
    problems: &mut Problems,
    scope: Scope<'_>,
    at: &str,
    fields: &BTreeMap<String, String>,
) -> Vec<(String, Template)> {
    let field = |(name, text): (&String, &String)| {
        Some((name.clone(), scope.template(problems, &format!("{at}.{name}"), text)?))
    };
    fields.iter().filter_map(field).collect()
}

fn headers(
    problems: &mut Problems,
    scope: Scope<'_>,
    at: &str,
    headers: &BTreeMap<String, String>,
) -> Vec<(HeaderName, Template)> {
    let mut found: Vec<(HeaderName, Template)> = Vec::new();
    for (name, text) in headers {
        let at = format!("{at}.{name}");
        let Ok(known) = HeaderName::from_str(name) else {
            problems.add(at, "is not a header name");
            continue;
        };
        if MANAGED.contains(&known.as_str()) {
            problems.add(at, "is set by the operator itself: remove it");
        } else if found.iter().any(|(other, _)| *other == known) {
            problems.add(at, "is there twice: upper and lower case make no difference");
        } else if !text.bytes().all(|b| matches!(b, b' '..=b'~')) {
            problems.add(at, "a header's value is visible ASCII with inner blanks");
        } else if let Some(template) = scope.template(problems, &at, text) {
            found.push((known, template));
        }
    }
    found
}

fn basic_auth(problems: &mut Problems, scope: Scope<'_>, at: &str, basic: &api::BasicAuth) -> Option<BasicAuth> {
    let username = scope.required(problems, &format!("{at}.basicAuth.username"), &basic.username);
    let password = scope.required(problems, &format!("{at}.basicAuth.password"), &basic.password);
    let form_urlencoded = basic.encoding == Some(BasicAuthEncoding::FormURLEncoded);
    Some(BasicAuth { username: username?, password: password?, form_urlencoded })
}

fn body(problems: &mut Problems, scope: Scope<'_>, at: &str, body: &api::Body) -> Option<Body> {
    match (&body.json, &body.form, &body.multipart) {
        (Some(members), None, None) => Some(Body::Json(object(problems, scope, &format!("{at}.json"), members))),
        (None, Some(form), None) => {
            let fields = fields(problems, scope, &format!("{at}.form"), form);
            Some(Body::Form(fields.into_iter().map(|(name, text)| (name, FormValue::Text(text))).collect()))
        }
        (None, None, Some(form)) => Some(Body::Multipart(fields(problems, scope, &format!("{at}.multipart"), form))),
        _ => {
            problems.add(at, "needs exactly one of json, form, multipart");
            None
        }
    }
}

fn object(
    problems: &mut Problems,
    scope: Scope<'_>,
    at: &str,
    members: &serde_json::Map<String, Json>,
) -> Vec<(String, JsonTemplate)> {
    let member =
        |(name, value): (&String, &Json)| Some((name.clone(), json(problems, scope, &format!("{at}.{name}"), value)?));
    members.iter().filter_map(member).collect()
}

fn json(problems: &mut Problems, scope: Scope<'_>, at: &str, value: &Json) -> Option<JsonTemplate> {
    match value {
        Json::String(text) => scope.template(problems, at, text).map(JsonTemplate::Text),
        Json::Array(elements) => {
            let element = |(index, value)| json(problems, scope, &format!("{at}[{index}]"), value);
            Some(JsonTemplate::List(elements.iter().enumerate().filter_map(element).collect()))
        }
        Json::Object(members) => Some(JsonTemplate::Object(object(problems, scope, at, members))),
        fixed => Some(JsonTemplate::Fixed(fixed.clone())),
    }
}
