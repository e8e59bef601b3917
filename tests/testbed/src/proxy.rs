//! An HTTP CONNECT proxy on loopback (RFC 9110, 9.3.6) that leads the vendors' own host names to their fakes.
//!
//! It resolves nothing: a target that is not in its table is refused, so no test can reach the network through it.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::vendors::listener::{Listener, OnConnection};

/// A request head longer than this is no CONNECT.
const HEAD_LIMIT: usize = 8 << 10;

/// A running proxy. It stops when it is dropped.
pub struct ConnectProxy {
    table: Arc<Table>,
    listener: Listener,
}

#[derive(Default)]
struct Table {
    routes: Mutex<HashMap<String, SocketAddr>>,
    asked: Mutex<Vec<Asked>>,
}

/// What the proxy was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `CONNECT`, or another method that was refused.
    pub method: String,
    /// Host and port as the client wrote them.
    pub target: String,
    pub allowed: bool,
}

impl ConnectProxy {
    /// A proxy that knows these targets (`host:port`) and no others.
    pub fn start<'a>(routes: impl IntoIterator<Item = (&'a str, SocketAddr)>) -> io::Result<Self> {
        let table = Arc::new(Table::default());
        let shared = Arc::clone(&table);
        let on_connection: OnConnection = Arc::new(move |stream, _| {
            let table = Arc::clone(&shared);
            Box::pin(async move { drop(serve(stream, &table).await) })
        });
        let proxy = Self { table, listener: Listener::start(on_connection)? };
        for (target, address) in routes {
            proxy.route(target, address);
        }
        Ok(proxy)
    }

    /// Leads a target (`host:port`) to a fake from now on.
    pub fn route(&self, target: &str, address: SocketAddr) {
        lock(&self.table.routes).insert(target.to_owned(), address);
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.listener.address())
    }

    /// Everything that was asked, in order.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.table.asked).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(mut client: TcpStream, table: &Table) -> io::Result<()> {
    let head = read_head(&mut client).await?;
    let mut words = head.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let address = lock(&table.routes).get(target).copied().filter(|_| method == "CONNECT");
    let asked = Asked { method: method.to_owned(), target: target.to_owned(), allowed: address.is_some() };
    lock(&table.asked).push(asked);
    let Some(address) = address else {
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    };
    let Ok(mut server) = TcpStream::connect(address).await else {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    };
    server.set_nodelay(true)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// Byte by byte, so that nothing of the tunnel's first bytes is swallowed.
async fn read_head(client: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_LIMIT {
            return Err(io::Error::other("the head does not end"));
        }
        head.push(client.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
