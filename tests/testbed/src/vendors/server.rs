//! An HTTP/1.1 server, with TLS or without, that gives whole requests to a handler.
//!
//! It knows no vendor. What it adds to a plain server: replies that break HTTP on purpose, and counters.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use super::{
    listener::{Listener, OnConnection},
    message::{Delivery, Raw, Reply, Request},
};

/// Requests larger than this are cut off: no vendor takes a megabyte at a login.
const REQUEST_LIMIT: usize = 1 << 20;

pub(crate) type Answer = Pin<Box<dyn Future<Output = Delivery> + Send>>;

/// Answers requests. The future is dropped when the client goes away before the answer.
pub(crate) trait Handler: Send + Sync + 'static {
    fn handle(self: Arc<Self>, request: Request) -> Answer;
}

/// A server on a port of its own, served until stopped or dropped.
pub(crate) struct Server {
    listener: Listener,
    tls: Arc<Mutex<Option<Arc<ServerConfig>>>>,
    handshakes_failed: Arc<AtomicU64>,
}

impl Server {
    /// Serves `handler` with TLS, or in plain text when `tls` is `None`.
    pub(crate) fn start(
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        handler: Arc<impl Handler>,
    ) -> io::Result<Self> {
        let handshakes_failed = Arc::new(AtomicU64::new(0));
        let tls = Arc::new(Mutex::new(tls));
        let (failed, current) = (Arc::clone(&handshakes_failed), Arc::clone(&tls));
        let on_connection: OnConnection = Arc::new(move |stream, number| {
            let config = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let (handler, failed) = (Arc::clone(&handler), Arc::clone(&failed));
            Box::pin(async move {
                let Some(config) = config else {
                    return serve(stream, Peer { number, certificate: None }, handler).await;
                };
                match TlsAcceptor::from(config).accept(stream).await {
                    Ok(stream) => {
                        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                        let certificate = shown.map(|shown| Bytes::copy_from_slice(shown));
                        serve(stream, Peer { number, certificate }, handler).await;
                    }
                    Err(_) => drop(failed.fetch_add(1, Ordering::Relaxed)),
                }
            })
        });
        Ok(Self { listener: Listener::start_on(address, on_connection)?, tls, handshakes_failed })
    }

    /// Greets in another way from now on. Connections that are open stay.
    pub(crate) fn set_tls(&self, config: Arc<ServerConfig>) {
        *self.tls.lock().unwrap_or_else(PoisonError::into_inner) = Some(config);
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    pub(crate) fn connections_accepted(&self) -> u64 {
        self.listener.accepted()
    }

    /// Clients that went away during the TLS handshake, mostly because they do not trust the certificate.
    pub(crate) fn handshakes_failed(&self) -> u64 {
        self.handshakes_failed.load(Ordering::Relaxed)
    }

    pub(crate) fn stop(&mut self) {
        self.listener.stop();
    }

    pub(crate) fn restart(&mut self) -> io::Result<()> {
        self.listener.restart()
    }
}

/// Who is at the other end of a connection.
struct Peer {
    /// Of the connection, from 1.
    number: u64,
    certificate: Option<Bytes>,
}

async fn serve<S, H>(stream: S, peer: Peer, handler: Arc<H>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let (take_over, mut taken_over) = mpsc::channel::<Raw>(1);
    let peer = Arc::new(peer);
    let service = service_fn(move |request| {
        let (handler, take_over, peer) = (Arc::clone(&handler), take_over.clone(), Arc::clone(&peer));
        async move {
            let delivery = match collect(request, &peer).await {
                Ok(request) => handler.handle(request).await,
                Err(reply) => Delivery::Reply(reply),
            };
            match delivery {
                Delivery::Reply(reply) => Ok::<_, Infallible>(into_response(reply)),
                Delivery::Raw(raw) => {
                    let _ = take_over.send(raw).await;
                    // From here on the connection is no longer the HTTP library's.
                    std::future::pending().await
                }
            }
        }
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let raw = tokio::select! {
        _ = &mut connection => return,
        Some(raw) = taken_over.recv() => raw,
    };
    // An error here is the client going away, which is what these faults are about.
    let _ = write_raw(connection.into_parts().io.into_inner(), raw).await;
}

async fn collect(request: http::Request<Incoming>, peer: &Peer) -> Result<Request, Reply> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, REQUEST_LIMIT)
        .collect()
        .await
        .map_err(|_| Reply::text(413, "the request is too large or was cut off"))?
        .to_bytes();
    Ok(Request {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body,
        connection: peer.number,
        client_certificate: peer.certificate.clone(),
    })
}

fn into_response(reply: Reply) -> http::Response<Full<Bytes>> {
    let mut builder = http::Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        builder = builder.header(name, value);
    }
    builder.body(Full::new(reply.body)).unwrap_or_else(|error| {
        let mut response = http::Response::new(Full::from(format!("the scripted reply is not HTTP: {error}")));
        *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

async fn write_raw(mut stream: impl AsyncWrite + Unpin, raw: Raw) -> io::Result<()> {
    stream.write_all(&raw.fast).await?;
    stream.flush().await?;
    for byte in raw.slow {
        tokio::time::sleep(raw.pace).await;
        stream.write_all(&[byte]).await?;
        stream.flush().await?;
    }
    while !raw.endless.is_empty() {
        stream.write_all(&raw.endless).await?;
        stream.flush().await?;
    }
    drop(raw.until_written);
    Ok(())
}
