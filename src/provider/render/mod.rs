//! From a definition and values to a request.
//!
//! Every value is encoded for the place where it stands, so that none can become another field, header or path. What
//! cannot be encoded is refused, and no request is sent.

mod encode;
mod ambiguous;
mod body;
#[cfg(test)]
mod tests;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderName, Method, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretSlice, SecretString, zeroize::Zeroizing};

pub use self::ambiguous::hinted;
use super::{
    assertion::UnusableKey,
    definition::{BaseUrl, BasicAuth, Definition, RequestForm, is_dot_segment},
    grant::Failure,
    template::{Name, Template},
    values::Values,
};
use crate::api::http::{FailureClass, Operation};

/// A request that is ready to be sent. Nothing secret of it can be printed.
#[derive(Debug)]
pub struct Request {
    pub method: Method,
    /// Absolute.
    pub url: SecretString,
    /// All of them but Host, User-Agent and the length of a body.
    pub headers: Vec<(HeaderName, SecretString)>,
    /// `None`: the request has no body; where its method wants one, `headers` has `Content-Length: 0`.
    pub body: Option<SecretSlice<u8>>,
}

/// What is new with each request.
#[derive(Clone, Copy, Debug)]
pub struct Once<'a> {
    /// 1 to 70 random letters, digits, `-` and `_`: the boundary of a multipart body, the `jti` of an assertion.
    pub random: &'a str,
    pub at: Timestamp,
    /// The request is for people to look at: an assertion is not signed, and its key may stand for another.
    pub shown: bool,
}

/// Why no request can be made of these values. Names keys, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unrenderable {
    #[error("the provider has no refresh")]
    NoRefresh,
    #[error("{place}: a value of {template:?} is absent, and nothing can be left out here")]
    Missing { place: &'static str, template: String },
    #[error("path: a value makes a `.` or `..` of a segment of {0:?}: use another value")]
    DotSegment(String),
    #[error("header {header}: {name} {}", header_fault(*newline))]
    Header { header: HeaderName, name: Name, newline: bool },
    #[error("header {0}: begins or ends in a blank: store the value without it")]
    HeaderEdge(HeaderName),
    #[error(
        "basicAuth: the user name holds a `:`, where the password would begin: use `encoding: FormURLEncoded` if \
             the server decodes it"
    )]
    UserName,
    #[error("{template} {fault}")]
    Key { template: String, fault: UnusableKey },
    #[error("the issuer has not named its token endpoint yet")]
    NoEndpoint,
    #[error("multipart: the boundary cannot be used: try another")]
    Boundary,
}

const fn header_fault(newline: bool) -> &'static str {
    if newline {
        "ends in a newline: store the value without it (`printf %s`, not `echo`)"
    } else {
        "holds what no header can carry: only visible ASCII and inner blanks can be sent"
    }
}

impl From<Unrenderable> for Failure {
    fn from(error: Unrenderable) -> Self {
        Self::without_answer(FailureClass::Misconfigured, format!("no request was sent: {error}"))
    }
}

/// Puts values into the request of an operation.
///
/// # Errors
/// If a value cannot stand at its place, a value that the request cannot do without is missing, or there is no refresh.
pub fn render(
    definition: &Definition,
    operation: Operation,
    values: &Values<'_>,
    once: &Once<'_>,
) -> Result<Request, Unrenderable> {
    let form = match operation {
        Operation::Login => &definition.login.request,
        Operation::Refresh => &definition.refresh.as_ref().ok_or(Unrenderable::NoRefresh)?.request,
    };
    if definition.issuer.is_some() {
        return Err(Unrenderable::NoEndpoint);
    }
    render_form(&definition.base, form, values, once)
}

/// Puts values into a request that is no operation's: a probe's, or a revocation's.
///
/// # Errors
/// If a value cannot stand at its place, or a value that the request cannot do without is missing.
pub fn render_form(
    base: &BaseUrl,
    form: &RequestForm,
    values: &Values<'_>,
    once: &Once<'_>,
) -> Result<Request, Unrenderable> {
    let url = url(base, form, values)?;
    let mut headers = headers(form, values)?;
    let body = match &form.body {
        None => None,
        Some(body) => {
            let (bytes, kind) = body::body(body, values, once)?;
            unless_given(&mut headers, header::CONTENT_TYPE, &kind);
            Some(bytes)
        }
    };
    unless_given(&mut headers, header::ACCEPT, "application/json, */*;q=0.1");
    if body.is_none() && matches!(form.method, Method::POST | Method::PUT | Method::PATCH) {
        headers.push((header::CONTENT_LENGTH, "0".into()));
    }
    Ok(Request { method: form.method.clone(), url, headers, body })
}

fn url(base: &BaseUrl, form: &RequestForm, values: &Values<'_>) -> Result<SecretString, Unrenderable> {
    let path = form.path.expand_at(&encode::PathSegment, |name| values.get(name))?;
    let path = path.ok_or_else(|| missing("path", &form.path))?;
    if path.expose_secret().split('/').any(is_dot_segment) {
        return Err(Unrenderable::DotSegment(form.path.source().to_owned()));
    }
    let mut url = Zeroizing::new(base.to_string());
    url.push_str(path.expose_secret());
    let mut separator = '?';
    for (name, template) in &form.query {
        let Some(value) = template.expand(|name| values.get(name)) else {
            continue;
        };
        url.push(separator);
        encode::percent(name, &mut url);
        url.push('=');
        encode::percent(value.expose_secret(), &mut url);
        separator = '&';
    }
    Ok(SecretString::from(std::mem::take(&mut *url)))
}

fn headers(form: &RequestForm, values: &Values<'_>) -> Result<Vec<(HeaderName, SecretString)>, Unrenderable> {
    let mut headers = Vec::with_capacity(form.headers.len() + 3);
    for (name, template) in &form.headers {
        let Some(value) = template.expand_at(&encode::HeaderValue(name), |name| values.get(name))? else {
            continue;
        };
        if value.expose_secret().starts_with(' ') || value.expose_secret().ends_with(' ') {
            return Err(Unrenderable::HeaderEdge(name.clone()));
        }
        headers.push((name.clone(), value));
    }
    if let Some(basic) = &form.basic_auth {
        headers.push((header::AUTHORIZATION, authorization(basic, values)?));
    }
    Ok(headers)
}

/// RFC 7617, or with each half encoded first, as RFC 6749 2.3.1 wants it of OAuth clients.
fn authorization(basic: &BasicAuth, values: &Values<'_>) -> Result<SecretString, Unrenderable> {
    let half =
        |template: &Template| template.expand(|name| values.get(name)).ok_or_else(|| missing("basicAuth", template));
    let (username, password) = (half(&basic.username)?, half(&basic.password)?);
    let (username, password) = (username.expose_secret(), password.expose_secret());
    let mut joined = Zeroizing::new(String::new());
    if basic.form_urlencoded {
        encode::form(username, &mut joined);
        joined.push(':');
        encode::form(password, &mut joined);
    } else {
        if username.contains(':') {
            return Err(Unrenderable::UserName);
        }
        for part in [username, ":", password] {
            joined.push_str(part);
        }
    }
    let mut value = Zeroizing::new("Basic ".to_owned());
    STANDARD.encode_string(joined.as_bytes(), &mut value);
    Ok(SecretString::from(std::mem::take(&mut *value)))
}

fn missing(place: &'static str, template: &Template) -> Unrenderable {
    Unrenderable::Missing { place, template: template.source().to_owned() }
}

fn unless_given(headers: &mut Vec<(HeaderName, SecretString)>, name: HeaderName, value: &str) {
    if !headers.iter().any(|(given, _)| *given == name) {
        headers.push((name, value.into()));
    }
}
