//! A pod-like consumer: it uses what stands in the output Secret, again and again, and counts how that goes.
//!
//! It knows how each vendor wants its token presented, and nothing of how the token came to be.

use std::{
    collections::BTreeMap,
    fmt::Display,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use reqwest::{Certificate, Client, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::{Fake, Palette, Tenovos, Virtana, desk::REFUSAL_HEADER, vendor::Vendor};
use crate::ca::TestCa;

/// The data of a Secret, decoded.
pub type SecretData = BTreeMap<String, String>;

/// How a call went.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    pub accepted: u64,
    pub refused: Vec<Failure>,
    /// Calls without any answer: the vendor was not reachable.
    pub unanswered: Vec<Failure>,
    /// Rounds in which there was no Secret, or not all of its keys.
    pub without_token: u64,
}

/// A call that was not accepted.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Failure {
    pub at: Timestamp,
    pub why: String,
}

/// Headers from Secret data; `None` if a key is missing.
type Present = Box<dyn Fn(&SecretData) -> Option<Vec<(&'static str, String)>> + Send + Sync>;

/// How one vendor's protected endpoint is called.
pub struct Call {
    url: String,
    client: Client,
    present: Present,
}

/// A running consumer; it ends when it is stopped or dropped. It runs on the runtime that started it.
pub struct Consumer {
    counts: Arc<Mutex<Counts>>,
    task: JoinHandle<()>,
}

impl Palette {
    /// The bare token under `key`.
    pub fn call(&self, ca: &TestCa, key: &'static str) -> Call {
        self.call_with(ca, present::bare(key))
    }
}

impl Tenovos {
    /// Both tokens, under the preset's own keys, with the API key that the pod has from elsewhere.
    pub fn call(&self, ca: &TestCa, api_key: &str) -> Call {
        self.call_with(ca, present::pair(api_key))
    }
}

impl Virtana {
    /// The token under `key`, as a bearer.
    pub fn call(&self, ca: &TestCa, key: &'static str) -> Call {
        self.call_with(ca, present::bearer(key))
    }
}

impl<V: Vendor> Fake<V> {
    /// A call of the protected endpoint with headers made from Secret data in a way of one's own.
    ///
    /// # Panics
    /// If the HTTP client cannot be made: the machine has no randomness.
    pub fn call_with(
        &self,
        ca: &TestCa,
        present: impl Fn(&SecretData) -> Option<Vec<(&'static str, String)>> + Send + Sync + 'static,
    ) -> Call {
        Call::new(self.protected_url(), client(ca), present)
    }
}

/// An HTTP client that trusts this authority and no other, and uses no proxy.
///
/// # Panics
/// If the client cannot be made: the machine has no randomness.
pub fn client(ca: &TestCa) -> Client {
    client_trusting(&ca.pem()).expect("invariant: the authority writes PEM")
}

/// The same for an authority that is known by its certificate.
pub fn client_trusting(authority: &str) -> reqwest::Result<Client> {
    let root = Certificate::from_pem(authority.as_bytes())?;
    let builder = Client::builder().tls_certs_only([root]).no_proxy().timeout(Duration::from_secs(10));
    builder.redirect(reqwest::redirect::Policy::none()).build()
}

/// How a token is presented: headers from the data of its Secret.
pub mod present {
    use super::SecretData;

    type Headers = Option<Vec<(&'static str, String)>>;

    /// Palette: the token and nothing else.
    pub fn bare(key: &str) -> impl Fn(&SecretData) -> Headers + use<> {
        let key = key.to_owned();
        move |data| Some(vec![("authorization", data.get(&key)?.clone())])
    }

    /// Virtana.
    pub fn bearer(key: &str) -> impl Fn(&SecretData) -> Headers + use<> {
        let key = key.to_owned();
        move |data| Some(vec![("authorization", format!("Bearer {}", data.get(&key)?))])
    }

    /// Tenovos: two tokens, and a key that the pod has from elsewhere.
    pub fn pair(api_key: &str) -> impl Fn(&SecretData) -> Headers + use<> {
        let api_key = api_key.to_owned();
        move |data| {
            Some(vec![
                ("x-api-key", api_key.clone()),
                ("authorization", data.get("authorization")?.clone()),
                ("accesstoken", data.get("accessToken")?.clone()),
            ])
        }
    }
}

impl Call {
    /// A call of `url` with headers made from Secret data.
    pub fn new(
        url: String,
        client: Client,
        present: impl Fn(&SecretData) -> Option<Vec<(&'static str, String)>> + Send + Sync + 'static,
    ) -> Self {
        Self { url, client, present: Box::new(present) }
    }

    /// Calls once. The error says why the vendor, the network or the data did not serve.
    async fn once(&self, data: &SecretData, counts: &Mutex<Counts>) {
        let Some(headers) = (self.present)(data) else {
            lock(counts).without_token += 1;
            return;
        };
        let mut request = self.client.get(&self.url).header("accept", "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let failure = |why: &dyn Display| Failure { at: Timestamp::now(), why: why.to_string() };
        match request.send().await {
            Ok(response) if response.status() == StatusCode::OK => lock(counts).accepted += 1,
            Ok(response) => {
                let why = response.headers().get(REFUSAL_HEADER).and_then(|why| why.to_str().ok()).unwrap_or_default();
                lock(counts).refused.push(failure(&format!("{} {why}", response.status())));
            }
            Err(error) => lock(counts).unanswered.push(failure(&error)),
        }
    }
}

impl Consumer {
    /// Reads the Secret with `read` and calls the vendor with what stands there, once each `interval`.
    pub fn start<R, F>(call: Call, interval: Duration, read: R) -> Self
    where
        R: Fn() -> F + Send + 'static,
        F: Future<Output = Option<SecretData>> + Send + 'static,
    {
        let counts = Arc::new(Mutex::new(Counts::default()));
        let shared = Arc::clone(&counts);
        let task = tokio::spawn(async move {
            let mut rounds = tokio::time::interval(interval);
            loop {
                rounds.tick().await;
                match read().await {
                    Some(data) => call.once(&data, &shared).await,
                    None => lock(&shared).without_token += 1,
                }
            }
        });
        Self { counts, task }
    }

    /// How it went so far.
    pub fn counts(&self) -> Counts {
        lock(&self.counts).clone()
    }

    /// Ends it and tells how it went.
    pub fn stop(self) -> Counts {
        self.task.abort();
        self.counts()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}
