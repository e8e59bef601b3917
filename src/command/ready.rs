//! `apitoken-operator ready URL`: asks a running operator whether it is ready, for tests that run where no shell is.
//!
//! It asks one address that its caller names, again and again, and changes nothing.

use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode, redirect::Policy};
use url::Url;

/// Pause between two questions.
const PAUSE: Duration = Duration::from_secs(1);
/// Deadline of one question.
const DEADLINE: Duration = Duration::from_secs(5);
/// As much of an answer as is shown.
const SHOWN: usize = 300;

/// Why an operator is not ready.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    #[error("cannot set up a request")]
    Client(#[source] reqwest::Error),
    #[error("{url} says no after {} s: {last}", .after.as_secs())]
    After { url: Url, after: Duration, last: String },
}

/// Asks until the answer is 200, or until `patience` is over.
///
/// # Errors
/// When it is over; the message holds the last answer.
pub async fn run(url: &Url, patience: Duration) -> Result<String, NotReady> {
    // No certificate is checked, as in the kubelet's probes: nothing secret is sent, and no answer is believed further.
    let builder = Client::builder().tls_danger_accept_invalid_certs(true);
    let client = builder.no_proxy().redirect(Policy::none()).timeout(DEADLINE).build();
    let client = client.map_err(NotReady::Client)?;
    let begun = Instant::now();
    loop {
        match ask(&client, url).await {
            Ok(()) => return Ok(format!("{url} says yes\n")),
            Err(last) if begun.elapsed() >= patience => {
                return Err(NotReady::After { url: url.clone(), after: patience, last });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn ask(client: &Client, url: &Url) -> Result<(), String> {
    let answer = client.get(url.clone()).send().await.map_err(|error| cause(&error))?;
    let status = answer.status();
    if status == StatusCode::OK {
        return Ok(());
    }
    let text = answer.text().await.unwrap_or_default();
    Err(format!("{status}: {}", text.chars().take(SHOWN).collect::<String>().trim_end()))
}

/// The innermost cause: the others only say that there is one.
fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
