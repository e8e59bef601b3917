//! A server that nothing should ever reach: where redirects of the fakes point.

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    fake::StartError,
    listener::ANY_LOOPBACK_PORT,
    message::{Delivery, Reply, Request},
    server::{Answer, Handler, Server},
};
use crate::ca::TestCa;

/// A running trap; it answers everything with a token-like reply and remembers it.
pub struct Trap {
    arrivals: Arc<Arrivals>,
    server: Server,
}

#[derive(Default)]
struct Arrivals(Mutex<Vec<String>>);

impl Trap {
    /// HTTPS on a free port of 127.0.0.1.
    pub fn start(ca: &TestCa) -> Result<Self, StartError> {
        let arrivals = Arc::new(Arrivals::default());
        let server = Server::start(ANY_LOOPBACK_PORT, Some(ca.issue(&[])?.server_config()?), Arc::clone(&arrivals))?;
        Ok(Self { arrivals, server })
    }

    pub fn url(&self) -> String {
        format!("https://{}/trap", self.server.address())
    }

    /// Method and path of every request that came.
    pub fn arrivals(&self) -> Vec<String> {
        self.arrivals.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Connections, also those on which nothing was asked.
    pub fn connections_accepted(&self) -> u64 {
        self.server.connections_accepted()
    }
}

impl Handler for Arrivals {
    fn handle(self: Arc<Self>, request: Request) -> Answer {
        let arrival = format!("{} {}", request.method, request.path);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
        let reply = Reply::json(200, &serde_json::json!({"Authorization": "trap", "access_token": "trap"}));
        Box::pin(std::future::ready(Delivery::Reply(reply)))
    }
}
