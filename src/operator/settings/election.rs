//! How one writer is elected among several replicas: the flags, and whether their times fit together.

use std::time::Duration;

use clap::Args;

use super::{KUBERNETES, parse};
use crate::api::duration::HumanDuration;

/// Longest lease: a dead leader is missed for no longer, whatever somebody writes into the Lease.
pub const MAX_LEASE: Duration = Duration::from_secs(300);
/// What a request that was just begun has, at least, to be on its way before another replica may lead; a third of the
/// lease where that is less. The claim is asked before each request, so it holds if the claim ends so long before the
/// lease does.
const MARGIN: Duration = Duration::from_secs(5);
/// Pauses between attempts are up to this much longer, so that replicas do not keep in step.
pub const JITTER: f64 = 0.2;

/// The flags of leader election, with the names and defaults that Kubernetes' own components have.
#[derive(Args, Clone, Debug)]
pub struct ElectionArgs {
    /// Elect one writer among several replicas by a Lease in the operator's namespace; the others stand by
    #[arg(long, env = "APITOKEN_LEADER_ELECT", value_name = "BOOL")]
    #[arg(default_value = "false", default_missing_value = "true", num_args = 0..=1, help_heading = KUBERNETES)]
    pub leader_elect: bool,

    /// Name of that Lease; several operators with one namespace need several names
    #[arg(long, env = "APITOKEN_LEADER_ELECT_RESOURCE_NAME", value_name = "NAME", value_parser = parse::object_name)]
    #[arg(default_value = "apitoken-operator", help_heading = KUBERNETES)]
    pub leader_elect_resource_name: String,

    /// How long a leader that is silent is waited for, 2s to 5m
    #[arg(long, env = "APITOKEN_LEADER_ELECT_LEASE_DURATION", value_name = "DURATION")]
    #[arg(default_value = "15s", help_heading = KUBERNETES)]
    pub leader_elect_lease_duration: HumanDuration,

    /// When a leader that cannot renew the Lease gives up; 5s before the lease ends or, in a short one, a third of it
    ///
    /// The difference is what a request that was just begun has, to be on its way before another replica takes over.
    #[arg(long, env = "APITOKEN_LEADER_ELECT_RENEW_DEADLINE", value_name = "DURATION")]
    #[arg(default_value = "10s", help_heading = KUBERNETES)]
    pub leader_elect_renew_deadline: HumanDuration,

    /// Pause between renewals; with a fifth more it is less than the renew deadline
    #[arg(long, env = "APITOKEN_LEADER_ELECT_RETRY_PERIOD", value_name = "DURATION")]
    #[arg(default_value = "2s", help_heading = KUBERNETES)]
    pub leader_elect_retry_period: HumanDuration,
}

/// Times of an election that fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long others wait for a leader that is silent. Whole seconds.
    pub lease: Duration,
    /// How long after its last renewal a leader acts.
    pub renew: Duration,
    /// Between renewals.
    pub retry: Duration,
}

/// Why times of an election do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTiming {
    #[error("--leader-elect-lease-duration must be between 2s and 5m")]
    Lease,
    #[error(
        "--leader-elect-renew-deadline must be less than --leader-elect-lease-duration by 5s, or by a third of the \
         lease if that is less: a request that was just begun needs that long to be on its way"
    )]
    Renew,
    #[error(
        "--leader-elect-retry-period must be at least 1s and, with a fifth more, less than --leader-elect-renew-deadline"
    )]
    Retry,
}

impl ElectionArgs {
    /// # Errors
    /// When the times do not fit together; the message names the flag to change.
    pub fn timing(&self) -> Result<Timing, InvalidTiming> {
        let timing = Timing {
            lease: self.leader_elect_lease_duration.get(),
            renew: self.leader_elect_renew_deadline.get(),
            retry: self.leader_elect_retry_period.get(),
        };
        if timing.lease < Duration::from_secs(2) || timing.lease > MAX_LEASE {
            return Err(InvalidTiming::Lease);
        }
        if timing.renew + MARGIN.min(timing.lease / 3) > timing.lease {
            return Err(InvalidTiming::Renew);
        }
        if timing.retry.is_zero() || timing.retry.mul_f64(1.0 + JITTER) >= timing.renew {
            return Err(InvalidTiming::Retry);
        }
        Ok(timing)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        election: ElectionArgs,
    }

    fn args(lease: &str, renew: &str, retry: &str) -> ElectionArgs {
        let flags = [("lease-duration", lease), ("renew-deadline", renew), ("retry-period", retry)];
        let flags = flags.map(|(name, value)| format!("--leader-elect-{name}={value}"));
        Flags::try_parse_from(std::iter::once("run".to_owned()).chain(flags)).unwrap().election
    }

    #[test]
    fn the_defaults_are_those_of_kubernetes_components_and_fit_together() {
        let timing = Flags::try_parse_from(["run"]).unwrap().election.timing().unwrap();
        assert_eq!([timing.lease, timing.renew, timing.retry].map(|time| time.as_secs()), [15, 10, 2]);
    }

    #[test]
    fn times_that_do_not_fit_together_are_refused_by_the_flag_to_change() {
        for (lease, renew, retry, problem) in [
            ("1s", "1s", "1s", InvalidTiming::Lease),
            ("301s", "10s", "2s", InvalidTiming::Lease),
            ("15s", "15s", "2s", InvalidTiming::Renew),
            ("15s", "16s", "2s", InvalidTiming::Renew),
            ("15s", "14s", "2s", InvalidTiming::Renew),
            ("60s", "56s", "2s", InvalidTiming::Renew),
            ("6s", "5s", "1s", InvalidTiming::Renew),
            ("15s", "10s", "9s", InvalidTiming::Retry),
            ("15s", "10s", "0s", InvalidTiming::Retry),
        ] {
            assert_eq!(args(lease, renew, retry).timing(), Err(problem), "{lease} {renew} {retry}");
        }
        for (lease, renew, retry) in
            [("300s", "10s", "8s"), ("60s", "55s", "2s"), ("6s", "4s", "1s"), ("3s", "2s", "1s")]
        {
            assert!(args(lease, renew, retry).timing().is_ok(), "{lease} {renew} {retry}");
        }
    }
}
