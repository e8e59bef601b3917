//! A request about a token that brings none, from its turn at the gate to what is remembered of it.
//!
//! It waits for nobody long, and nobody waits long for it: what cannot be sent soon is left out. It is no login: it
//! spends nothing, and says nothing against credentials.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::look_again;
use crate::{
    operator::{
        Operator, act, client_certificate, cluster::ApiError, metrics::ErrandOutcome, pass::Pass,
        pass_error::PassError, random, route::Route, turn, whereabouts,
    },
    provider::{
        definition::{BaseUrl, Definition, RequestForm},
        interpret::{Proof, Reply, Revocation, proof, retry_after, revocation},
        render::{Once, render_form},
        values::{Credentials, SessionValues, Values},
    },
    token::{
        decide::{Errand, Next, decide},
        schedule,
        session::Session,
    },
};

/// Longest time of a request; less where the provider's own timeout is shorter.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// A provider that wants to be left alone is left alone for so long at most.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// What came of it, for the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ran {
    pub errand: Errand,
    pub outcome: ErrandOutcome,
}

/// Runs it, if it is still wanted when its turn has come. `None`: something changed under the pass.
///
/// # Errors
/// When the operator stops, or what was found out cannot be stored.
pub async fn run(
    operator: &Operator,
    pass: &mut Pass,
    route: &Route,
    errand: Errand,
) -> Result<Option<Ran>, PassError> {
    let Some((base, form)) = request_of(&route.view.definition, errand) else { return Ok(None) };
    let now = operator.now();
    let Some(place) = turn::for_errand(operator, pass, route, base).await? else {
        settle(operator, pass, now);
        return Ok(Some(told(operator, route, errand, ErrandOutcome::LeftOut)));
    };
    if !look_again(operator, pass, form.uses_credentials() || route.view.definition.by_certificate).await? {
        return Ok(None);
    }
    let Some(route) = pass.route.clone() else { return Ok(None) };
    let Some((base, _)) = request_of(&route.view.definition, errand) else { return Ok(None) };
    if !place.covers(&turn::errand(pass, &route, base))
        || decide(&pass.seen, operator.now()).next != Next::Errand(errand)
    {
        return Ok(None);
    }
    if operator.stopping.is_cancelled() || operator.handover.has_begun() || !operator.claim.holds() {
        return Err(PassError::Stopping);
    }
    let reply = ask(operator, pass, &route, errand).await;
    let wait = reply.as_ref().and_then(retry_after).unwrap_or_default().min(LONGEST_WAIT);
    let wait = SignedDuration::try_from(wait).unwrap_or_default();
    settle(operator, pass, operator.now() + wait);
    let outcome = match errand {
        Errand::Probe => probed(operator, pass, &route, reply.as_ref()).await?,
        Errand::Revoke => asked_to_revoke(operator, pass, reply.as_ref()).await?,
    };
    Ok(Some(told(operator, &route, errand, outcome)))
}

fn request_of(definition: &Definition, errand: Errand) -> Option<(&BaseUrl, &RequestForm)> {
    match errand {
        Errand::Probe => definition.probe.as_ref().map(|probe| (&probe.base, &probe.request)),
        Errand::Revoke => definition.revoke.as_ref().map(|revoke| (&revoke.base, &revoke.request)),
    }
}

fn told(operator: &Operator, route: &Route, errand: Errand, outcome: ErrandOutcome) -> Ran {
    let provider = route.key.to_string();
    match errand {
        Errand::Probe => operator.metrics.probed(&provider, outcome),
        Errand::Revoke => operator.metrics.revoked(&provider, outcome),
    }
    Ran { errand, outcome }
}

fn settle(operator: &Operator, pass: &mut Pass, until: Timestamp) {
    operator.errands.settle(&pass.token.uid, until);
    pass.seen.last_errand = until;
}

/// `None`: it could not be sent, or there was no answer. Either proves nothing.
async fn ask(operator: &Operator, pass: &Pass, route: &Route, errand: Errand) -> Option<Reply> {
    let definition = match &route.view.definition {
        // What a client signs is addressed to the endpoint that its issuer names.
        definition if definition.issuer.is_some() => whereabouts::locate(operator, route).await?.ok()?,
        definition => definition.clone(),
    };
    let (base, form) = request_of(&definition, errand)?;
    let session = &pass.stored.as_ref()?.session;
    let none = Credentials::default();
    let values = Values {
        credentials: pass.credentials.as_ref().unwrap_or(&none),
        parameters: &route.view.parameters,
        uid: &pass.token.uid,
        session: Some(about(session, errand)?),
    };
    let (random, at) = (random::id(), operator.now());
    let request = render_form(base, form, &values, &Once { random: &random, at, shown: false }).ok()?;
    let limit = definition.limits.timeout.min(ANSWER_WITHIN);
    let now = || operator.now();
    let tls = client_certificate::of_pass(pass, route, &definition, at).ok()?;
    operator.egress.carry(request, &tls, route.tenancy, limit, &now).await.ok()
}

/// The token that a request is about; `None` if there is none to revoke.
fn about(session: &Session, errand: Errand) -> Option<SessionValues<'_>> {
    match errand {
        Errand::Revoke => session.revocable().map(|token| token.values()),
        Errand::Probe => {
            let material = session.material.as_ref()?;
            Some(SessionValues { refresh_token: None, ..material.values() })
        }
    }
}

async fn probed(
    operator: &Operator,
    pass: &mut Pass,
    route: &Route,
    reply: Option<&Reply>,
) -> Result<ErrandOutcome, ApiError> {
    let (Some(probe), Some(reply)) = (&route.view.definition.probe, reply) else {
        return Ok(ErrandOutcome::Unproven);
    };
    let proof = proof(probe, reply);
    let Some(mut session) = pass.stored.as_ref().map(|stored| stored.session.clone()) else {
        return Ok(ErrandOutcome::Unproven);
    };
    let before = session.facts.refusal.take();
    session.facts.refusal = match (proof, &session.facts.issued) {
        (Proof::Refused, Some(issued)) => {
            Some(Box::new(schedule::errand::refused(issued, before.as_deref(), probe, operator.now())))
        }
        (Proof::Good, _) => None,
        _ => before.clone(),
    };
    if session.facts.refusal != before {
        let urgency = pass.urgency();
        act::store_session(operator, pass, urgency, session).await?;
    }
    Ok(match proof {
        Proof::Good => ErrandOutcome::Good,
        Proof::Refused => ErrandOutcome::Refused,
        Proof::None => ErrandOutcome::Unproven,
    })
}

async fn asked_to_revoke(
    operator: &Operator,
    pass: &mut Pass,
    reply: Option<&Reply>,
) -> Result<ErrandOutcome, ApiError> {
    let Some(session) = pass.stored.as_ref().map(|stored| stored.session.clone()) else {
        return Ok(ErrandOutcome::Unproven);
    };
    let became = reply.map_or(Revocation::Failed, revocation);
    let next = session.facts.replaced.as_ref().filter(|_| session.revocable().is_some());
    let next = next.and_then(|replaced| schedule::errand::tried(replaced, operator.now()));
    let session = match next {
        Some(next) if became == Revocation::Failed => {
            let mut session = session;
            session.facts.replaced = Some(Box::new(next));
            session
        }
        _ => session.revoked(),
    };
    let urgency = pass.urgency();
    act::store_session(operator, pass, urgency, session).await?;
    Ok(match became {
        Revocation::Revoked => ErrandOutcome::Revoked,
        Revocation::Refused => ErrandOutcome::Refused,
        Revocation::Failed => ErrandOutcome::Unproven,
    })
}
