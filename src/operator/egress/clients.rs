//! A few HTTP clients: one for each way out that may not share connections with another.
//!
//! A client holds the open connections. Two providers share one if they have the same tenancy and the same TLS; what
//! a tenant's URL may reach is then settled by the resolver inside the client, and no connection crosses over.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::{Client, ClientBuilder, Proxy, redirect, retry, tls};

use super::lookup::{Lookup, Rules, Vetting};
use crate::operator::{
    address::{AddressPolicy, Tenancy},
    tls::{Identity, TlsMaterial},
};

/// Resolving, connecting and TLS together.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Shorter than the 60 s after which common load balancers close: the fewer requests meet a closing connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Times of renewal are whole seconds, so those of one second go out together, and a connection that is not kept costs
/// a handshake.
const IDLE_PER_HOST: usize = 16;
/// Each client costs some 200 kB for its authorities.
const MAX_CLIENTS: usize = 32;

const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// How a request leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Route {
    /// The name is resolved here and its addresses are judged.
    Direct { tenancy: Tenancy, plain: bool, guarded_port: Option<u16> },
    /// By `CONNECT`; names are the proxy's to resolve.
    Proxy,
}

/// Clients by route and TLS; the least recently used goes when there are too many.
pub(super) struct Clients {
    policy: Arc<AddressPolicy>,
    lookup: Arc<dyn Lookup>,
    proxy: Option<Proxy>,
    built: Mutex<Built>,
}

type Key = (Route, Option<Identity>, Option<Identity>);

#[derive(Default)]
struct Built {
    clients: HashMap<Key, (Client, u64)>,
    uses: u64,
}

impl Clients {
    pub(super) fn new(policy: Arc<AddressPolicy>, lookup: Arc<dyn Lookup>, proxy: Option<Proxy>) -> Self {
        Self { policy, lookup, proxy, built: Mutex::default() }
    }

    /// The client for `route` and `tls`; built at its first use, because one that is never used would only cost memory.
    pub(super) fn get(&self, route: Route, tls: &TlsMaterial) -> Result<Client, reqwest::Error> {
        let (authorities, presented) = tls.identities();
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        built.uses += 1;
        let now = built.uses;
        if let Some((client, used)) = built.clients.get_mut(&(route, authorities, presented)) {
            *used = now;
            return Ok(client.clone());
        }
        let client = self.build(route, tls)?;
        built.make_room();
        built.clients.insert((route, authorities, presented), (client.clone(), now));
        Ok(client)
    }

    /// Lets go of the clients with this material, and so of their idle connections and of the private key.
    pub(super) fn forget(&self, tls: &TlsMaterial) {
        let (authorities, presented) = tls.identities();
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        built.clients.retain(|(_, ca, certificate), _| (*ca, *certificate) != (authorities, presented));
    }

    fn build(&self, route: Route, material: &TlsMaterial) -> Result<Client, reqwest::Error> {
        let rules = match route {
            Route::Direct { tenancy, guarded_port, .. } => {
                Some(Rules { policy: Arc::clone(&self.policy), tenancy, guarded_port })
            }
            Route::Proxy => None,
        };
        let builder = bounded(Client::builder()).dns_resolver(Vetting { lookup: Arc::clone(&self.lookup), rules });
        let builder = match (&material.ca_bundle, route) {
            (Some(bundle), _) => builder.tls_certs_only(bundle.certificates()),
            (None, Route::Direct { plain: true, .. }) => builder.tls_certs_only([]),
            (None, _) => builder,
        };
        let builder = match &material.client_certificate {
            Some(certificate) => builder.identity(certificate.presented()),
            None => builder,
        };
        match (route, &self.proxy) {
            (Route::Proxy, Some(proxy)) => builder.proxy(proxy.clone()).build(),
            _ => builder.build(),
        }
    }
}

impl Built {
    fn make_room(&mut self) {
        if self.clients.len() < MAX_CLIENTS {
            return;
        }
        let oldest = self.clients.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| *key);
        if let Some(key) = oldest {
            self.clients.remove(&key);
        }
    }
}

/// What holds for every client. `no_proxy` comes before a proxy of ours is added: it switches off those of the
/// environment.
fn bounded(builder: ClientBuilder) -> ClientBuilder {
    builder
        .no_proxy()
        .user_agent(USER_AGENT)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .http1_only()
        .tls_version_min(tls::Version::TLS_1_2)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .referer(false)
}

#[cfg(test)]
mod tests {
    use testbed::ca::TestCa;

    use super::*;
    use crate::operator::{egress::SystemLookup, tls::CaBundle};

    const DIRECT: Route = Route::Direct { tenancy: Tenancy::Cluster, plain: false, guarded_port: None };

    fn material(name: &str) -> TlsMaterial {
        let bundle = CaBundle::parse(&TestCa::named(name).unwrap().pem(), "test").unwrap();
        TlsMaterial { ca_bundle: Some(bundle), ..TlsMaterial::default() }
    }

    #[test]
    fn there_is_one_client_for_each_way_out_and_never_more_than_a_few() {
        let clients = Clients::new(Arc::default(), Arc::new(SystemLookup), None);
        let used_often = material("used often");
        let count = || clients.built.lock().unwrap().clients.len();
        let builds = |route, tls: &TlsMaterial| {
            let before = count();
            clients.get(route, tls).unwrap();
            count() != before
        };
        assert!(builds(DIRECT, &used_often) && !builds(DIRECT, &used_often));
        let tenant = Route::Direct { tenancy: Tenancy::Tenant, plain: false, guarded_port: None };
        let guarded = Route::Direct { tenancy: Tenancy::Cluster, plain: false, guarded_port: Some(443) };
        assert!(builds(tenant, &used_often) && builds(guarded, &used_often));
        for number in 0..2 * MAX_CLIENTS {
            clients.get(DIRECT, &material(&number.to_string())).unwrap();
            clients.get(DIRECT, &used_often).unwrap();
        }
        assert_eq!(count(), MAX_CLIENTS);
        let (authorities, presented) = used_often.identities();
        assert!(clients.built.lock().unwrap().clients.contains_key(&(DIRECT, authorities, presented)));
    }
}
