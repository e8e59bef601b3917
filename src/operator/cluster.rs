//! The API server, as passes use it: each call has a deadline, is counted, and is one of at most 32 in flight.
//!
//! Nothing is written without the claim, but an answer that was already obtained. The client's own retries are off: the
//! next pass is the retry.

#[cfg(test)]
mod tests;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use kube::{Client, core::Status};
use tokio::sync::Semaphore;

use super::{claim::Claim, metrics::Metrics};

/// Deadline of one call. kube has none of its own.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// More requests at once make a thousand objects slower, not faster.
const IN_FLIGHT: usize = 32;
/// First issues leave these to renewals, which have something to lose.
const KEPT_FOR_RENEWALS: usize = 8;
/// Reports take no more than these: pods wait for Secrets, and in a crowd a status can come later.
const REPORTS_IN_FLIGHT: usize = 6;

/// What depends on the call: a valid token, a first one, or nothing but what people see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    Renewal,
    FirstIssue,
    Report,
    /// An answer that a provider has given already: nothing may stop it, not even the loss of leadership.
    Answer,
}

/// What is called, for messages and metrics.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    pub verb: &'static str,
    pub resource: &'static str,
    pub namespace: &'a str,
    pub name: &'a str,
}

/// A call that did not work. Says what is known for certain and nothing that a body could have said.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {resource} {object}: {problem}")]
pub struct ApiError {
    verb: &'static str,
    resource: &'static str,
    object: String,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    TimedOut,
    Answered {
        code: u16,
        reason: String,
        message: String,
        /// Seconds.
        wanted_wait: u32,
    },
    Failed(&'static str),
    /// Another replica may write.
    NotLeading,
}

/// The one way to the API server.
pub struct Cluster {
    pub client: Client,
    in_flight: Semaphore,
    first_issues: Semaphore,
    reports: Semaphore,
    claim: Claim,
    metrics: Arc<Metrics>,
}

impl Cluster {
    #[must_use]
    pub fn new(client: Client, claim: Claim, metrics: Arc<Metrics>) -> Self {
        Self {
            client,
            in_flight: Semaphore::new(IN_FLIGHT),
            first_issues: Semaphore::new(IN_FLIGHT - KEPT_FOR_RENEWALS),
            reports: Semaphore::new(REPORTS_IN_FLIGHT),
            claim,
            metrics,
        }
    }

    /// Makes one call. It is prepared only when it may be made: a thousand that wait would take ten kilobytes each.
    ///
    /// # Errors
    /// When the API server refuses, does not answer in time, or cannot be reached; or when a write is not ours to make.
    pub async fn call<T, F: Future<Output = Result<T, kube::Error>>>(
        &self,
        urgency: Urgency,
        target: Target<'_>,
        call: impl FnOnce() -> F,
    ) -> Result<T, ApiError> {
        let closed = "invariant: the semaphores are never closed";
        let _of_its_kind = match urgency {
            Urgency::Renewal | Urgency::Answer => None,
            Urgency::FirstIssue => Some(self.first_issues.acquire().await.expect(closed)),
            Urgency::Report => Some(self.reports.acquire().await.expect(closed)),
        };
        let _permit = self.in_flight.acquire().await.expect(closed);
        let result = if target.verb == "get" || urgency == Urgency::Answer || self.claim.is_unopposed() {
            in_time(Box::pin(call())).await
        } else if self.claim.holds() {
            tokio::select! {
                biased;
                result = in_time(Box::pin(call())) => result,
                () = self.claim.lost() => Err(Problem::NotLeading),
            }
        } else {
            Err(Problem::NotLeading)
        };
        let outcome = result.as_ref().err().map_or("ok", Problem::outcome);
        self.metrics.api_request(target.verb, target.resource, outcome);
        result.map_err(|problem| ApiError {
            verb: target.verb,
            resource: target.resource,
            object: if target.namespace.is_empty() {
                target.name.to_owned()
            } else {
                format!("{}/{}", target.namespace, target.name)
            },
            problem,
        })
    }
}

async fn in_time<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Problem> {
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(answer) => answer.map_err(|error| Problem::of(&error)),
        Err(_) => Err(Problem::TimedOut),
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").finish_non_exhaustive()
    }
}

impl ApiError {
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self.problem, Problem::Answered { code: 404, .. })
    }

    /// Somebody else wrote first: a stale resourceVersion, or a name that is taken.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self.problem, Problem::Answered { code: 409, .. })
    }

    /// How long the API server wants to be left alone (Retry-After); zero: it has not said.
    #[must_use]
    pub fn wanted_wait(&self) -> Duration {
        let seconds = if let Problem::Answered { wanted_wait, .. } = self.problem { wanted_wait } else { 0 };
        Duration::from_secs(u64::from(seconds))
    }

    /// Another replica may write: this one stops.
    #[must_use]
    pub fn is_not_ours(&self) -> bool {
        matches!(self.problem, Problem::NotLeading)
    }

    /// Whether the same call can work later without anybody's help, or has perhaps worked already.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match &self.problem {
            Problem::TimedOut | Problem::Failed(_) | Problem::NotLeading => true,
            Problem::Answered { code, .. } => *code == 429 || *code >= 500,
        }
    }
}

/// What is known for certain of an API server that has too much to do: its priority and fairness answers 429 with plain
/// text, and always asks for one second (kube-apiserver, `filters/maxinflight.go`); others say it in the `Status`. Seconds.
fn wanted_wait(status: &Status) -> u32 {
    let told = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
    if status.code == 429 { told.max(1) } else { told }
}

/// The word for an answer in `apitoken_api_requests`.
#[must_use]
pub fn outcome<T>(answer: &Result<T, kube::Error>) -> &'static str {
    answer.as_ref().err().map_or("ok", |error| Problem::of(error).outcome())
}

/// What is known for certain of a kube error, in words that hold nothing a body could have said.
#[must_use]
pub fn problem(error: &kube::Error) -> String {
    Problem::of(error).to_string()
}

/// Whether the API server cannot be reached, or cannot answer now: the same request can work later.
#[must_use]
pub fn is_unreachable(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code == 429 || status.code >= 500,
        error => matches!(error, kube::Error::HyperError(_) | kube::Error::Service(_)),
    }
}

impl Problem {
    /// kube's own texts can hold whole response bodies, so only fixed words and the status's own fields are used.
    fn of(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => {
                let spoken = matches!(status.reason.as_str(), "Forbidden" | "NotFound" | "Conflict" | "AlreadyExists");
                let message = if spoken { status.message.chars().take(300).collect() } else { String::new() };
                let known = status.reason.chars().all(|c| c.is_ascii_alphabetic());
                let reason = if known { status.reason.clone() } else { String::new() };
                Self::Answered { code: status.code, reason, message, wanted_wait: wanted_wait(status) }
            }
            kube::Error::SerdeError(_) => Self::Failed("the answer is not what a Kubernetes API server sends"),
            kube::Error::Auth(_) => Self::Failed("authentication failed"),
            kube::Error::HyperError(_) | kube::Error::Service(_) => Self::Failed("the API server cannot be reached"),
            _ => Self::Failed("the request failed"),
        }
    }

    const fn outcome(&self) -> &'static str {
        match self {
            Self::TimedOut => "timeout",
            Self::Failed(_) => "failed",
            Self::NotLeading => "not_leading",
            Self::Answered { code, .. } => match code {
                404 => "not_found",
                409 => "conflict",
                403 => "forbidden",
                429 => "throttled",
                500.. => "server_error",
                _ => "refused",
            },
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => write!(f, "no answer within {} s", DEADLINE.as_secs()),
            Self::Failed(what) => f.write_str(what),
            Self::NotLeading => f.write_str("leadership is lost, and another replica may write"),
            Self::Answered { code, reason, message, .. } => {
                write!(f, "the API server answered {code}")?;
                if !reason.is_empty() {
                    write!(f, " {reason}")?;
                }
                if !message.is_empty() {
                    write!(f, " ({message})")?;
                }
                Ok(())
            }
        }
    }
}
