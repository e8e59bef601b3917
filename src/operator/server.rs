//! `/metrics`, `/readyz` and `/livez` over plain HTTP.
//!
//! Answers from memory, reads no request body and knows nothing secret. A client may be slow, silent or many: each
//! connection serves one request, has a deadline, and is given up for a newer one when there are too many.

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::metrics::{CONTENT_TYPE, Metrics};

/// Open connections; the oldest makes room, so that silent clients cannot keep a kubelet's probe out.
const MAX_CONNECTIONS: usize = 64;
/// From a connection's first byte wanted to its last byte sent.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(30);
/// For the request line and headers alone.
const HEADER_DEADLINE: Duration = Duration::from_secs(5);
/// Request line and headers; the smallest that hyper allows.
const MAX_HEADER_BYTES: usize = 8 * 1024;
/// How long open connections may go on after the stop.
const DRAIN: Duration = Duration::from_secs(2);
/// Out of file descriptors, say: accepting at once again would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What `/readyz` and `/livez` answer.
pub struct Health {
    ready: Mutex<Result<(), String>>,
    alive: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
}

/// A bound address that is not served yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

/// The address could not be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: choose a free address of this machine with --listen or APITOKEN_LISTEN")]
pub struct BindError {
    address: SocketAddr,
    #[source]
    source: io::Error,
}

/// What one connection needs to answer.
#[derive(Clone)]
struct Pages {
    metrics: Arc<Metrics>,
    health: Arc<Health>,
}

impl Health {
    /// Not ready yet. `alive` is asked at each `/livez`; its error says what stands still.
    pub fn new(alive: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { ready: Mutex::new(Err("starting".to_owned())), alive: Box::new(alive) })
    }

    /// Whether the operator does its work; `why` says what it waits for when it does not.
    pub fn set_ready(&self, ready: bool, why: impl Into<String>) {
        let state = if ready { Ok(()) } else { Err(why.into()) };
        *self.ready.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// # Errors
    /// What the operator waits for.
    pub fn ready(&self) -> Result<(), String> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// # Errors
    /// What stands still, and only a restart would move.
    pub fn alive(&self) -> Result<(), String> {
        (self.alive)()
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("ready", &self.ready()).finish_non_exhaustive()
    }
}

impl Server {
    /// Takes the address; port 0 takes any free one.
    ///
    /// # Errors
    /// If the address is taken, not this machine's, or not allowed to this user.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let bound = async {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        };
        bound.await.map_err(|source| BindError { address, source })
    }

    /// The address that was taken, with its real port.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is cancelled and the open connections are done, two seconds later at most.
    pub async fn serve(self, metrics: Arc<Metrics>, health: Arc<Health>, stop: CancellationToken) {
        let pages = Pages { metrics, health };
        let mut connections = JoinSet::new();
        let mut open = VecDeque::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = stop.cancelled() => break,
            };
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _)) => {
                    make_room(&mut open);
                    open.push_back(connections.spawn(converse(stream, pages.clone())));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections on {}", self.address);
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        // Whoever is left after that is aborted when the set is dropped.
        let _ = timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
    }
}

fn make_room(open: &mut VecDeque<AbortHandle>) {
    if open.len() >= MAX_CONNECTIONS {
        open.retain(|connection| !connection.is_finished());
    }
    if open.len() >= MAX_CONNECTIONS
        && let Some(oldest) = open.pop_front()
    {
        oldest.abort();
    }
}

/// One request, one reply. A client that breaks off or dawdles is nobody's failure: nothing is reported.
async fn converse(stream: TcpStream, pages: Pages) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let response = pages.answer(request.method(), request.uri().path());
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .max_buf_size(MAX_HEADER_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    let _ = timeout(CONNECTION_DEADLINE, connection).await;
}

impl Pages {
    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if method != Method::GET && method != Method::HEAD {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match path {
            "/metrics" => page(StatusCode::OK, CONTENT_TYPE, self.metrics.encode()),
            "/readyz" => verdict(self.health.ready(), "not ready"),
            "/livez" => verdict(self.health.alive(), "not alive"),
            "/" => plain(StatusCode::OK, "apitoken-operator: /metrics, /readyz, /livez\n"),
            _ => plain(StatusCode::NOT_FOUND, "not found: there are /metrics, /readyz, /livez\n"),
        }
    }
}

fn verdict(state: Result<(), String>, otherwise: &str) -> Response<Full<Bytes>> {
    match state {
        Ok(()) => plain(StatusCode::OK, "ok\n"),
        Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{otherwise}: {why}\n")),
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    page(status, "text/plain; charset=utf-8", text)
}

fn page(status: StatusCode, media_type: &'static str, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media_type));
    response
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn the_oldest_connection_makes_room_for_a_new_one_and_only_when_there_is_none() {
        let mut connections = JoinSet::new();
        let mut open: VecDeque<_> = (0..MAX_CONNECTIONS).map(|_| connections.spawn(pending::<()>())).collect();
        let oldest = open[0].id();
        make_room(&mut open);
        let given_up = connections.join_next_with_id().await.expect("a task").expect_err("was aborted");
        assert!(given_up.is_cancelled() && given_up.id() == oldest);
        assert_eq!(open.len(), MAX_CONNECTIONS - 1);
        make_room(&mut open);
        assert_eq!(open.len(), MAX_CONNECTIONS - 1);
    }

    #[tokio::test]
    async fn a_connection_that_is_done_makes_room_before_one_that_is_not() {
        let mut connections = JoinSet::new();
        let mut open: VecDeque<_> = (1..MAX_CONNECTIONS).map(|_| connections.spawn(pending::<()>())).collect();
        open.push_back(connections.spawn(async {}));
        connections.join_next().await.expect("a task").expect("ends well");
        make_room(&mut open);
        assert!(open.len() == MAX_CONNECTIONS - 1 && open.iter().all(|connection| !connection.is_finished()));
    }
}
