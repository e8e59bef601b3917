//! The one place that sends to providers.
//!
//! Takes a rendered request, sends it at most once, and gives back what came within the bounds: https, a vetted
//! address, no redirect, no proxy but our own, five seconds to connect, one deadline for all of it, 64 KiB. What a
//! reply means is not decided here.

mod clients;
mod diagnose;
mod lookup;
mod proxy;
mod receive;
mod unanswered;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use http::{HeaderValue, header::CONTENT_LENGTH};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretSlice};
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use self::{
    clients::{Clients, Route},
    diagnose::cause_of,
};
use super::{
    address::{AddressPolicy, Tenancy, Verdict},
    tls::TlsMaterial,
};
use crate::provider::{interpret::Reply, render::Request};

pub use self::{
    lookup::{Lookup, SystemLookup},
    proxy::{InvalidProxy, NoProxy, ProxyUrl},
    unanswered::{Cause, Part, Reason, Target, TlsFailure, Unanswered},
};

/// Bound of a reply's head and of its body.
pub const MAX_BYTES: usize = 64 * 1024;

/// How requests leave.
#[derive(Clone, Debug, Default)]
pub struct EgressConfig {
    pub addresses: AddressPolicy,
    /// `--provider-proxy`: https goes through it by `CONNECT`, plain http does not. Names are then the proxy's to
    /// resolve and to judge; literal addresses are judged here as ever.
    pub proxy: Option<ProxyUrl>,
    /// `--no-provider-proxy`
    pub no_proxy: Vec<NoProxy>,
}

/// Carries requests to providers. There is one, [`Egress`]; a simulated network is another.
pub trait Carrier: Send + Sync {
    /// As [`Egress::send`].
    fn carry<'a>(
        &'a self,
        request: Request,
        tls: &'a TlsMaterial,
        tenancy: Tenancy,
        timeout: Duration,
        now: &'a (dyn Fn() -> Timestamp + Sync),
    ) -> BoxFuture<'a, Result<Reply, Unanswered>>;

    /// This material was replaced: connections that were made with it are not used again, nor kept.
    fn forget(&self, _replaced: &TlsMaterial) {}
}

/// Sends requests to providers. Cheap to share, holds nothing of a single request.
pub struct Egress {
    policy: Arc<AddressPolicy>,
    proxied: bool,
    no_proxy: Vec<NoProxy>,
    clients: Clients,
}

/// A request's body as the HTTP client wants it, wiped when the client lets go of it.
struct Sealed(SecretSlice<u8>);

impl Egress {
    /// # Errors
    /// If the proxy's URL is none that can be used.
    pub fn new(config: EgressConfig) -> Result<Self, InvalidProxy> {
        Self::with_lookup(config, Arc::new(SystemLookup))
    }

    /// As [`new`](Self::new), with another source of addresses than the system's.
    ///
    /// # Errors
    /// If the proxy's URL is none that can be used.
    pub fn with_lookup(config: EgressConfig, lookup: Arc<dyn Lookup>) -> Result<Self, InvalidProxy> {
        let policy = Arc::new(config.addresses);
        let proxy = config.proxy.as_ref().map(ProxyUrl::proxy).transpose()?;
        Ok(Self {
            policy: Arc::clone(&policy),
            proxied: proxy.is_some(),
            no_proxy: config.no_proxy,
            clients: Clients::new(policy, lookup, proxy),
        })
    }

    /// Sends `request` and waits for the whole reply, `timeout` at most. The request goes out at most once: what the
    /// HTTP client repeats by itself is only a request of which no byte had left, on a connection that the provider
    /// had closed before.
    ///
    /// A reply that is no success counts by its status even if its body cannot be taken in (too large, compressed,
    /// broken off): its body is then empty. A refused password behind a large error page stays a refused password.
    ///
    /// # Errors
    /// If there is no reply, or none within the bounds. The error names host and port and nothing else of the request.
    pub async fn send(
        &self,
        request: Request,
        tls: &TlsMaterial,
        tenancy: Tenancy,
        timeout: Duration,
        now: impl Fn() -> Timestamp,
    ) -> Result<Reply, Unanswered> {
        let url = Url::parse(request.url.expose_secret())
            .map_err(|_| Unanswered::unsent(Target::unknown(), Cause::Unsendable(Part::Url)))?;
        let target = Target::of(&url);
        let unsent = |cause| Unanswered::unsent(target.clone(), cause);
        if tls.unread {
            return Err(unsent(Cause::TlsUnread));
        }
        let route = self.route(&url, tls, tenancy).map_err(unsent)?;
        let client = self.clients.get(route, tls).map_err(|_| unsent(Cause::NoAuthorities))?;
        let outgoing = outgoing(request, url).map_err(unsent)?;

        let proxied = route == Route::Proxy;
        let failed = |cause, sent| Unanswered { target: target.clone(), cause, sent };
        let deadline = Instant::now() + timeout;
        let sent_at = now();
        let mut response = timeout_at(deadline, client.execute(outgoing))
            .await
            .map_err(|_| failed(Cause::Timeout(timeout), true))?
            .map_err(|error| failed(cause_of(&error, proxied), !error.is_connect()))?;
        receive::check_head(response.headers()).map_err(|cause| failed(cause, true))?;
        let body = match timeout_at(deadline, receive::body(&mut response, proxied)).await {
            Ok(Ok(body)) => body,
            _ if !response.status().is_success() => Vec::new().into(),
            Ok(Err(cause)) => return Err(failed(cause, true)),
            Err(_) => return Err(failed(Cause::Timeout(timeout), true)),
        };
        let headers = std::mem::take(response.headers_mut());
        Ok(Reply { status: response.status().as_u16(), headers, body, sent_at, received_at: now() })
    }

    /// Which way a request to `url` takes, if it may be sent at all. A literal address is judged here: the HTTP
    /// client never asks a resolver about one.
    fn route(&self, url: &Url, tls: &TlsMaterial, tenancy: Tenancy) -> Result<Route, Cause> {
        let plain = match url.scheme() {
            "https" => false,
            "http" if tls.insecure_http => true,
            "http" => return Err(Cause::PlainHttp),
            _ => return Err(Cause::Unsendable(Part::Url)),
        };
        let host = url.host().ok_or(Cause::Unsendable(Part::Url))?;
        let port = url.port_or_known_default().ok_or(Cause::Unsendable(Part::Url))?;
        if let Some(ip) = literal(&host)
            && let Verdict::Refused(range) = self.policy.judge(SocketAddr::new(ip, port), tenancy)
        {
            return Err(Cause::AddressRefused { range });
        }
        if self.proxied && !plain && !self.no_proxy.iter().any(|rule| rule.matches(&host)) {
            return Ok(Route::Proxy);
        }
        Ok(Route::Direct { tenancy, plain, guarded_port: self.policy.guarded_port(port) })
    }
}

impl Carrier for Egress {
    fn carry<'a>(
        &'a self,
        request: Request,
        tls: &'a TlsMaterial,
        tenancy: Tenancy,
        timeout: Duration,
        now: &'a (dyn Fn() -> Timestamp + Sync),
    ) -> BoxFuture<'a, Result<Reply, Unanswered>> {
        self.send(request, tls, tenancy, timeout, now).boxed()
    }

    fn forget(&self, replaced: &TlsMaterial) {
        self.clients.forget(replaced);
    }
}

fn literal(host: &Host<&str>) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(v4) => Some(IpAddr::V4(*v4)),
        Host::Ipv6(v6) => Some(IpAddr::V6(*v6)),
    }
}

fn outgoing(request: Request, url: Url) -> Result<reqwest::Request, Cause> {
    let mut outgoing = reqwest::Request::new(request.method, url);
    for (name, value) in request.headers {
        let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| Cause::Unsendable(Part::Header))?;
        value.set_sensitive(true);
        outgoing.headers_mut().append(name, value);
    }
    if let Some(body) = request.body {
        // The body alone says how long it is.
        outgoing.headers_mut().remove(CONTENT_LENGTH);
        *outgoing.body_mut() = Some(Bytes::from_owner(Sealed(body)).into());
    }
    Ok(outgoing)
}

impl AsRef<[u8]> for Sealed {
    fn as_ref(&self) -> &[u8] {
        self.0.expose_secret()
    }
}
