//! A pass's turn at the provider: what is asked of the gate, and whether what was read before still counts when the turn
//! has come.

mod wanted;

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use self::wanted::Wanted;
use super::{
    Operator,
    context::TICK,
    entry::Key,
    gate::{Ask, Permit, Ticket},
    observe,
    pass::Pass,
    pass_error::PassError,
    route::Route,
    seed,
};
use crate::{
    api::http::Operation,
    provider::definition::BaseUrl,
    token::{decide::Call, observation::CredentialsView, schedule},
};

/// What was read longer ago than this counts before a request only if the watches have shown no change since.
const STILL_FRESH: Duration = Duration::from_millis(250);
/// What was read longer ago than this is read again before the provider is asked: a watch can die silently.
const STALE: Duration = Duration::from_secs(10);
/// Where more than these wait, at all providers together, a pass that comes puts down at once what it has read. That is
/// some 15 KiB, and must be read again when its turn has come.
const KEEP_WHAT_THEY_READ: usize = 1000;
/// What brings no token and has no turn by then is left out: the renewal of this very token must not wait for it.
const ERRAND_WITHIN: Duration = Duration::from_secs(10);

/// A place at the provider, and since when the pass has it.
pub struct Turn {
    permit: Permit,
    at: Instant,
}

/// A place in the line, for as long as it takes. Thousands of passes may have one, and hold nothing else.
pub struct Place {
    ticket: Ticket,
    asked: Instant,
    /// Origin and fingerprint of credentials that are tried by one at a time.
    tries: Option<(String, String)>,
    wanted: Wanted,
}

impl Place {
    #[must_use]
    pub fn take(operator: &Operator, pass: &Pass, route: &Route, call: Call) -> Self {
        let (ask, tries) = ask(operator, pass, route, call);
        Self { ticket: operator.gate.enqueue(ask), asked: Instant::now(), tries, wanted: Wanted::by(pass, route) }
    }

    /// Waits for the turn, for as long as a pass may keep what it has read; then gives the place back.
    ///
    /// # Errors
    /// When the operator stops.
    pub async fn soon(
        mut self,
        operator: &Operator,
        pass: &mut Pass,
        route: &Route,
        call: Call,
    ) -> Result<Result<Turn, Self>, PassError> {
        let asked = self.asked;
        let kept = if operator.gate.waiting() > KEEP_WHAT_THEY_READ { Duration::ZERO } else { STALE };
        loop {
            tokio::select! {
                biased;
                called = self.called(operator) => {
                    if called? {
                        break;
                    }
                    self = Self { asked, ..Self::take(operator, pass, route, call) };
                }
                () = sleep_until(asked + kept) => return Ok(Err(self)),
            }
        }
        // Who held the lock before may have found out that these credentials are refused.
        observe::remember_rejection(operator, pass);
        Ok(Ok(self.into()))
    }

    /// Waits for the turn, however long that takes. `None`: fewer locks are needed by now, or somebody has written what
    /// may want no request, or one in another line; ask again.
    ///
    /// # Errors
    /// When the operator stops.
    pub async fn wait(mut self, operator: &Operator, key: &Key) -> Result<Option<Turn>, PassError> {
        loop {
            tokio::select! {
                biased;
                called = self.called(operator) => return Ok(called?.then(|| self.into())),
                () = sleep(TICK) => {}
            }
            if !self.wanted.still(&operator.index, key) {
                return Ok(None);
            }
        }
    }

    /// `false`: somebody was let in with these very credentials, and the lock on them is not needed any more.
    async fn called(&mut self, operator: &Operator) -> Result<bool, PassError> {
        let rejections = &operator.rejections;
        loop {
            let tries = self.tries.as_ref();
            let accepted = rejections.next_acceptance(tries.map_or("", |(_, fingerprint)| fingerprint));
            if tries.is_some_and(|(origin, fingerprint)| rejections.is_accepted(origin, fingerprint)) {
                return Ok(false);
            }
            tokio::select! {
                biased;
                () = operator.stopping.cancelled() => return Err(PassError::Stopping),
                () = self.ticket.called() => return Ok(true),
                () = accepted, if tries.is_some() => {}
            }
        }
    }
}

impl From<Place> for Turn {
    /// Of a place that was called.
    fn from(place: Place) -> Self {
        Self { permit: place.ticket.into(), at: Instant::now() }
    }
}

impl Turn {
    /// Whether the request may be for that provider at all, whatever else it needs.
    #[must_use]
    pub fn is_at(&self, pass: &Pass, route: &Route) -> bool {
        self.permit.covers(&Ask { locks: Vec::new(), ..plain(pass, route, Timestamp::MAX) })
    }

    /// Whether this is the turn for that request: what was read since can want another one, at another provider, or with
    /// credentials that somebody else is trying.
    #[must_use]
    pub fn is_for(&self, operator: &Operator, pass: &Pass, route: &Route, call: Call) -> bool {
        self.permit.covers(&ask(operator, pass, route, call).0)
    }

    /// What the pass has read can still be relied on.
    #[must_use]
    pub fn is_fresh(&self, operator: &Operator, pass: &Pass) -> bool {
        let Some(read) = pass.read_at else { return false };
        let age = read.elapsed();
        read >= self.at || age < STILL_FRESH || age < STALE && observe::is_current(operator, pass)
    }

    #[must_use]
    pub fn may_send(&self, operator: &Operator, pass: &Pass, call: Call) -> bool {
        let has_credentials = pass.credentials.is_some()
            || matches!(pass.seen.credentials, CredentialsView::NotNeeded)
            || !pass.route.as_ref().is_some_and(|route| wants_credentials(route, call));
        self.is_fresh(operator, pass) && has_credentials
    }
}

/// A place for a request that brings no token. Everybody who waits for one goes first; `None`: nothing was free soon.
///
/// # Errors
/// When the operator stops.
pub async fn for_errand(
    operator: &Operator,
    pass: &Pass,
    route: &Route,
    base: &BaseUrl,
) -> Result<Option<Permit>, PassError> {
    tokio::select! {
        biased;
        () = operator.stopping.cancelled() => Err(PassError::Stopping),
        permit = timeout(ERRAND_WITHIN, operator.gate.admit(errand(pass, route, base))) => Ok(permit.ok()),
    }
}

/// What is asked of the gate for a request that brings no token.
#[must_use]
pub fn errand(pass: &Pass, route: &Route, base: &BaseUrl) -> Ask {
    Ask { origin: base.origin().clone(), ..plain(pass, route, Timestamp::MAX) }
}

/// Whether the request uses anything of the credentials.
#[must_use]
pub fn wants_credentials(route: &Route, call: Call) -> bool {
    let definition = &route.view.definition;
    match call.operation {
        Operation::Login => !definition.login_credentials().is_empty(),
        Operation::Refresh => !definition.refresh_uses().credentials.is_empty(),
    }
}

/// What is asked of the gate; and which credentials, if nobody was let in with them yet.
fn ask(operator: &Operator, pass: &Pass, route: &Route, call: Call) -> (Ask, Option<(String, String)>) {
    let mut ask = plain(pass, route, deadline(operator, pass, call.operation));
    let mut tries = None;
    // Another Secret can hold the same refresh token.
    ask.locks.extend(seed::about_to_be_spent(pass, call.operation));
    if let (Operation::Login, Some(content)) = (call.operation, pass.seen.credentials_content()) {
        let origin = ask.origin.to_string();
        // Until somebody has been let in with them, the same values are tried by one at a time, whoever holds them.
        if !operator.rejections.is_accepted(&origin, &content.fingerprint) {
            ask.locks.push(format!("{origin} {}", content.fingerprint));
            tries = Some((origin, content.fingerprint.clone()));
        }
    }
    (ask, tries)
}

fn deadline(operator: &Operator, pass: &Pass, operation: Operation) -> Timestamp {
    let facts = pass.seen.facts();
    let issued = facts.and_then(|facts| facts.issued.as_ref());
    let failure = facts.and_then(|facts| facts.failure(operation));
    schedule::deadline(pass.seen.token.created_at, issued, failure, operator.now())
}

/// Never two at once with the same credentials Secret.
fn plain(pass: &Pass, route: &Route, deadline: Timestamp) -> Ask {
    let seen = &pass.seen;
    let definition = &route.view.definition;
    let secret = match &seen.credentials {
        CredentialsView::There { uid, .. } => uid.clone(),
        _ => seen.token.uid.clone(),
    };
    Ask {
        provider: route.key.to_string(),
        origin: definition.origin().clone(),
        limits: definition.limits.clone(),
        namespace: seen.token.namespace.clone(),
        deadline,
        locks: vec![secret],
    }
}
