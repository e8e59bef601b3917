//! The election: holds the Lease and renews the claim, or stands by until the Lease is free.
//!
//! Economy, not safety: a Lease fences nobody. What keeps two writers apart is that every write is conditional.

mod access;
mod assess;

use std::sync::Arc;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    jiff::Timestamp,
};
use kube::Client;
use tokio::time::{Duration, Instant, sleep};
use tokio_util::sync::CancellationToken;

use self::{
    access::{Access, Refusal},
    assess::{Observed, Step, assess, goes_on, held, holder, observe, released},
};
use super::{
    claim::Claimant,
    metrics::Metrics,
    random,
    settings::{ElectionArgs, InvalidTiming, JITTER, Timing},
};
use crate::token::schedule;

/// A candidate, and later perhaps the leader.
pub struct Elector {
    access: Access,
    /// Of this process: a pod that was restarted is not mistaken for what it was before.
    identity: String,
    timing: Timing,
    claimant: Claimant,
    metrics: Arc<Metrics>,
    told: Told,
    pauses: u64,
}

/// What was told last, so that each thing is told once.
#[derive(Default)]
struct Told {
    leader: String,
    problem: String,
}

/// Why there is no election.
#[derive(Debug, thiserror::Error)]
pub enum ElectionError {
    #[error("the times of the leader election do not fit together")]
    Timing(#[from] InvalidTiming),
    #[error(
        "{0}; grant get, create and update on leases there (examples/rbac.yaml), or run one replica without \
         --leader-elect"
    )]
    Forbidden(String),
}

/// A Lease that was written, and when that request was begun.
struct Written {
    lease: Lease,
    sent: Instant,
}

/// Why a renewal did not work.
enum Setback {
    /// Somebody else has held it, or may have.
    Over(String),
    Failed(String),
}

impl Elector {
    /// A candidate for the Lease in the operator's namespace.
    ///
    /// # Errors
    /// When the Lease may not be read or written, or the times do not fit together.
    pub async fn new(
        client: &Client,
        namespace: &str,
        args: &ElectionArgs,
        claimant: Claimant,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ElectionError> {
        let timing = args.timing()?;
        // Time for a second attempt while the claim lasts.
        let deadline = timing.renew / 2;
        let access = Access::new(client, namespace, &args.leader_elect_resource_name, deadline, metrics.clone());
        access.permitted().await.map_err(ElectionError::Forbidden)?;
        Ok(Self { access, identity: identity(), timing, claimant, metrics, told: Told::default(), pauses: 0 })
    }

    /// The same under another name, which no other process may have.
    #[must_use]
    pub fn identified_as(self, identity: String) -> Self {
        Self { identity, ..self }
    }

    /// Stands by, leads, and gives the Lease up at `stop`. Ends then, or when the claim is lost.
    pub async fn run(mut self, stop: CancellationToken) {
        tracing::info!(identity = self.identity, lease = %self.access, "taking part in the leader election");
        let Some(written) = stop.run_until_cancelled(self.acquire()).await else { return };
        if self.claimant.renew(written.sent, self.timing.renew) {
            self.lead(written, &stop).await;
        } else {
            self.lose("the Lease was taken too late");
        }
        self.metrics.leads(false);
    }

    async fn acquire(&mut self) -> Written {
        let mut seen = None;
        loop {
            let rest = match self.attempt(&mut seen).await {
                Ok(Ok(written)) => return written,
                Ok(Err(rest)) => rest,
                Err(Refusal::Missing | Refusal::Raced) => Duration::ZERO,
                Err(Refusal::Failed(problem)) => {
                    self.tell_problem(&problem);
                    Duration::MAX
                }
            };
            // Twice as often as a leader writes, so that a Lease that was given up is not free for long.
            let pause = self.pause(self.timing.retry / 2);
            sleep(pause.min(rest.max(pause / 10))).await;
        }
    }

    /// Looks once, and takes the Lease if it is free; else says for how long it is not.
    async fn attempt(&mut self, seen: &mut Option<Observed>) -> Result<Result<Written, Duration>, Refusal> {
        let found = match self.access.get().await {
            Err(Refusal::Missing) => None,
            other => Some(other?),
        };
        self.told.problem.clear();
        let spec = found.as_ref().map(|lease| lease.spec.clone().unwrap_or_default());
        *seen = observe(seen.take(), spec, Instant::now());
        let before = seen.as_ref().map(|seen| &seen.spec);
        if let Step::Wait(rest) = assess(seen.as_ref(), &self.identity, Instant::now(), self.timing.lease) {
            self.told.leader(before);
            return Ok(Err(rest));
        }
        let sent = Instant::now();
        let lease = self.access.write(found.as_ref(), self.held(before)).await?;
        Ok(Ok(Written { lease, sent }))
    }

    async fn lead(&mut self, Written { mut lease, mut sent }: Written, stop: &CancellationToken) {
        let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions);
        tracing::info!(identity = self.identity, transitions, "leading");
        self.metrics.leads(true);
        loop {
            let until = sent + self.timing.renew;
            let pause = self.pause(self.timing.retry).min(until.saturating_duration_since(Instant::now()));
            if stop.run_until_cancelled(sleep(pause)).await.is_none() {
                return self.release(&lease).await;
            }
            if until <= Instant::now() {
                let why = format!("the Lease was not renewed within {:?}: {}", self.timing.renew, self.told.problem);
                return self.lose(why.trim_end_matches(": "));
            }
            match self.renew(&lease).await {
                Ok(written) if self.claimant.renew(written.sent, self.timing.renew) => {
                    self.told.problem.clear();
                    Written { lease, sent } = written;
                }
                Ok(_) => return self.lose("the Lease was renewed too late"),
                Err(Setback::Over(why)) => return self.lose(&why),
                Err(Setback::Failed(problem)) => self.tell_problem(&problem),
            }
        }
    }

    async fn renew(&self, lease: &Lease) -> Result<Written, Setback> {
        let sent = Instant::now();
        match self.access.write(Some(lease), self.held(lease.spec.as_ref())).await {
            Ok(lease) => return Ok(Written { lease, sent }),
            Err(Refusal::Missing | Refusal::Raced) => {}
            Err(Refusal::Failed(problem)) => return Err(Setback::Failed(problem)),
        }
        let ours = lease.spec.clone().unwrap_or_default();
        let found = match self.access.get().await {
            Ok(found) => found,
            Err(Refusal::Missing) => return Err(Setback::Over("somebody has deleted the Lease".to_owned())),
            Err(Refusal::Raced) => return Err(Setback::Failed("the Lease is contended".to_owned())),
            Err(Refusal::Failed(problem)) => return Err(Setback::Failed(problem)),
        };
        let spec = found.spec.clone().unwrap_or_default();
        if !goes_on(&ours, &spec, &self.identity) {
            let whose = holder(&spec).map_or_else(|| "nobody".to_owned(), |holder| format!("{holder:?}"));
            return Err(Setback::Over(format!("the Lease was changed by somebody else: {whose} holds it")));
        }
        let sent = Instant::now();
        match self.access.write(Some(&found), self.held(Some(&spec))).await {
            Ok(lease) => Ok(Written { lease, sent }),
            Err(Refusal::Missing | Refusal::Raced) => Err(Setback::Failed("the Lease is contended".to_owned())),
            Err(Refusal::Failed(problem)) => Err(Setback::Failed(problem)),
        }
    }

    /// Nothing is done any more that others could cross: whoever is next need not wait.
    async fn release(&mut self, lease: &Lease) {
        self.claimant.lose();
        let ours = lease.spec.clone().unwrap_or_default();
        match self.access.write(Some(lease), released(&ours, Timestamp::now())).await {
            Ok(_) => tracing::info!(lease = %self.access, "leadership released"),
            Err(problem) => tracing::warn!(lease = %self.access, ?problem, "the Lease was not released; it runs out"),
        }
    }

    fn lose(&mut self, why: &str) {
        self.claimant.lose();
        tracing::error!(why, "leadership lost: nothing is asked or written any more, and the process ends");
    }

    fn held(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        held(before, &self.identity, Timestamp::now(), self.timing.lease)
    }

    /// Replicas do not keep in step.
    fn pause(&mut self, least: Duration) -> Duration {
        self.pauses += 1;
        least.mul_f64(1.0 + JITTER * schedule::fraction(&self.identity, &self.pauses.to_string()))
    }

    fn tell_problem(&mut self, problem: &str) {
        if self.told.problem != problem {
            tracing::warn!(problem, "leader election: no progress; tried again");
            problem.clone_into(&mut self.told.problem);
        }
    }
}

impl Told {
    fn leader(&mut self, seen: Option<&LeaseSpec>) {
        let leader = seen.and_then(holder).unwrap_or_default();
        if self.leader != leader {
            tracing::info!(leader, "standing by: another replica leads");
            leader.clone_into(&mut self.leader);
        }
    }
}

/// The pod's name, which is its host name, and 64 random bits.
fn identity() -> String {
    let host = hostname::get().ok().and_then(|name| name.into_string().ok()).filter(|name| !name.is_empty());
    format!("{}_{:016x}", host.as_deref().unwrap_or("apitoken-operator"), u64::from_be_bytes(random::bytes()))
}
