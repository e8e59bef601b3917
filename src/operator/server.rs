//! `/metrics`, `/readyz` and `/livez` over HTTP or HTTPS.
//!
//! Reads no request body. A client may be slow, silent or many: each connection serves one request, has a deadline,
//! and is given up for a newer one when there are too many.

mod pages;

use std::{collections::VecDeque, convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub use self::pages::{Health, Pages};
use super::certificate::Certificate;

/// Open connections; the oldest makes room, so that silent clients cannot keep a kubelet's probe out.
const MAX_CONNECTIONS: usize = 64;
/// From a connection's first byte wanted to its last byte sent.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(30);
/// For the request line and headers alone, and for the handshake before them.
const HEADER_DEADLINE: Duration = Duration::from_secs(5);
/// Request line and headers; the smallest that hyper allows.
const MAX_HEADER_BYTES: usize = 8 * 1024;
/// How long open connections may go on after the stop.
const DRAIN: Duration = Duration::from_secs(2);
/// Out of file descriptors, say: accepting at once again would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound address that is not served yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    certificate: Option<Arc<Certificate>>,
}

/// The address could not be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: choose a free address of this machine with --listen or APITOKEN_LISTEN")]
pub struct BindError {
    address: SocketAddr,
    #[source]
    source: io::Error,
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
            Ok(Self { listener, address, certificate: None })
        };
        bound.await.map_err(|source| BindError { address, source })
    }

    /// HTTPS instead of plain HTTP.
    #[must_use]
    pub fn with_certificate(self, certificate: Certificate) -> Self {
        Self { certificate: Some(Arc::new(certificate)), ..self }
    }

    /// The address that was taken, with its real port.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is cancelled and the open connections are done, two seconds later at most.
    pub async fn serve(self, pages: Pages, stop: CancellationToken) {
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
                    open.push_back(connections.spawn(greet(stream, self.certificate.clone(), pages.clone())));
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

/// A client that breaks off or dawdles is nobody's failure: nothing is reported.
async fn greet(stream: TcpStream, certificate: Option<Arc<Certificate>>, pages: Pages) {
    let conversation = async {
        let Some(certificate) = certificate else { return converse(stream, pages).await };
        let handshake = TlsAcceptor::from(certificate.config()).accept(stream);
        if let Ok(Ok(stream)) = timeout(HEADER_DEADLINE, handshake).await {
            converse(stream, pages).await;
        }
    };
    let _ = timeout(CONNECTION_DEADLINE, conversation).await;
}

/// One request, one reply.
async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, pages: Pages) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let pages = pages.clone();
        async move { Ok::<_, Infallible>(pages.answer(&request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .max_buf_size(MAX_HEADER_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    let _ = connection.await;
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
