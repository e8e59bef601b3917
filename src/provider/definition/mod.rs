//! The form of a provider in which nothing is left to check: parsed once, then only rendered and read.
//!
//! `form` and `oauth2` make it from what people write. It may hold what the CRD's `http` does not show: repeated form names,
//! signed assertions.

mod assertion;
mod body;
/// The keys of a client's certificate.
pub mod certificate;
mod errand;
mod fingerprint;
mod issuer;
mod origin;
mod parameters;
mod reply;
mod seed;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use http::HeaderName;

use super::template::{Name, Template};
use crate::api::{http::Reuse, provider::Parameter};

pub use assertion::Assertion;
pub use body::{Body, FormValue, JsonTemplate};
pub use errand::{Probe, RefusedReply, Revoke};
pub use issuer::Issuer;
pub use origin::{BaseUrl, InvalidUrl, Origin, Scheme, is_dot_segment};
pub use parameters::ParameterError;
pub use reply::{Condition, Expiry, Response, Rule, Source, TokenName, Unit, Wanted};
pub use seed::Seed;

/// A provider: where it is, how to log in, how to refresh.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Where its requests go; the issuer's address while `issuer` is there.
    pub base: BaseUrl,
    /// While it is there the token endpoint is not known, and no request can be made:
    /// [`located`](super::oauth2::located) puts the endpoint in its place.
    pub issuer: Option<Issuer>,
    /// What an ApiToken may set.
    pub parameters: Vec<Parameter>,
    /// What an ApiToken's `output.data` is when it says none.
    pub output: BTreeMap<String, Template>,
    pub credentials: CredentialKeys,
    pub login: Exchange,
    /// `None`: each renewal is a login.
    pub refresh: Option<RefreshExchange>,
    /// What a login presents, where that is a refresh token of the credentials.
    pub seed: Option<Seed>,
    /// `None`: nobody asks whether a token is still good.
    pub probe: Option<Box<Probe>>,
    /// `None`: a token that was replaced lives to its end.
    pub revoke: Option<Box<Revoke>>,
    /// First match wins.
    pub errors: Vec<Rule>,
    /// How a failure is understood where no rule says otherwise.
    pub protocol: Protocol,
    pub limits: Limits,
    /// Plain http is allowed.
    pub insecure_http: bool,
    /// A certificate stands for the client (RFC 8705): the credentials' own one, else the provider's.
    pub by_certificate: bool,
}

/// By whose habits failures are understood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// By its status alone.
    #[default]
    Http,
    /// By its status and then the `error` of its body, as a token endpoint of OAuth 2.0 gives it (RFC 6749 5.2).
    OAuth2,
}

/// Keys of the credentials Secret that requests and handshakes may use; nothing else of it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CredentialKeys {
    pub required: BTreeSet<String>,
    pub optional: BTreeSet<String>,
}

/// A request and how its reply is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    pub request: RequestForm,
    pub response: Response,
}

/// The exchange that continues a session.
#[derive(Clone, Debug, PartialEq)]
pub struct RefreshExchange {
    pub request: RequestForm,
    /// The login's, if the definition says none.
    pub response: Response,
    /// How long after the login a session can be refreshed. Does not slide.
    pub session_limit: Option<Duration>,
    /// May the same refresh token be presented twice?
    pub reuse: Reuse,
}

/// A request with the values still missing.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestForm {
    pub method: http::Method,
    /// Begins with `/`; appended to the base, never resolved against it.
    pub path: Template,
    pub query: Vec<(String, Template)>,
    pub headers: Vec<(HeaderName, Template)>,
    pub basic_auth: Option<BasicAuth>,
    pub body: Option<Body>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasicAuth {
    pub username: Template,
    pub password: Template,
    /// Each half is form-urlencoded before it is joined (RFC 6749 2.3.1).
    pub form_urlencoded: bool,
}

/// How much is asked of the provider, with nothing left open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    pub requests_per_second: u32,
    pub burst: u32,
    pub concurrency: u32,
    /// Of a whole request.
    pub timeout: Duration,
}

/// What of a session, and of the credentials, a refresh request names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefreshUses {
    pub access_token: bool,
    pub refresh_token: bool,
    /// Names of outputs of the session.
    pub outputs: BTreeSet<String>,
    /// Declared keys.
    pub credentials: BTreeSet<String>,
}

impl Definition {
    /// Where its requests go.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        self.base.origin()
    }

    /// Whether an ApiToken must name credentials.
    #[must_use]
    pub fn needs_credentials(&self) -> bool {
        !self.credentials.required.is_empty()
    }

    /// What the refresh request names; nothing where there is no refresh.
    #[must_use]
    pub fn refresh_uses(&self) -> RefreshUses {
        let mut uses = RefreshUses { credentials: self.shown_keys(), ..RefreshUses::default() };
        for name in self.refresh.iter().flat_map(|refresh| refresh.request.names()) {
            match name {
                Name::SessionAccessToken => uses.access_token = true,
                Name::SessionRefreshToken => uses.refresh_token = true,
                Name::SessionOutput(name) => drop(uses.outputs.insert(name.clone())),
                Name::Credential(key) => drop(uses.credentials.insert(key.clone())),
                _ => {}
            }
        }
        uses
    }

    /// Whether what a refresh presents must never be presented twice.
    #[must_use]
    pub fn refreshes_once(&self) -> bool {
        self.refresh.as_ref().is_some_and(|refresh| refresh.reuse == Reuse::OneTime)
    }

    /// The declared keys that the login request names, and those that its handshake shows.
    #[must_use]
    pub fn login_credentials(&self) -> BTreeSet<String> {
        let key = |name: &Name| {
            if let Name::Credential(key) = name { Some(key.clone()) } else { None }
        };
        self.login.request.names().into_iter().filter_map(key).chain(self.shown_keys()).collect()
    }
}

impl CredentialKeys {
    #[must_use]
    pub fn declares(&self, key: &str) -> bool {
        self.required.contains(key) || self.optional.contains(key)
    }
}

impl RequestForm {
    /// All names in all of its templates.
    #[must_use]
    pub fn names(&self) -> Vec<&Name> {
        let query = self.query.iter().map(|(_, template)| template);
        let headers = self.headers.iter().map(|(_, template)| template);
        let basic = self.basic_auth.iter().flat_map(|basic| [&basic.username, &basic.password]);
        let body = self.body.iter().flat_map(Body::templates);
        let all = std::iter::once(&self.path).chain(query).chain(headers).chain(basic).chain(body);
        all.flat_map(Template::names).collect()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { requests_per_second: 50, burst: 100, concurrency: 32, timeout: Duration::from_secs(30) }
    }
}
