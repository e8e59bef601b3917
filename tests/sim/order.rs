//! A request to a provider, as the provider reads it.

use apitoken_operator::{api::http::Operation, provider::render::Request, token::decide::Errand};
use secrecy::ExposeSecret;
use serde_json::Value;
use url::Url;

use crate::{fault::Step, sim::Sim};

/// A request, as a provider reads it.
pub struct Order {
    pub url: Url,
    pub provider: usize,
    pub ask: Ask,
    pub uid: String,
    pub token: String,
    pub credentials: String,
    pub body: Value,
}

/// What is asked of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Tokens(Operation),
    About(Errand),
}

impl Order {
    pub fn read(sim: &Sim, request: &Request) -> Self {
        let url = Url::parse(request.url.expose_secret()).unwrap();
        let uid = request.headers.iter().find(|(name, _)| name == "x-uid");
        let uid = uid.map(|(_, value)| value.expose_secret().to_owned()).unwrap();
        let body = request.body.as_ref().map(|body| serde_json::from_slice(body.expose_secret()).unwrap());
        let host = url.host_str().unwrap();
        let state = sim.lock();
        let token = state.token_of(&uid).unwrap_or_else(|| format!("deleted {uid}"));
        Self {
            provider: host.split('.').next().unwrap()[1..].parse().unwrap(),
            ask: Ask::read(url.path()),
            credentials: state.credentials_of(&token).unwrap_or_default(),
            body: body.unwrap_or_default(),
            token,
            uid,
            url,
        }
    }
}

impl Ask {
    fn read(path: &str) -> Self {
        match path {
            "/login" => Self::Tokens(Operation::Login),
            "/refresh" => Self::Tokens(Operation::Refresh),
            "/probe" => Self::About(Errand::Probe),
            _ => Self::About(Errand::Revoke),
        }
    }

    /// What becomes of it is decided by this.
    pub fn step(self) -> Step {
        match self {
            Self::Tokens(Operation::Login) => Step::Login,
            Self::Tokens(Operation::Refresh) => Step::Refresh,
            Self::About(Errand::Probe) => Step::Probe,
            Self::About(Errand::Revoke) => Step::Revoke,
        }
    }
}
