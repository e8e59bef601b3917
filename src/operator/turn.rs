//! A pass's turn at the provider: what is asked of the gate, and whether what was read before still counts when the turn
//! has come.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, timeout};

use super::{
    Operator,
    gate::{Ask, Permit},
    observe,
    pass::Pass,
    pass_error::PassError,
    route::Route,
    seed, whereabouts,
};
use crate::{
    api::http::Operation,
    provider::definition::BaseUrl,
    token::{decide::Call, observation::CredentialsView},
};

/// What was read longer ago than this counts before a request only if the watches have shown no change since.
const STILL_FRESH: Duration = Duration::from_millis(250);
/// What was read longer ago than this is read again before the provider is asked: a watch can die silently.
const STALE: Duration = Duration::from_secs(10);
/// The deadline of a first issue, for the order in which the gate admits.
const FIRST_ISSUE_WITHIN: SignedDuration = SignedDuration::from_secs(60);
/// What brings no token and has no turn by then is left out: the renewal of this very token must not wait for it.
const ERRAND_WITHIN: Duration = Duration::from_secs(10);

/// A place at the provider, and since when the pass has it.
pub struct Turn {
    _permit: Permit,
    at: Instant,
    waited: Duration,
}

impl Turn {
    /// Waits for a place for this request.
    ///
    /// # Errors
    /// When the operator stops.
    pub async fn wait_for(operator: &Operator, pass: &mut Pass, route: &Route, call: Call) -> Result<Self, PassError> {
        let asked = Instant::now();
        let permit = loop {
            let accepted = operator.rejections.next_acceptance();
            let ask = ask(operator, pass, route, call);
            let tries_new_credentials = ask.locks.len() > 1;
            tokio::select! {
                biased;
                () = operator.stopping.cancelled() => return Err(PassError::Stopping),
                permit = operator.gate.admit(ask) => break permit,
                // Perhaps these very ones were accepted, and the lock on them is not needed any more.
                () = accepted, if tries_new_credentials => {}
            }
        };
        // What was read is looked at after this, which can take as long as a request.
        whereabouts::locate(operator, route).await.ok_or(PassError::Stopping)?.ok();
        let turn = Self { _permit: permit, at: Instant::now(), waited: asked.elapsed() };
        // Who held the lock before may have found out that these credentials are refused.
        observe::remember_rejection(operator, pass);
        Ok(turn)
    }

    /// What the pass has read can still be relied on.
    #[must_use]
    pub fn is_fresh(&self, operator: &Operator, pass: &Pass) -> bool {
        let Some(read) = pass.read_at else { return false };
        read >= self.at || self.waited < STILL_FRESH || read.elapsed() < STALE && observe::is_current(operator, pass)
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
    let ask = Ask { origin: base.origin().clone(), deadline: Timestamp::MAX, ..plain(pass, route) };
    tokio::select! {
        biased;
        () = operator.stopping.cancelled() => Err(PassError::Stopping),
        permit = timeout(ERRAND_WITHIN, operator.gate.admit(ask)) => Ok(permit.ok()),
    }
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

fn ask(operator: &Operator, pass: &Pass, route: &Route, call: Call) -> Ask {
    let mut ask = plain(pass, route);
    // Another Secret can hold the same refresh token.
    ask.locks.extend(seed::about_to_be_spent(pass, call.operation));
    if let (Operation::Login, Some(content)) = (call.operation, pass.seen.credentials_content()) {
        let origin = ask.origin.to_string();
        // Until somebody has been let in with them, the same values are tried by one at a time, whoever holds them.
        if !operator.rejections.is_accepted(&origin, &content.fingerprint) {
            ask.locks.push(format!("{origin} {}", content.fingerprint));
        }
    }
    ask
}

/// By the token's expiry, and never two at once with the same credentials Secret.
fn plain(pass: &Pass, route: &Route) -> Ask {
    let seen = &pass.seen;
    let issued = seen.facts().and_then(|facts| facts.issued.as_ref());
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
        deadline: issued.map_or_else(|| seen.token.created_at + FIRST_ISSUE_WITHIN, |issued| issued.expires_at),
        locks: vec![secret],
    }
}
