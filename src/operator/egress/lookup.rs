//! From a name to addresses that a connection may go to.
//!
//! The connector gets the judged addresses themselves and resolves nothing again, so what was judged is what is
//! connected to.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::operator::address::{AddressPolicy, Range, Tenancy, Verdict};

/// Who knows the addresses of a name.
pub trait Lookup: Send + Sync + 'static {
    /// All addresses of `name`, those first that are to be tried first.
    fn lookup(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The system's resolver: what `/etc/resolv.conf` and `/etc/hosts` say.
pub struct SystemLookup;

/// Why a name led to no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unresolved {
    #[error("the name has no address")]
    NoAddress,
    /// Every address of it was refused; this is why the first was.
    #[error("every address of the name is refused")]
    Refused(Range),
}

/// A resolver that hands on only what a policy allows.
pub(super) struct Vetting {
    pub lookup: Arc<dyn Lookup>,
    /// `None`: only the proxy's own name is looked up here, and the administrator chose that.
    pub rules: Option<Rules>,
}

pub(super) struct Rules {
    pub policy: Arc<AddressPolicy>,
    pub tenancy: Tenancy,
    /// The port that all connections of this resolver go to, if the API server listens on it somewhere; else `None`,
    /// and no address can be the API server's.
    pub guarded_port: Option<u16>,
}

impl Rules {
    fn judge(&self, ip: IpAddr) -> Verdict {
        self.policy.judge(SocketAddr::new(ip, self.guarded_port.unwrap_or(0)), self.tenancy)
    }

    fn keep_allowed(&self, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, Unresolved> {
        let mut refused = None;
        let allowed: Vec<IpAddr> = found
            .into_iter()
            .filter(|ip| match self.judge(*ip) {
                Verdict::Allowed => true,
                Verdict::Refused(range) => {
                    refused.get_or_insert(range);
                    false
                }
            })
            .collect();
        match (allowed.is_empty(), refused) {
            (false, _) => Ok(allowed),
            (true, Some(range)) => Err(Unresolved::Refused(range)),
            (true, None) => Err(Unresolved::NoAddress),
        }
    }
}

impl Resolve for Vetting {
    fn resolve(&self, name: Name) -> Resolving {
        let found = self.lookup.lookup(name.as_str());
        let rules = self.rules.as_ref().map(|rules| Rules { policy: Arc::clone(&rules.policy), ..*rules });
        Box::pin(async move {
            let found = found.await.map_err(|_| Unresolved::NoAddress)?;
            let allowed = match rules {
                Some(rules) => rules.keep_allowed(found)?,
                None => found,
            };
            // Port 0 is replaced by the URL's.
            Ok(Box::new(allowed.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}

impl Lookup for SystemLookup {
    fn lookup(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}
