//! Whether this process may act: ask a provider, write into the cluster.
//!
//! A claim runs out by itself on the monotonic clock, whatever has become of the task that renews it. That clock stands
//! still while a virtual machine is suspended: the first renewal after that tells, and until then every write is
//! conditional on what was read.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// Where this process stands among the replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is no election.
    Unopposed,
    /// Another replica may lead.
    Candidate,
    /// It leads, for as long as it renews this in time.
    Leader { until: Instant },
    /// It has led. It never leads again: what it knows may be old.
    Lost,
}

/// The claim as those see it who have to ask it before they act.
#[derive(Clone, Debug)]
pub struct Claim(watch::Receiver<Standing>);

/// The end of the claim at which it is renewed.
#[derive(Debug)]
pub struct Claimant(watch::Sender<Standing>);

impl Claim {
    /// The claim of an operator that takes part in no election.
    #[must_use]
    pub fn unopposed() -> Self {
        Self(watch::channel(Standing::Unopposed).1)
    }

    /// The claim of a candidate, and who renews it.
    #[must_use]
    pub fn contested() -> (Claimant, Self) {
        let (sender, receiver) = watch::channel(Standing::Candidate);
        (Claimant(sender), Self(receiver))
    }

    /// Whether there is no election, so that nothing can be lost.
    #[must_use]
    pub fn is_unopposed(&self) -> bool {
        *self.0.borrow() == Standing::Unopposed
    }

    /// Whether this process may act now. To be asked right before each request and each write.
    #[must_use]
    pub fn holds(&self) -> bool {
        match *self.0.borrow() {
            Standing::Unopposed => true,
            Standing::Leader { until } => Instant::now() < until,
            Standing::Candidate | Standing::Lost => false,
        }
    }

    /// Whether this process has led, and does no more.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        match *self.0.borrow() {
            Standing::Leader { until } => until <= Instant::now(),
            Standing::Lost => true,
            Standing::Unopposed | Standing::Candidate => false,
        }
    }

    /// Waits until this process leads. Never resolves once that is over.
    pub async fn gained(&self) {
        let mut standing = self.0.clone();
        let leads = |standing: &Standing| matches!(standing, Standing::Unopposed | Standing::Leader { .. });
        if standing.wait_for(leads).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until this process leads no more. Never resolves without an election.
    pub async fn lost(&self) {
        let mut standing = self.0.clone();
        loop {
            let now = *standing.borrow_and_update();
            tokio::select! {
                biased;
                // A renewal of the last moment counts. An error: nobody renews it any more, and it runs out.
                Ok(()) = standing.changed() => {}
                () = ran_out(now) => return,
            }
        }
    }
}

async fn ran_out(standing: Standing) {
    match standing {
        Standing::Lost => {}
        Standing::Leader { until } => sleep_until(until).await,
        Standing::Unopposed | Standing::Candidate => std::future::pending().await,
    }
}

impl Claimant {
    /// The Lease was written by a request that was begun at `sent`: the claim holds for `duration` from then. Returns
    /// whether it does: one that has run out meanwhile is lost.
    #[must_use]
    pub fn renew(&self, sent: Instant, duration: Duration) -> bool {
        let mut held = false;
        self.0.send_modify(|standing| {
            let (now, until) = (Instant::now(), sent + duration);
            let over = matches!(*standing, Standing::Leader { until } if until <= now) || *standing == Standing::Lost;
            held = !over && now < until;
            *standing = if held { Standing::Leader { until } } else { Standing::Lost };
        });
        held
    }

    /// Over, for good.
    pub fn lose(&self) {
        self.0.send_replace(Standing::Lost);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const TEN: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_claim_that_nobody_renews_runs_out_by_itself() {
        let (claimant, claim) = Claim::contested();
        assert!(!claim.holds() && claim.gained().now_or_never().is_none());
        assert!(claimant.renew(Instant::now(), TEN));
        assert!(claim.holds() && claim.gained().now_or_never().is_some());
        drop(claimant);
        let begun = Instant::now();
        claim.lost().await;
        assert_eq!(begun.elapsed(), TEN);
        assert!(!claim.holds());
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_that_is_renewed_in_time_goes_on() {
        let (claimant, claim) = Claim::contested();
        let begun = Instant::now();
        assert!(claimant.renew(begun, TEN));
        let lost = tokio::spawn({
            let claim = claim.clone();
            async move { claim.lost().await }
        });
        for _ in 0..5 {
            tokio::time::advance(TEN / 2).await;
            assert!(claimant.renew(Instant::now(), TEN) && claim.holds());
        }
        lost.await.expect("ends");
        assert_eq!(begun.elapsed(), TEN / 2 * 5 + TEN);
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_counts_from_before_the_request_and_is_never_had_again_once_it_has_run_out() {
        let (claimant, claim) = Claim::contested();
        let sent = Instant::now();
        tokio::time::advance(TEN).await;
        assert!(!claimant.renew(sent, TEN) && !claim.holds(), "the answer came after its time");
        assert!(!claimant.renew(Instant::now(), TEN) && !claim.holds());
        assert!(claim.lost().now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_part_in_no_election_cannot_lose_it() {
        let claim = Claim::unopposed();
        assert!(claim.holds() && claim.gained().now_or_never().is_some());
        assert!(tokio::time::timeout(TEN * 1000, claim.lost()).await.is_err());
    }
}
