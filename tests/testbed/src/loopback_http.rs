//! One plain HTTP request to a server on loopback, over a connection of its own.

use std::net::SocketAddr;

use anyhow::Result;
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Status and body of the answer.
///
/// # Errors
/// Nobody listens, or the answer is no HTTP.
pub async fn send(address: SocketAddr, method: Method, path: &str, body: String) -> Result<(u16, String)> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::builder().method(method).uri(path).header(header::HOST, address.to_string());
    let request = request.body(Full::new(Bytes::from(body)))?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let code = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((code, String::from_utf8_lossy(&body).into_owned()))
    };
    // The connection has to be driven meanwhile, and ends with the exchange.
    tokio::select! {
        outcome = exchange => outcome,
        Err(e) = connection => Err(e.into()),
    }
}
