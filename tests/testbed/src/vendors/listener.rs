//! A port with a thread of its own: it accepts, and hands each connection on.
//!
//! The thread has its own runtime, so that a fake outlives the runtime of the `#[tokio::test]` that started it.
//! Nothing here knows TLS or HTTP.

use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use tokio::{
    net::{TcpSocket, TcpStream},
    sync::oneshot,
    task::JoinSet,
};

/// What is done with one connection; the number counts from 1 over the life of the listener.
pub(crate) type OnConnection = Arc<dyn Fn(TcpStream, u64) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Connections that may wait to be accepted: a thousand clients may start at once.
const BACKLOG: u32 = 4096;

/// A free port of 127.0.0.1.
pub(crate) const ANY_LOOPBACK_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A port, on 127.0.0.1 unless asked otherwise, that is served until [`stop`](Self::stop) or drop, and can be served again.
pub(crate) struct Listener {
    address: SocketAddr,
    on_connection: OnConnection,
    accepted: Arc<AtomicU64>,
    running: Option<Running>,
    /// Bound and never listening: while the server is stopped nobody else gets the port, and connects are refused.
    _reserved: TcpSocket,
}

struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Listener {
    /// Takes a free port of 127.0.0.1 and serves it.
    pub(crate) fn start(on_connection: OnConnection) -> io::Result<Self> {
        Self::start_on(ANY_LOOPBACK_PORT, on_connection)
    }

    /// Serves this address; port 0 is a free one.
    pub(crate) fn start_on(address: SocketAddr, on_connection: OnConnection) -> io::Result<Self> {
        let reserved = bind(address)?;
        let mut listener = Self {
            address: reserved.local_addr()?,
            on_connection,
            accepted: Arc::default(),
            running: None,
            _reserved: reserved,
        };
        listener.restart()?;
        Ok(listener)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections accepted since the first start.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Serves the same port again. Does nothing if it is being served.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        if self.running.is_some() {
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _context = runtime.enter();
            bind(self.address)?.listen(BACKLOG)?
        };
        let (stop, stopped) = oneshot::channel();
        let (on_connection, accepted) = (Arc::clone(&self.on_connection), Arc::clone(&self.accepted));
        let thread = std::thread::Builder::new()
            .name(format!("fake-{}", self.address.port()))
            .spawn(move || runtime.block_on(accept(listener, on_connection, accepted, stopped)))?;
        self.running = Some(Running { stop, thread });
        Ok(())
    }

    /// Closes the port and every connection, answered or not, and waits until that is done.
    pub(crate) fn stop(&mut self) {
        let Some(running) = self.running.take() else { return };
        let _ = running.stop.send(());
        let _ = running.thread.join();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop();
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn accept(
    listener: tokio::net::TcpListener,
    on_connection: OnConnection,
    accepted: Arc<AtomicU64>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            Some(_) = connections.join_next() => {}
            incoming = listener.accept() => {
                let Ok((stream, _)) = incoming else { continue };
                // Nagle's algorithm with delayed ACK would make every small answer 40 ms late.
                let _ = stream.set_nodelay(true);
                let number = accepted.fetch_add(1, Ordering::Relaxed) + 1;
                connections.spawn(on_connection(stream, number));
            }
        }
    }
}
