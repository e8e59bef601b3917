//! A server of no vendor: it gives the replies it was told, in their order, and remembers what it was asked.
//!
//! For documented replies of APIs that have no fake of their own. It judges no request; tests do.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    fake::StartError,
    listener::ANY_LOOPBACK_PORT,
    message::Delivery,
    server::{Answer, Handler, Server},
};
use crate::ca::TestCa;

pub use super::message::{Reply, Request};

/// A running server. It stops when it is dropped.
pub struct Scripted {
    desk: Arc<Desk>,
    scheme: &'static str,
    server: Server,
}

#[derive(Default)]
struct Desk {
    replies: Mutex<VecDeque<Reply>>,
    requests: Mutex<Vec<Request>>,
}

impl Scripted {
    /// Plain HTTP on a free port of 127.0.0.1.
    pub fn start_plain(replies: impl IntoIterator<Item = Reply>) -> Result<Self, StartError> {
        let desk = Desk::with(replies);
        let server = Server::start(ANY_LOOPBACK_PORT, None, Arc::clone(&desk))?;
        Ok(Self { desk, scheme: "http", server })
    }

    /// HTTPS, with a certificate of `ca` for loopback.
    pub fn start(ca: &TestCa, replies: impl IntoIterator<Item = Reply>) -> Result<Self, StartError> {
        let desk = Desk::with(replies);
        let server = Server::start(ANY_LOOPBACK_PORT, Some(ca.issue(&[])?.server_config()?), Arc::clone(&desk))?;
        Ok(Self { desk, scheme: "https", server })
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Scheme, address and port.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.address())
    }

    /// All that it was asked, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.desk.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Desk {
    fn with(replies: impl IntoIterator<Item = Reply>) -> Arc<Self> {
        let replies = Mutex::new(replies.into_iter().collect());
        Arc::new(Self { replies, requests: Mutex::default() })
    }
}

impl Handler for Desk {
    fn handle(self: Arc<Self>, request: Request) -> Answer {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        let reply = self.replies.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let reply = reply.unwrap_or_else(|| Reply::text(500, "nothing more was scripted"));
        Box::pin(std::future::ready(Delivery::Reply(reply)))
    }
}
