//! What the stories share: a request full of canaries, and ways to send it.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use apitoken_operator::{
    operator::{
        address::{AddressPolicy, Tenancy},
        egress::{Cause, Egress, EgressConfig, Lookup, Unanswered},
        tls::{CaBundle, TlsMaterial},
    },
    provider::{interpret::Reply, render::Request},
};
use futures::future::BoxFuture;
use http::{HeaderName, Method};
use jiff::Timestamp;
use testbed::ca::TestCa;

/// Stands in everything of a request that must never be shown.
pub const CANARY: &str = "canary0f5e";

/// Longer than any story that is not about time.
pub const PATIENT: Duration = Duration::from_secs(60);
/// For stories in which the deadline is what ends it.
pub const BRIEF: Duration = Duration::from_secs(1);

/// A POST to `base` (scheme, host, port) with a canary in its path, query, header and body.
pub fn request(base: &str) -> Request {
    Request {
        method: Method::POST,
        url: format!("{base}/login/{CANARY}?key={CANARY}").into(),
        headers: vec![
            (HeaderName::from_static("x-api-key"), CANARY.into()),
            (HeaderName::from_static("accept"), "application/json".into()),
        ],
        body: Some(format!(r#"{{"password":"{CANARY}"}}"#).into_bytes().into()),
    }
}

/// Egress that may reach loopback, as a test must.
pub fn egress() -> Egress {
    Egress::new(on_loopback()).unwrap()
}

pub fn on_loopback() -> EgressConfig {
    let addresses = AddressPolicy { allow: vec!["127.0.0.0/8".parse().unwrap()], ..AddressPolicy::default() };
    EgressConfig { addresses, ..EgressConfig::default() }
}

pub fn plain_http() -> TlsMaterial {
    TlsMaterial { insecure_http: true, ..TlsMaterial::default() }
}

pub fn trusting(ca: &TestCa) -> TlsMaterial {
    TlsMaterial { ca_bundle: Some(CaBundle::parse(&ca.pem(), "test").unwrap()), ..TlsMaterial::default() }
}

/// Sends a [`request`] to `base`, and holds of every failure that nothing of the request can be read in it.
pub async fn send(egress: &Egress, base: &str, tls: &TlsMaterial, timeout: Duration) -> Result<Reply, Unanswered> {
    let sent = egress.send(request(base), tls, Tenancy::Cluster, timeout, Timestamp::now).await;
    if let Err(error) = &sent {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(CANARY) && !shown.contains("login"), "leaks: {shown}");
        assert!(std::error::Error::source(error).is_none_or(|source| !source.to_string().contains(CANARY)));
    }
    sent
}

/// Sends over plain http to a server on loopback.
pub async fn send_plain(server: &crate::server::Server, timeout: Duration) -> Result<Reply, Unanswered> {
    send(&egress(), &format!("http://{}", server.address), &plain_http(), timeout).await
}

/// The cause of a failure; fails the test if there was a reply.
pub fn cause(sent: Result<Reply, Unanswered>) -> Cause {
    match sent {
        Ok(reply) => panic!("there was a reply with status {}", reply.status),
        Err(error) => error.cause,
    }
}

/// A resolver that knows what a story tells it: for each name the answers, one after the other, the last for ever.
#[derive(Default)]
pub struct Names {
    answers: HashMap<String, Vec<Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl Names {
    pub fn with(mut self, name: &str, answers: &[&[&str]]) -> Self {
        let parsed = answers.iter().map(|answer| answer.iter().map(|ip| ip.parse().unwrap()).collect());
        self.answers.insert(name.to_owned(), parsed.collect());
        self
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub fn egress(self: &Arc<Self>, config: EgressConfig) -> Egress {
        Egress::with_lookup(config, Arc::clone(self) as Arc<dyn Lookup>).unwrap()
    }
}

impl Lookup for Names {
    fn lookup(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let mut asked = self.asked.lock().unwrap();
        let before = asked.iter().filter(|earlier| *earlier == name).count();
        asked.push(name.to_owned());
        let answer = self.answers.get(name).map(|answers| answers[before.min(answers.len() - 1)].clone());
        Box::pin(std::future::ready(answer.ok_or_else(|| io::Error::other("no such name"))))
    }
}
