//! Rules of the proxy: which requests are met, and what becomes of them.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Method, Response, header, request::Parts};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use tokio::sync::watch;

pub(super) type Body = UnsyncBoxBody<Bytes, anyhow::Error>;
pub(super) type Matches = Box<dyn Fn(&ApiRequest) -> bool + Send + Sync>;

/// A request as rules and tests see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiRequest {
    pub method: Method,
    /// Without the query.
    pub path: String,
    pub query: String,
    pub body: String,
}

/// Where in an exchange a rule takes hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The API server does not know of the request.
    Before,
    /// The API server has done what it was asked for; the client does not know.
    After,
}

/// Said to the client in place of the API server's answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    /// Seconds.
    pub retry_after: Option<u32>,
    pub body: String,
}

/// Meets every request that it matches, until it is dropped. Of several that match, the newest does; one that only
/// records meets them besides.
///
/// What is still held when it is dropped is never answered: its connection is closed.
pub struct Rule {
    rules: Arc<Rules>,
    ruling: Arc<Ruling>,
}

/// The rules that hold now, oldest first.
#[derive(Default)]
pub(super) struct Rules(Mutex<Vec<Arc<Ruling>>>);

pub(super) struct Ruling {
    when: When,
    matches: Matches,
    act: Act,
    met: watch::Sender<Vec<ApiRequest>>,
    fate: watch::Sender<Fate>,
}

/// What becomes of a request that meets a rule.
pub(super) enum Act {
    Record,
    Hold,
    Answer(Answer),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Held,
    Released,
    Closed,
    Reset,
}

/// The client is to see its connection reset, as by a firewall that knows it no more.
#[derive(Debug, thiserror::Error)]
#[error("reset")]
pub(super) struct Reset;

// === impl Rules ===

impl Rules {
    /// A rule that holds from now on.
    pub(super) fn add(self: &Arc<Self>, when: When, matches: Matches, act: Act) -> Rule {
        let (met, fate) = (watch::Sender::default(), watch::Sender::new(Fate::Held));
        let ruling = Arc::new(Ruling { when, matches, act, met, fate });
        self.lock().push(Arc::clone(&ruling));
        Rule { rules: Arc::clone(self), ruling }
    }

    /// What is said instead of the API server's answer, if anything is.
    pub(super) async fn meet(&self, when: When, request: &ApiRequest) -> Result<Option<Response<Body>>> {
        let matching = |ruling: &&Arc<Ruling>| ruling.when == when && (ruling.matches)(request);
        let (recorders, mut others): (Vec<_>, Vec<_>) =
            self.lock().iter().filter(matching).cloned().partition(|ruling| matches!(ruling.act, Act::Record));
        for ruling in recorders.into_iter().chain(others.pop()) {
            if let Some(instead) = ruling.meet(request).await? {
                return Ok(Some(instead));
            }
        }
        Ok(None)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Ruling>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Rule ===

impl Rule {
    /// The requests that it has met, in order.
    #[must_use]
    pub fn met(&self) -> Vec<ApiRequest> {
        self.ruling.met.borrow().clone()
    }

    /// Waits until it has met a request, and returns the first.
    ///
    /// # Errors
    /// Time is up.
    pub async fn first(&self, timeout: Duration) -> Result<ApiRequest> {
        let mut met = self.ruling.met.subscribe();
        let first = met.wait_for(|met| !met.is_empty());
        let met = tokio::time::timeout(timeout, first).await.context("no request has met the rule")??;
        met.first().cloned().context("no request has met the rule")
    }

    /// Lets go on what is held, and holds no more.
    pub fn release(self) {
        self.ruling.fate.send_replace(Fate::Released);
    }

    /// Resets the connections of what is held (TCP RST), and holds no more.
    pub fn reset(self) {
        self.ruling.fate.send_replace(Fate::Reset);
    }
}

impl Drop for Rule {
    fn drop(&mut self) {
        self.rules.lock().retain(|ruling| !Arc::ptr_eq(ruling, &self.ruling));
        if *self.ruling.fate.borrow() == Fate::Held {
            self.ruling.fate.send_replace(Fate::Closed);
        }
    }
}

// === impl Ruling ===

impl Ruling {
    async fn meet(&self, request: &ApiRequest) -> Result<Option<Response<Body>>> {
        self.met.send_modify(|met| met.push(request.clone()));
        match &self.act {
            Act::Record => return Ok(None),
            Act::Answer(answer) => return answer.response().map(Some),
            Act::Hold => {}
        }
        let mut fate = self.fate.subscribe();
        let fate = *fate.wait_for(|fate| *fate != Fate::Held).await?;
        ensure!(fate != Fate::Reset, Reset);
        ensure!(fate == Fate::Released, "given up");
        Ok(None)
    }
}

impl Answer {
    pub(super) fn response(&self) -> Result<Response<Body>> {
        let body = Full::from(self.body.clone()).map_err(anyhow::Error::from).boxed_unsync();
        let mut response = Response::builder().status(self.status).header(header::CONTENT_TYPE, self.content_type);
        if let Some(seconds) = self.retry_after {
            response = response.header(header::RETRY_AFTER, seconds);
        }
        Ok(response.body(body)?)
    }

    /// A `Status`, as the API server itself refuses: `reason` is one word, such as `Forbidden`.
    #[must_use]
    pub fn refusal(status: u16, reason: &str, message: &str) -> Self {
        let body = serde_json::json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": status,
            "reason": reason, "message": message,
        });
        Self { status, content_type: "application/json", retry_after: None, body: body.to_string() }
    }
}

impl ApiRequest {
    pub(super) fn new(parts: &Parts, body: &Bytes) -> Self {
        Self {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            body: String::from_utf8_lossy(body).into_owned(),
        }
    }
}
