//! Where tokens are asked for.

use url::Url;

use super::keys;
use crate::{
    api::oauth2::{ClientAuthMethod, OAuth2},
    provider::{
        definition::{Assertion, BaseUrl, Body, Definition, FormValue, InvalidUrl, Issuer, RequestForm, Scheme},
        problem::Problems,
        template::Template,
    },
};

/// A token endpoint, taken apart.
pub(super) struct Endpoint {
    /// Without a path of its own; of an issuer all of it.
    pub base: BaseUrl,
    pub path: Template,
    /// A query that the endpoint's URL has (RFC 6749 3.2 lets it).
    pub query: Vec<(String, Template)>,
    /// As it was written: what assertions are addressed to. `None`: the issuer will tell.
    pub url: Option<String>,
    pub issuer: Option<Issuer>,
}

/// Why a URL is no token endpoint. Never repeats it: people paste secrets into URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointFault {
    #[error("is not a URL: write it like https://idp.example.com/oauth2/token")]
    NotAUrl,
    #[error("holds a fragment: write it without")]
    Fragment,
    #[error(transparent)]
    Base(#[from] InvalidUrl),
    #[error("is plain http, which shows credentials to everybody on the way: use https, or set tls.insecureHTTP")]
    PlainHttp,
}

pub(super) fn endpoint(problems: &mut Problems, oauth2: &OAuth2, insecure_http: bool) -> Option<Endpoint> {
    let (at, read) = match (&oauth2.token_url, &oauth2.issuer) {
        (Some(url), None) => ("spec.oauth2.tokenURL", read(url)),
        (None, Some(issuer)) => {
            let by_certificate = keys::method(oauth2) == ClientAuthMethod::Tls;
            ("spec.oauth2.issuer", of_issuer(Issuer { url: issuer.clone(), by_certificate }))
        }
        _ => {
            problems.add("spec.oauth2", "needs exactly one of tokenURL and issuer");
            return None;
        }
    };
    let endpoint = read.map_err(|fault| problems.add(at, fault.to_string())).ok()?;
    if let Err(fault) = check_scheme(&endpoint, insecure_http) {
        problems.add(at, fault.to_string());
    }
    Some(endpoint)
}

/// A definition that knows its issuer only, with the token endpoint that the issuer names. One that has no issuer stays
/// as it is.
///
/// # Errors
/// If the URL is no token endpoint.
pub fn located(definition: &Definition, token_url: &str) -> Result<Definition, EndpointFault> {
    let mut located = definition.clone();
    if located.issuer.take().is_none() {
        return Ok(located);
    }
    let endpoint = read(token_url)?;
    check_scheme(&endpoint, definition.insecure_http)?;
    aim(&mut located.login.request, &endpoint);
    if let Some(refresh) = &mut located.refresh {
        aim(&mut refresh.request, &endpoint);
    }
    // These have URLs of their own, but the client shows who it is by the token endpoint's.
    let probe = located.probe.as_mut().map(|probe| &mut probe.request);
    let revoke = located.revoke.as_mut().map(|revoke| &mut revoke.request);
    probe.into_iter().chain(revoke).for_each(|request| address(request, &endpoint));
    located.base = endpoint.base;
    Ok(located)
}

fn aim(request: &mut RequestForm, endpoint: &Endpoint) {
    request.path = endpoint.path.clone();
    request.query.clone_from(&endpoint.query);
    address(request, endpoint);
}

/// Addresses what the client signs to the endpoint.
fn address(request: &mut RequestForm, endpoint: &Endpoint) {
    let Some(Body::Form(fields)) = &mut request.body else { return };
    for (_, value) in fields {
        if let FormValue::Assertion(assertion) = value {
            let Assertion { audience, .. } = &mut **assertion;
            *audience = audience.take().or_else(|| endpoint.url.clone());
        }
    }
}

fn of_issuer(issuer: Issuer) -> Result<Endpoint, EndpointFault> {
    let base = issuer.url.parse::<BaseUrl>()?;
    Ok(Endpoint { base, path: literal("/"), query: Vec::new(), url: None, issuer: Some(issuer) })
}

pub(super) fn check_scheme(endpoint: &Endpoint, insecure_http: bool) -> Result<(), EndpointFault> {
    let plain = endpoint.base.origin().scheme == Scheme::Http;
    if plain && !insecure_http { Err(EndpointFault::PlainHttp) } else { Ok(()) }
}

pub(super) fn read(text: &str) -> Result<Endpoint, EndpointFault> {
    let url = Url::parse(text).map_err(|_| EndpointFault::NotAUrl)?;
    if url.fragment().is_some() {
        return Err(EndpointFault::Fragment);
    }
    let mut whole = url.clone();
    whole.set_query(None);
    whole.set_path("");
    let base = whole.as_str().parse::<BaseUrl>()?;
    let path = literal(url.path());
    let query = url.query_pairs().map(|(name, value)| (name.into_owned(), literal(&value))).collect();
    Ok(Endpoint { base, path, query, url: Some(text.to_owned()), issuer: None })
}

/// A template that stands for this very text.
fn literal(text: &str) -> Template {
    Template::parse(&text.replace("${", "$${")).expect("invariant: a text without an open ${ is a template")
}
