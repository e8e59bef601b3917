//! What stands before a real server, as a reverse proxy does: it ends TLS, passes requests on, and keeps a record.
//!
//! It changes nothing of what is said; one answer can be lost on its way, when a test asks for that.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use jiff::Timestamp;
use reqwest::{Client, Url};
use serde_json::Value;

use super::wire;
use crate::{
    ca::TestCa,
    eventually::await_until,
    vendors::{
        listener::ANY_LOOPBACK_PORT,
        message::{Delivery, Raw, Reply, Request},
        server::{Answer, Handler, Server},
    },
};

/// Headers that belong to one connection, or are made anew for the next.
const OF_ONE_CONNECTION: [&str; 4] = ["host", "connection", "content-length", "transfer-encoding"];

/// A running front. It stops when it is dropped.
pub struct Front {
    relay: Arc<Relay>,
    server: Server,
}

/// A request that was passed on, and what came back.
#[derive(Clone, Debug)]
pub struct Passed {
    pub at: Timestamp,
    pub path: String,
    /// The fields of a form, decoded; empty if the body is none.
    pub form: BTreeMap<String, String>,
    /// `None`: the server did not answer.
    pub status: Option<u16>,
    /// The reply where it is JSON.
    pub reply: Value,
}

struct Relay {
    upstream: String,
    client: Client,
    passed: Mutex<Vec<Passed>>,
    lose_next: AtomicBool,
}

impl Front {
    /// HTTPS on a free port of 127.0.0.1, before a server that speaks plain HTTP at `upstream`.
    ///
    /// # Errors
    /// No certificate, or no port.
    pub fn start(ca: &TestCa, upstream: SocketAddr) -> Result<Self> {
        let relay = Arc::new(Relay {
            upstream: format!("http://{upstream}"),
            client: wire::client()?,
            passed: Mutex::default(),
            lose_next: AtomicBool::new(false),
        });
        let server = Server::start(ANY_LOOPBACK_PORT, Some(ca.issue(&[])?.server_config()?), Arc::clone(&relay))?;
        Ok(Self { relay, server })
    }

    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}", self.server.address())
    }

    /// Every request so far, in the order of the answers.
    pub fn passed(&self) -> Vec<Passed> {
        self.relay.passed().clone()
    }

    /// The next request reaches the server, and its answer never comes back.
    pub fn lose_next_answer(&self) {
        self.relay.lose_next.store(true, Ordering::SeqCst);
    }

    /// Waits until the requests so far are as they should be, and returns them.
    pub async fn wait_for(&self, what: &str, patience: Duration, holds: impl Fn(&[Passed]) -> bool) -> Vec<Passed> {
        await_until(what, patience, async || {
            let passed = self.passed();
            let told = || passed.iter().map(|one| format!("{} {:?}", one.path, one.status)).collect::<Vec<_>>();
            if holds(&passed) { Ok(passed) } else { Err(format!("{:?}", told())) }
        })
        .await
    }
}

impl Passed {
    /// The server said yes.
    pub fn is_good(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// The text at this member of the reply; `""` if there is none.
    pub fn text(&self, member: &str) -> &str {
        self.reply[member].as_str().unwrap_or_default()
    }
}

impl Relay {
    fn passed(&self) -> MutexGuard<'_, Vec<Passed>> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, request: &Request) -> reqwest::Result<Reply> {
        let query = request.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let url = format!("{}{}{query}", self.upstream, request.path);
        let mut asked = self.client.request(request.method.clone(), url);
        for (name, value) in &request.headers {
            if !OF_ONE_CONNECTION.contains(&name.as_str()) {
                asked = asked.header(name, value);
            }
        }
        let response = asked.header("x-forwarded-proto", "https").body(request.body.clone()).send().await?;
        let status = response.status().as_u16();
        let kept = response.headers().iter().filter(|(name, _)| !OF_ONE_CONNECTION.contains(&name.as_str()));
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = kept.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        Ok(Reply { status, headers, body: response.bytes().await? })
    }
}

impl Handler for Relay {
    fn handle(self: Arc<Self>, request: Request) -> Answer {
        Box::pin(async move {
            let reply = self.ask(&request).await.ok();
            let status = reply.as_ref().map(|reply| reply.status);
            let json = reply.as_ref().and_then(|reply| serde_json::from_slice(&reply.body).ok());
            let (path, form) = (request.path.clone(), fields(&request));
            let passed = Passed { at: Timestamp::now(), path, form, status, reply: json.unwrap_or_default() };
            self.passed().push(passed);
            if self.lose_next.swap(false, Ordering::SeqCst) {
                return Delivery::Raw(Raw::then_close(None, ""));
            }
            Delivery::Reply(reply.unwrap_or_else(|| Reply::text(502, "the server does not answer")))
        })
    }
}

/// The fields of a form; none if it is something else.
fn fields(request: &Request) -> BTreeMap<String, String> {
    let is_form = request.header("content-type").is_some_and(|kind| kind.contains("x-www-form-urlencoded"));
    let body = String::from_utf8_lossy(&request.body);
    let carrier = Url::parse(&format!("http://form?{body}")).ok().filter(|_| is_form);
    carrier.map(|carrier| carrier.query_pairs().into_owned().collect()).unwrap_or_default()
}
