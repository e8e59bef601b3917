//! From the `http` form that people write to a definition, or to everything that is wrong with it.
//!
//! Much of this the API server checks as well. It is checked here again, since files and presets never meet it, and
//! since CEL can look neither into `body.json` nor into templates.

mod errand;
mod output;
mod reply;
mod request;
mod rules;
mod scope;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::{
    definition::{BaseUrl, CredentialKeys, Definition, Exchange, Limits, Protocol, RefreshExchange, Response, Scheme},
    problem::{Invalid, Problems},
    template::Name,
};
use crate::api::{
    TokenProviderSpec,
    duration::HumanDuration,
    http::{self as api, Http},
    provider::{self, Parameter},
};

pub(super) use errand::{by_status, interval};
pub(super) use output::{data as output_data, of_provider as provider_output};
pub(super) use reply::{Places, response};
pub(super) use request::fields;
pub(super) use scope::{Keys, Scope, Stage};

const LOGIN_RESPONSE: Places<'_> =
    Places { response: "spec.http.login.response", session_expiry: "spec.http.login.response.sessionExpiry" };
const REFRESH_RESPONSE: Places<'_> =
    Places { response: "spec.http.refresh.response", session_expiry: "spec.http.refresh.response.sessionExpiry" };

/// The `http` form of a spec; `preset` and `oauth2` of it are not looked at.
///
/// # Errors
/// With everything that is wrong with it.
pub fn compile(spec: &TokenProviderSpec, http: &Http) -> Result<Definition, Invalid> {
    let mut problems = Problems::default();
    let insecure_http = spec.tls.as_ref().and_then(|tls| tls.insecure_http) == Some(true);
    let base = base(&mut problems, spec.url.as_deref(), insecure_http);
    let parameters = spec.parameters.clone().unwrap_or_default();
    check_parameters(&mut problems, &parameters);
    let credentials = credentials(&mut problems, http.credentials.as_ref());
    let limits = limits(&mut problems, spec.limits.as_ref());
    let response = response(&mut problems, &LOGIN_RESPONSE, &http.login.response, None);
    let scope = Scope {
        stage: Stage::Login,
        credentials: &credentials,
        keys: Keys::Declared,
        parameters: &parameters,
        login: response.as_ref(),
    };
    let request = request::request(&mut problems, scope, "spec.http.login", &http.login.request);
    let refresh = http.refresh.as_ref().map(|form| refresh(&mut problems, scope, form));
    let about = base.as_ref();
    let probe = http.probe.as_ref().zip(about).map(|(form, base)| errand::probe(&mut problems, scope, base, form));
    let revoke = http.revoke.as_ref().zip(about).map(|(form, base)| errand::revoke(&mut problems, scope, base, form));
    let errors = rules::rules(&mut problems, "spec.http.errors", &http.errors);
    let output = output::of_provider(&mut problems, scope, spec.output.as_ref());
    let login = request.zip(response).map(|(request, response)| Exchange { request, response });
    let definition = base.zip(login).map(|(base, login)| Definition {
        base,
        issuer: None,
        parameters,
        output,
        credentials,
        login,
        refresh: refresh.flatten(),
        seed: None,
        probe: probe.flatten().map(Box::new),
        revoke: revoke.flatten().map(Box::new),
        errors,
        protocol: Protocol::Http,
        limits,
        insecure_http,
        by_certificate: false,
    });
    problems.finish(definition)
}

fn base(problems: &mut Problems, url: Option<&str>, insecure_http: bool) -> Option<BaseUrl> {
    let at = "spec.url";
    let Some(url) = url else {
        problems.add(at, "is required with http: where is the API, such as https://api.example.com/v1");
        return None;
    };
    let base = match url.parse::<BaseUrl>() {
        Ok(base) => base,
        Err(error) => {
            problems.add(at, error.to_string());
            return None;
        }
    };
    if base.origin().scheme == Scheme::Http && !insecure_http {
        problems.add(
            at,
            "is plain http, which shows credentials to everybody on the way: use https, or set tls.insecureHTTP",
        );
    }
    Some(base)
}

pub(super) fn check_parameters(problems: &mut Problems, parameters: &[Parameter]) {
    let mut seen = BTreeSet::new();
    for (index, parameter) in parameters.iter().enumerate() {
        let at = format!("spec.parameters[{index}]");
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if parameter.name.is_empty() || !parameter.name.bytes().all(good) {
            problems.add(format!("{at}.name"), "is letters, digits, `-` and `_`");
        }
        if !seen.insert(&parameter.name) {
            problems.add(format!("{at}.name"), "is there twice");
        }
        let Some(default) = &parameter.default else { continue };
        if parameter.required == Some(true) {
            problems.add(format!("{at}.default"), "is never used where the parameter is required: keep one of the two");
        }
        if !parameter.enum_.is_empty() && !parameter.enum_.contains(default) {
            problems.add(format!("{at}.default"), format!("must be one of {}", parameter.enum_.join(", ")));
        }
    }
}

fn credentials(problems: &mut Problems, form: Option<&api::CredentialKeys>) -> CredentialKeys {
    let Some(form) = form else {
        return CredentialKeys::default();
    };
    for (list, keys) in [("required", &form.required), ("optional", &form.optional)] {
        for key in keys.iter().filter(|key| !output::is_secret_key(key)) {
            problems.add(format!("spec.http.credentials.{list}"), format!("{key:?} is not a key of a Secret"));
        }
    }
    for key in form.optional.iter().filter(|key| form.required.contains(key)) {
        problems.add("spec.http.credentials.optional", format!("{key} is required already: keep one of the two"));
    }
    let set = |keys: &[String]| keys.iter().cloned().collect();
    CredentialKeys { required: set(&form.required), optional: set(&form.optional) }
}

pub(super) fn limits(problems: &mut Problems, form: Option<&provider::Limits>) -> Limits {
    let default = Limits::default();
    let Some(form) = form else { return default };
    let mut count = |name: &str, given: Option<i32>, default: u32| match given.map(u32::try_from) {
        None => default,
        Some(Ok(count)) if count > 0 => count,
        Some(_) => {
            problems.add(format!("spec.limits.{name}"), "must be at least 1");
            default
        }
    };
    let limits = Limits {
        requests_per_second: count("requestsPerSecond", form.requests_per_second, default.requests_per_second),
        burst: count("burst", form.burst, default.burst),
        concurrency: count("concurrency", form.concurrency, default.concurrency),
        timeout: form.timeout.map_or(default.timeout, HumanDuration::get),
    };
    if limits.timeout.is_zero() {
        problems.add("spec.limits.timeout", "must be longer than nothing, such as 30s");
    }
    limits
}

fn refresh(problems: &mut Problems, scope: Scope<'_>, form: &api::Refresh) -> Option<RefreshExchange> {
    let at = "spec.http.refresh";
    let scope = Scope { stage: Stage::Refresh, ..scope };
    let before = problems.count();
    let request = request::request(problems, scope, at, &form.request);
    let good = problems.count() == before;
    let response: Option<Response> = match &form.response {
        None => scope.login.cloned(),
        Some(response) => reply::response(problems, &REFRESH_RESPONSE, response, scope.login),
    };
    if form.session_limit.is_some_and(|limit| limit.get().is_zero()) {
        problems.add(format!("{at}.sessionLimit"), "must be longer than nothing, such as 720h");
    }
    let request = request?;
    let of_session =
        |name: &&Name| matches!(name, Name::SessionAccessToken | Name::SessionRefreshToken | Name::SessionOutput(_));
    if good && !request.names().iter().any(of_session) {
        problems.add(
            at,
            "uses nothing of the session, so it is a login: name session.accessToken, \
                          session.refreshToken or session.outputs.NAME in it, or leave refresh out",
        );
    }
    Some(RefreshExchange {
        request,
        response: response?,
        session_limit: form.session_limit.map(HumanDuration::get),
        reuse: form.reuse.unwrap_or_default(),
    })
}
