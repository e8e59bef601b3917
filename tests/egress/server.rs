//! A raw server: it reads requests as bytes, remembers them, and answers with whatever a story wants on the wire.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

/// What the server does once it has read a request.
#[derive(Clone)]
pub enum Act {
    /// Writes these bytes and reads the next request.
    Reply(Vec<u8>),
    /// Writes these bytes and closes.
    ReplyAndClose(Vec<u8>),
    /// Writes the first once, and the second again and again as long as somebody reads.
    Flood(Vec<u8>, Vec<u8>),
    /// Writes these bytes one by one, with a pause before each, and then nothing more.
    Drip(Vec<u8>, Duration),
    /// Says nothing and keeps the connection.
    Hang,
    /// The first request of a connection is answered by the first, the second by the second, all others by the last.
    InTurn(Vec<Self>),
}

/// A running server; it ends when it is dropped.
pub struct Server {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    open: watch::Receiver<usize>,
    _connections: JoinSet<()>,
}

struct Shared {
    act: Act,
    tls: Mutex<Option<Arc<ServerConfig>>>,
    accepted: AtomicUsize,
    written: AtomicU64,
    requests: Mutex<Vec<Vec<u8>>>,
    open: watch::Sender<usize>,
}

impl Server {
    pub async fn plain(act: Act) -> Self {
        Self::start(None, act).await
    }

    pub async fn tls(config: Arc<ServerConfig>, act: Act) -> Self {
        Self::start(Some(config), act).await
    }

    async fn start(tls: Option<Arc<ServerConfig>>, act: Act) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (count, open) = watch::channel(0);
        let shared = Arc::new(Shared {
            act,
            tls: Mutex::new(tls),
            accepted: AtomicUsize::new(0),
            written: AtomicU64::new(0),
            requests: Mutex::default(),
            open: count,
        });
        let mut connections = JoinSet::new();
        connections.spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, open, _connections: connections }
    }

    /// Presents another certificate from now on.
    pub fn rotate(&self, config: Arc<ServerConfig>) {
        *self.shared.tls.lock().unwrap() = Some(config);
    }

    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Bytes that the network took, over all connections.
    pub fn written(&self) -> u64 {
        self.shared.written.load(Ordering::SeqCst)
    }

    /// Heads and bodies as they came.
    pub fn requests(&self) -> Vec<String> {
        let requests = self.shared.requests.lock().unwrap();
        requests.iter().map(|request| String::from_utf8_lossy(request).into_owned()).collect()
    }

    /// Waits until the number of open connections is as wanted.
    pub async fn open_connections(&self, wanted: impl FnMut(&usize) -> bool) -> usize {
        *self.open.clone().wait_for(wanted).await.unwrap()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        shared.accepted.fetch_add(1, Ordering::SeqCst);
        shared.open.send_modify(|open| *open += 1);
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            // How a connection ends is the client's business here.
            let _ended = connection(stream, &shared).await;
            shared.open.send_modify(|open| *open -= 1);
        });
    }
}

async fn connection(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let tls = shared.tls.lock().unwrap().clone();
    match tls {
        None => serve(stream, shared).await,
        Some(config) => serve(TlsAcceptor::from(config).accept(stream).await?, shared).await,
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared) -> io::Result<()> {
    for number in 0.. {
        let request = read_request(&mut stream).await?;
        shared.requests.lock().unwrap().push(request);
        let act = match &shared.act {
            Act::InTurn(acts) => &acts[number.min(acts.len() - 1)],
            act => act,
        };
        match act {
            Act::Reply(bytes) => write(&mut stream, bytes, shared).await?,
            Act::ReplyAndClose(bytes) => {
                write(&mut stream, bytes, shared).await?;
                return stream.shutdown().await;
            }
            Act::Flood(once, again) => {
                write(&mut stream, once, shared).await?;
                loop {
                    write(&mut stream, again, shared).await?;
                }
            }
            Act::Drip(bytes, pause) => {
                for byte in bytes {
                    tokio::time::sleep(*pause).await;
                    write(&mut stream, &[*byte], shared).await?;
                }
                return until_closed(&mut stream).await;
            }
            Act::Hang => return until_closed(&mut stream).await,
            Act::InTurn(_) => unreachable!("one level is enough"),
        }
    }
    Ok(())
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8], shared: &Shared) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await?;
    shared.written.fetch_add(bytes.len() as u64, Ordering::SeqCst);
    Ok(())
}

async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    while stream.read(&mut [0; 1024]).await? > 0 {}
    Ok(())
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&request).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(0, |length| length.trim().parse().expect("the client counts its own body"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    request.extend(body);
    Ok(request)
}
