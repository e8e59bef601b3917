//! The rules about requests that bring no token: a probe, what follows when it is refused, and a revocation.
//!
//! They come last but one: they concern a token that is fresh, in its output, and whose renewal is not near.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::{Next, case::Case};
use crate::{
    api::http::Operation,
    token::{
        errand::{Refusal, Replaced},
        facts::Issued,
        observation::Seen,
        output::Ownership,
        schedule::errand::{REVOKED_AFTER, probe_at},
    },
};

/// None of these requests is begun so shortly before a renewal: it must not wait for them.
const BEFORE_RENEWAL: SignedDuration = SignedDuration::from_secs(30);

/// A request about a token that brings none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Is the token in the output still good?
    Probe,
    /// The token before it is to be revoked.
    Revoke,
}

pub(super) fn token_was_refused(case: &Case<'_>) -> Option<Next> {
    let issued = case.issued()?;
    let refusal = case.refusal(issued)?;
    if case.now < refusal.next_at {
        return None;
    }
    if !case.can_refresh(issued) {
        return case.log_in_unless_held().ok();
    }
    case.held_by_failure(Operation::Refresh).is_none().then(|| case.refresh())
}

pub(super) fn replaced_is_due(case: &Case<'_>) -> Option<Next> {
    let issued = case.issued()?;
    let at = case.revocation_at(issued)?;
    (at <= case.now && case.now < case.errands_end(issued)).then_some(Next::Errand(Errand::Revoke))
}

pub(super) fn probe_is_due(case: &Case<'_>) -> Option<Next> {
    let issued = case.issued()?;
    let at = case.probe_at(issued)?;
    (at <= case.now && case.now < case.errands_end(issued)).then_some(Next::Errand(Errand::Probe))
}

impl<'a> Case<'a> {
    /// The refusal of the token in the output, while the definition has a probe that says so.
    fn refusal(&self, issued: &Issued) -> Option<&'a Refusal> {
        self.provider.definition.probe.as_ref()?;
        let refusal = self.seen.facts()?.refusal.as_deref()?;
        (refusal.grant == issued.grant).then_some(refusal)
    }

    /// From then on a renewal is near.
    fn errands_end(&self, issued: &Issued) -> Timestamp {
        let renewal = self.renew_at(issued).min(issued.expires_at);
        self.early_login_at(issued).map_or(renewal, |at| renewal.min(at)) - BEFORE_RENEWAL
    }

    /// When the output was written; `None` while it does not hold the token.
    fn out_since(&self, issued: &Issued) -> Option<Timestamp> {
        let Seen::There(secret) = &self.seen.output.secret else { return None };
        let holds = secret.ownership == Ownership::Ours && secret.holds(&issued.grant, self.seen.output.plan.as_ref());
        secret.written_at.filter(|_| holds)
    }

    fn probe_at(&self, issued: &Issued) -> Option<Timestamp> {
        let probe = self.provider.definition.probe.as_ref()?;
        self.out_since(issued)?;
        Some(probe_at(issued, probe, self.seen.last_errand, &self.seen.token.uid, self.now))
    }

    fn revocation_at(&self, issued: &Issued) -> Option<Timestamp> {
        self.provider.definition.revoke.as_ref()?;
        let Replaced { expires_at, next_at, .. } = self.seen.facts()?.replaced.as_deref()?;
        let written = self.out_since(issued)?.max(issued.issued_at);
        let at = (written + REVOKED_AFTER).max(next_at.unwrap_or(written)).max(self.seen.last_errand + BEFORE_RENEWAL);
        (at < *expires_at && self.now < *expires_at).then_some(at)
    }

    /// When one of these rules could have an answer.
    pub(super) fn errand_at(&self, issued: &Issued) -> Option<Timestamp> {
        let end = self.errands_end(issued);
        let errands = [self.probe_at(issued), self.revocation_at(issued)].into_iter().flatten().filter(|at| *at < end);
        let renewal = self.refusal(issued).and_then(|refusal| {
            let held = self.held_by_failure(Operation::Refresh).filter(|_| self.can_refresh(issued));
            held.map_or(Some(refusal.next_at), |wait| wait.until)
        });
        errands.chain(renewal).filter(|at| *at > self.now).min()
    }
}
