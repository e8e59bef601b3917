//! From the `oauth2` form that people write to a definition, or to everything that is wrong with it.
//!
//! What comes out is the form that `http` leads to: there is one engine, and nothing after this knows of grants.

mod endpoint;
mod errand;
/// What an issuer says of itself.
pub mod metadata;
mod keys;
mod meaning;
mod request;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, time::Duration};

pub use self::endpoint::{EndpointFault, located};
use self::request::Asking;
use super::{
    definition::{
        CredentialKeys, Definition, Exchange, Expiry, Protocol, RefreshExchange, RequestForm, Response, Seed,
        certificate,
    },
    form::{self, Keys, Scope, Stage},
    problem::{Invalid, Problems},
    template::Name,
};
use crate::api::{
    TokenProviderSpec, http as api,
    oauth2::{ClientAuthMethod, GrantType, OAuth2, RefreshUse},
};

/// Where in a token endpoint's answer things stand (RFC 6749 5.1).
const ACCESS_TOKEN: &str = "/access_token";
const REFRESH_TOKEN: &str = "/refresh_token";
const EXPIRES_IN: &str = "/expires_in";

/// The `oauth2` form of a spec; `preset` and `http` of it are not looked at.
///
/// # Errors
/// With everything that is wrong with it.
pub fn compile(spec: &TokenProviderSpec, oauth2: &OAuth2) -> Result<Definition, Invalid> {
    let mut problems = Problems::default();
    if spec.url.is_some() {
        problems.add("spec.url", "has no meaning with oauth2, which has tokenURL");
    }
    meaning::check(&mut problems, oauth2);
    let insecure_http = spec.tls.as_ref().and_then(|tls| tls.insecure_http) == Some(true);
    let endpoint = endpoint::endpoint(&mut problems, oauth2, insecure_http);
    let parameters = spec.parameters.clone().unwrap_or_default();
    form::check_parameters(&mut problems, &parameters);
    let limits = form::limits(&mut problems, spec.limits.as_ref());
    let refreshes = refreshes(oauth2);
    let response = response(&mut problems, oauth2, refreshes);
    let known = keys::known(oauth2);
    let by_certificate = keys::method(oauth2) == ClientAuthMethod::Tls;
    let scope = Scope {
        stage: Stage::Login,
        credentials: &known,
        keys: Keys::OfOAuth2,
        parameters: &parameters,
        login: response.as_ref(),
    };
    let output = form::provider_output(&mut problems, scope, spec.output.as_ref());
    let mut asking = Asking { oauth2, endpoint: endpoint.as_ref(), scope, problems: &mut problems };
    let login = asking.login();
    let renewal = refreshes.then(|| asking.refresh());
    let probe = asking.probe(insecure_http);
    let revoke = asking.revoke(insecure_http);
    let made = endpoint.zip(response).zip(login).map(|((endpoint, response), request)| Definition {
        base: endpoint.base,
        issuer: endpoint.issuer,
        parameters: parameters.clone(),
        output,
        credentials: used(&known, by_certificate, [Some(&request), renewal.as_ref().and_then(Option::as_ref)]),
        refresh: renewal.flatten().map(|request| refresh_exchange(oauth2, request, &response)),
        seed: seed(oauth2),
        login: Exchange { request, response },
        probe: probe.map(Box::new),
        revoke: revoke.map(Box::new),
        errors: Vec::new(),
        protocol: Protocol::OAuth2,
        limits,
        insecure_http,
        by_certificate,
    });
    problems.finish(made)
}

/// A refresh token is presented where the grant usually yields one, or where people say so.
fn refreshes(oauth2: &OAuth2) -> bool {
    let by_default = match oauth2.grant.unwrap_or_default() {
        GrantType::ClientCredentials | GrantType::JWTBearer => RefreshUse::Never,
        GrantType::Password | GrantType::RefreshToken => RefreshUse::Auto,
    };
    oauth2.refresh.as_ref().and_then(|refresh| refresh.use_).unwrap_or(by_default) == RefreshUse::Auto
}

fn response(problems: &mut Problems, oauth2: &OAuth2, refreshes: bool) -> Option<Response> {
    let json = |pointer: &str| api::Value { json: Some(pointer.to_owned()), ..api::Value::default() };
    let refresh_token =
        api::OptionalValue { json: Some(REFRESH_TOKEN.to_owned()), optional: Some(true), ..Default::default() };
    let entry = api::Expiry::default;
    let form = api::Response {
        access_token: json(ACCESS_TOKEN),
        refresh_token: refreshes.then_some(refresh_token),
        outputs: oauth2.outputs.clone(),
        expiry: vec![
            api::Expiry { seconds: Some(json(EXPIRES_IN)), ..entry() },
            api::Expiry { jwt: Some("accessToken".to_owned()), ..entry() },
        ],
        session_expiry: oauth2.refresh.as_ref().map(|refresh| refresh.session_expiry.clone()).unwrap_or_default(),
    };
    let places = form::Places { response: "spec.oauth2", session_expiry: "spec.oauth2.refresh.sessionExpiry" };
    let mut response = form::response(problems, &places, &form, None)?;
    if let Some(lifetime) = oauth2.lifetime {
        response.expiry.push(Expiry::After(lifetime.get()));
    }
    Some(response)
}

fn refresh_exchange(oauth2: &OAuth2, request: RequestForm, login: &Response) -> RefreshExchange {
    let form = oauth2.refresh.as_ref();
    RefreshExchange {
        request,
        response: login.clone(),
        session_limit: form.and_then(|form| form.session_limit).map(|limit| -> Duration { limit.get() }),
        reuse: form.and_then(|form| form.reuse).unwrap_or_default(),
    }
}

/// What `refresh.reuse` says of the session's refresh tokens is true of the one in the credentials as well.
fn seed(oauth2: &OAuth2) -> Option<Seed> {
    let reuse = oauth2.refresh.as_ref().and_then(|refresh| refresh.reuse).unwrap_or_default();
    let key = keys::keys_of(keys::SEED).pop()?;
    (oauth2.grant == Some(GrantType::RefreshToken)).then_some(Seed { key, reuse })
}

/// Of the keys that the form knows those that its requests name; and those of a certificate.
fn used(known: &CredentialKeys, by_certificate: bool, requests: [Option<&RequestForm>; 2]) -> CredentialKeys {
    let names = requests.into_iter().flatten().flat_map(RequestForm::names);
    let key = |name: &Name| if let Name::Credential(key) = name { Some(key.clone()) } else { None };
    let used: BTreeSet<String> = names.filter_map(key).collect();
    let certificate = if by_certificate { certificate::keys() } else { BTreeSet::new() };
    CredentialKeys {
        required: known.required.intersection(&used).cloned().collect(),
        optional: known.optional.intersection(&used).cloned().chain(certificate).collect(),
    }
}
