//! What is answered at each path.
//!
//! From memory, but for the question who may read `/metrics`. Holds nothing secret; a bearer token passes through.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use secrecy::SecretString;

use crate::operator::{
    metrics::{CONTENT_TYPE, Metrics},
    review::{Reviewer, Verdict},
};

type Answer = Response<Full<Bytes>>;

/// What `/readyz` and `/livez` answer.
pub struct Health {
    ready: Mutex<Result<(), String>>,
    alive: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
}

/// What one connection needs to answer.
#[derive(Clone)]
pub struct Pages {
    pub metrics: Arc<Metrics>,
    pub health: Arc<Health>,
    /// None: everybody may read `/metrics`.
    pub reviewer: Option<Arc<Reviewer>>,
}

impl Health {
    /// Not ready yet. `alive` is asked at each `/livez`; its error says what stands still.
    pub fn new(alive: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { ready: Mutex::new(Err("starting".to_owned())), alive: Box::new(alive) })
    }

    /// Whether the operator does its work; `why` says what it waits for when it does not.
    pub fn set_ready(&self, ready: bool, why: impl Into<String>) {
        let state = if ready { Ok(()) } else { Err(why.into()) };
        *self.ready.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// # Errors
    /// What the operator waits for.
    pub fn ready(&self) -> Result<(), String> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// # Errors
    /// What stands still, and only a restart would move.
    pub fn alive(&self) -> Result<(), String> {
        (self.alive)()
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("ready", &self.ready()).finish_non_exhaustive()
    }
}

impl Pages {
    pub(super) async fn answer<B>(&self, request: &Request<B>) -> Answer {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            return with(response, header::ALLOW, "GET, HEAD");
        }
        match request.uri().path() {
            "/metrics" => match self.refusal(request.headers()).await {
                Some(refusal) => refusal,
                None => page(StatusCode::OK, CONTENT_TYPE, self.metrics.encode()),
            },
            "/readyz" => verdict(self.health.ready(), "not ready"),
            "/livez" => verdict(self.health.alive(), "not alive"),
            "/" => plain(StatusCode::OK, "apitoken-operator: /metrics, /readyz, /livez\n"),
            _ => plain(StatusCode::NOT_FOUND, "not found: there are /metrics, /readyz, /livez\n"),
        }
    }

    /// Why this client does not get the metrics.
    async fn refusal(&self, headers: &HeaderMap) -> Option<Answer> {
        let reviewer = self.reviewer.as_ref()?;
        let Some(token) = bearer(headers) else { return Some(unauthorized("a bearer token is wanted\n")) };
        match reviewer.judge(&token).await {
            Ok(Verdict::Allowed) => None,
            Ok(Verdict::Unknown) => Some(unauthorized("the API server does not know this token\n")),
            Ok(Verdict::Forbidden) => {
                let remedy = "a ClusterRole with nonResourceURLs: [/metrics], verbs: [get] is wanted\n";
                Some(plain(StatusCode::FORBIDDEN, remedy))
            }
            Err(_) => {
                let where_ = "the token cannot be reviewed now: the operator's log says why\n";
                Some(plain(StatusCode::SERVICE_UNAVAILABLE, where_))
            }
        }
    }
}

/// The name of the scheme is in any case (RFC 9110, 11.1).
fn bearer(headers: &HeaderMap) -> Option<SecretString> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.into())
}

fn unauthorized(text: &'static str) -> Answer {
    with(plain(StatusCode::UNAUTHORIZED, text), header::WWW_AUTHENTICATE, "Bearer")
}

fn with(mut response: Answer, name: header::HeaderName, value: &'static str) -> Answer {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

fn verdict(state: Result<(), String>, otherwise: &str) -> Answer {
    match state {
        Ok(()) => plain(StatusCode::OK, "ok\n"),
        Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{otherwise}: {why}\n")),
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    page(status, "text/plain; charset=utf-8", text)
}

fn page(status: StatusCode, media_type: &'static str, text: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
