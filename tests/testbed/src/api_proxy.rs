//! A reverse proxy on loopback between a client and the API server: requests can be held, answers replaced, connections
//! reset, watches frozen or robbed of events, and the whole way closed.
//!
//! What no rule meets passes as it is: bodies are streamed, the client's own credentials are kept. It judges nothing.

mod events;
mod rules;

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, BodyStream, StreamBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use reqwest::{Certificate, Client};
use serde_json::Value;
use tokio::{net::TcpStream, sync::watch};

pub use self::{
    events::Skip,
    rules::{Answer, ApiRequest, Rule, When},
};
use self::{
    events::{Lines, Skips},
    rules::{Act, Body, Reset, Rules},
};
use crate::{
    control_plane::ControlPlane,
    users::User,
    vendors::listener::{Listener, OnConnection},
};

/// Of one connection only (RFC 9110, 7.6.1), or made anew by the next hop.
const HOP_BY_HOP: [header::HeaderName; 4] =
    [header::CONNECTION, header::TRANSFER_ENCODING, header::HOST, header::UPGRADE];

/// A running proxy. It stops when it is dropped, and closes all connections.
pub struct ApiProxy {
    listener: Mutex<Listener>,
    shared: Arc<Shared>,
    /// Of the users of the control plane, to be led through the proxy.
    kubeconfigs: PathBuf,
}

/// While it lives, the watches that were open when it began bring nothing and do not end; later ones do.
pub struct Frost(Arc<Shared>);

struct Shared {
    upstream: String,
    client: Client,
    /// Watches so far, and up to which of them nothing comes through.
    watches: AtomicU64,
    frozen: watch::Sender<u64>,
    rules: Arc<Rules>,
    skips: Arc<Skips>,
}

// === impl ApiProxy ===

impl ApiProxy {
    /// A proxy before the API server of this control plane, with no rules yet.
    ///
    /// # Errors
    /// No port is free, or the control plane's files cannot be read.
    pub fn start(cluster: &ControlPlane) -> Result<Self> {
        let authority = fs::read(cluster.ca_path()).context("the control plane's CA")?;
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .tls_certs_only([Certificate::from_pem(&authority)?])
            .build()?;
        let shared = Arc::new(Shared {
            upstream: cluster.url(),
            client,
            watches: AtomicU64::new(0),
            frozen: watch::Sender::new(0),
            rules: Arc::default(),
            skips: Arc::default(),
        });
        let serving = Arc::clone(&shared);
        let on_connection: OnConnection = Arc::new(move |stream, _| Box::pin(serve(stream, Arc::clone(&serving))));
        let listener = Mutex::new(Listener::start(on_connection)?);
        Ok(Self { listener, shared, kubeconfigs: cluster.dir().to_owned() })
    }

    /// Where it listens: plain HTTP on loopback.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    fn address(&self) -> std::net::SocketAddr {
        self.listener().address()
    }

    fn listener(&self) -> MutexGuard<'_, Listener> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the port and all connections, watches too: the API server cannot be reached.
    pub fn stop(&self) {
        self.listener().stop();
    }

    /// Serves the same port again.
    ///
    /// # Errors
    /// The port cannot be served.
    pub fn restart(&self) -> Result<()> {
        Ok(self.listener().restart()?)
    }

    /// What open watches would bring from now on stays on its way, as behind a firewall that forgot the connection: they
    /// bring nothing and do not end.
    #[must_use]
    pub fn freeze_watches(&self) -> Frost {
        self.shared.frozen.send_replace(self.shared.watches.load(Ordering::SeqCst));
        Frost(Arc::clone(&self.shared))
    }

    /// The kubeconfig of a user who logs in with a token, led through the proxy.
    ///
    /// # Errors
    /// The user logs in with a certificate, which a proxy cannot pass on.
    pub fn kubeconfig(&self, cluster: &ControlPlane, user: &User) -> Result<PathBuf> {
        let mut config: Value = serde_json::from_slice(&fs::read(cluster.kubeconfig(user)?)?)?;
        ensure!(config.pointer("/users/0/user/token").is_some(), "{} logs in with a certificate", user.name());
        let Some(server) = config.pointer_mut("/clusters/0/cluster") else { bail!("a kubeconfig without a cluster") };
        *server = serde_json::json!({ "server": self.url() });
        let name = format!("{}-by-{}.kubeconfig", user.name(), self.address().port());
        let path = self.kubeconfigs.join(name);
        fs::write(&path, serde_json::to_vec(&config)?)?;
        Ok(path)
    }

    /// Holds what matches, before or after the API server has seen it.
    pub fn hold(&self, when: When, matches: impl Fn(&ApiRequest) -> bool + Send + Sync + 'static) -> Rule {
        self.shared.rules.add(when, Box::new(matches), Act::Hold)
    }

    /// From now on watches bring none of the events that match, and go on.
    pub fn skip_events(&self, matches: impl Fn(&Value) -> bool + Send + Sync + 'static) -> Skip {
        self.shared.skips.add(Box::new(matches))
    }

    /// Records what matches, whatever else becomes of it.
    pub fn record(&self, matches: impl Fn(&ApiRequest) -> bool + Send + Sync + 'static) -> Rule {
        self.shared.rules.add(When::Before, Box::new(matches), Act::Record)
    }

    /// Answers what matches; `When::After`, the API server does its part and its own answer is lost.
    pub fn answer(
        &self,
        when: When,
        matches: impl Fn(&ApiRequest) -> bool + Send + Sync + 'static,
        answer: Answer,
    ) -> Rule {
        self.shared.rules.add(when, Box::new(matches), Act::Answer(answer))
    }
}

impl Drop for Frost {
    fn drop(&mut self) {
        self.0.frozen.send_replace(0);
    }
}

// === impl Shared ===

impl Shared {
    async fn exchange(&self, request: Request<Incoming>) -> Result<Response<Body>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let seen = ApiRequest::new(&parts, &body);
        if let Some(instead) = self.rules.meet(When::Before, &seen).await? {
            return Ok(instead);
        }
        let answer = self.forward(parts, body).await?;
        if let Some(instead) = self.rules.meet(When::After, &seen).await? {
            return Ok(instead);
        }
        Ok(answer)
    }

    /// The answer as soon as its head is there; a watch's body goes on for long.
    async fn forward(&self, parts: Parts, body: Bytes) -> Result<Response<Body>> {
        let url = format!("{}{}", self.upstream, parts.uri);
        let is_watch = parts.uri.query().is_some_and(|query| query.contains("watch="));
        let request = self.client.request(parts.method, url).headers(end_to_end(parts.headers)).body(body);
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return bad_gateway(&error),
        };
        let (mut parts, body) = Response::<reqwest::Body>::from(answer).into_parts();
        parts.headers = end_to_end(parts.headers);
        if !is_watch {
            return Ok(Response::from_parts(parts, body.map_err(anyhow::Error::from).boxed_unsync()));
        }
        let (number, frozen) = (self.watches.fetch_add(1, Ordering::SeqCst) + 1, self.frozen.subscribe());
        let thawed = move || {
            let mut frozen = frozen.clone();
            async move { frozen.wait_for(|frozen| *frozen < number).await.map(drop).map_err(anyhow::Error::from) }
        };
        let end = stream::once(thawed()).filter_map(|_| std::future::ready(None));
        let (mut lines, skips) = (Lines::default(), Arc::clone(&self.skips));
        let frames = BodyStream::new(body).then(move |frame| {
            let thawed = thawed();
            let frame = frame.map(|frame| frame.map_data(|data| lines.take(&data, &skips)));
            async move { thawed.await.and(frame.map_err(anyhow::Error::from)) }
        });
        let frames = frames.chain(end);
        Ok(Response::from_parts(parts, StreamBody::new(frames).boxed_unsync()))
    }
}

fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    headers
}

fn bad_gateway(error: &reqwest::Error) -> Result<Response<Body>> {
    let status = StatusCode::BAD_GATEWAY.as_u16();
    let body = format!("the API server does not answer: {error}");
    Answer { status, content_type: "text/plain", retry_after: None, body }.response()
}

/// An error ends the connection: the client sees it closed, as it would if the server had died.
async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let reset = AtomicBool::new(false);
    let service = service_fn(|request| async {
        let answer = shared.exchange(request).await;
        answer.inspect_err(|error| reset.store(error.is::<Reset>(), Ordering::SeqCst))
    });
    // A client that goes away while its request is held takes the request with it: it is never forwarded.
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let _ = (&mut connection).await;
    if reset.load(Ordering::SeqCst) {
        let _ = connection.into_parts().io.inner().set_zero_linger();
    }
}
