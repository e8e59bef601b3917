//! Where stories of a troubled API server begin: one operator whose way there is a proxy, and a vendor that revokes a
//! session whose refresh token is presented twice.

use http::Method;
use testbed::{
    api_proxy::{ApiProxy, ApiRequest},
    users::User,
    vendors::{Exchange, Operation},
};

use crate::{replicas::Company, world::World};

pub struct Lone {
    pub company: Company,
    pub proxy: ApiProxy,
}

impl Lone {
    /// The operator is ready.
    pub async fn new() -> Self {
        let mut lone = Self::without_operator().await;
        lone.company.world.start_operator().await;
        lone
    }

    pub async fn without_operator() -> Self {
        Self::of(Company::new().await)
    }

    /// The same with a company of one's own, and no operator yet.
    pub fn of(mut company: Company) -> Self {
        company.world.flags.clear();
        let proxy = ApiProxy::start(company.world.cluster).expect("a proxy");
        company.world.kubeconfig = proxy.kubeconfig(company.world.cluster, &User::Operator).expect("a kubeconfig");
        Self { company, proxy }
    }

    pub fn world(&self) -> &World {
        &self.company.world
    }

    /// How many requests of one operation the vendor has seen.
    pub fn asked(&self, operation: Operation) -> usize {
        self.company.virtana.history().iter().filter(|one| one.operation == operation).count()
    }
}

pub fn on_its_way(all: &[Exchange]) -> bool {
    all.iter().any(|one| one.operation == Operation::Refresh && one.answered.is_none())
}

pub fn logins(all: &[Exchange]) -> usize {
    all.iter().filter(|one| one.operation == Operation::Login).count()
}

pub fn refreshes(all: &[Exchange]) -> usize {
    all.iter().filter(|one| one.operation == Operation::Refresh).count()
}

/// Not one of those that ask at the start whether watching is allowed.
pub fn is_watch(request: &ApiRequest) -> bool {
    request.query.contains("watch=") && !asks_for_rights(request)
}

pub fn asks_for_rights(request: &ApiRequest) -> bool {
    request.query.contains("preflight")
}

pub fn writes(request: &ApiRequest) -> bool {
    request.method != Method::GET
}

pub fn makes_session(request: &ApiRequest) -> bool {
    request.method == Method::POST && request.body.contains("\"name\":\"apitoken-session-")
}

pub fn stores_session(request: &ApiRequest) -> bool {
    request.method == Method::PUT && request.path.contains("/secrets/apitoken-session-")
}

/// The answer of a provider, and not the announcement of a request.
pub fn stores_answer(request: &ApiRequest) -> bool {
    stores_session(request) && !announces(request)
}

/// The facts stand in an annotation, as JSON in JSON.
pub fn announces(request: &ApiRequest) -> bool {
    stores_session(request) && request.body.contains(r#"\"intent\""#)
}

pub fn reads_session(request: &ApiRequest) -> bool {
    request.method == Method::GET && request.path.contains("/secrets/apitoken-session-")
}

pub fn writes_output(request: &ApiRequest) -> bool {
    (request.method == Method::POST || request.method == Method::PATCH)
        && request.path.contains("/secrets")
        // In a JSON Patch the slash is written as ~1 (RFC 6901).
        && (request.body.contains("apitoken.dev/revision") || request.body.contains("apitoken.dev~1revision"))
}

/// Of an ApiToken, not of a provider.
pub fn writes_status(request: &ApiRequest) -> bool {
    request.method == Method::PATCH && request.path.contains("/apitokens/") && request.path.ends_with("/status")
}
