//! One request to a provider, from the intent to the stored answer.
//!
//! The order is the refresh-token protocol: intent, request, session; output and status follow in the pass. An answer
//! that cannot be stored is kept in memory until it can. Without the claim no request starts.

use std::time::{Duration, Instant};

use super::{
    Operator, act, bearing, client_certificate,
    cluster::{ApiError, Urgency},
    egress::Cause,
    failure_record::{blank_record, record_of},
    pass::Pass,
    random,
    route::Route,
    seed,
    unsaved::{Answer as Unsaved, Basis},
    whereabouts,
};
use crate::{
    api::http::{FailureClass, Operation},
    provider::{
        definition::Definition,
        grant::{Failure, Grant},
        interpret::interpret,
        render::{Once, hinted, render},
        values::{Credentials, Values},
    },
    token::{
        decide::Call,
        facts::{FailureRecord, Intent, SeenCredentials},
        observation::Rejection,
        schedule,
        session::{Circumstances, Session},
    },
};

/// How long an answer is offered to an API server that does not take it, before the pass gives up and keeps it.
const STORE_AGAIN_AFTER: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(500), Duration::from_millis(1500)];

/// What came of a request, for the report.
#[derive(Clone, Debug)]
pub struct Asked {
    pub operation: Operation,
    /// `None`: tokens were given.
    pub failure: Option<(FailureClass, String)>,
    pub took: Duration,
}

/// What the provider's answer means for the session.
enum Answer {
    Granted(Grant),
    /// The session cannot be refreshed any more: a login follows at once, where one can be made.
    Ended(Failure),
    /// The login has presented, or perhaps has, what was good for one.
    Spent(Failure),
    Failed(Failure),
}

/// Asks the provider once, and stores what came of it. `None`: it was not asked, because the operator stops or leads no
/// more.
///
/// # Errors
/// When the intent or the answer cannot be stored. After the provider has answered, the answer is kept.
pub async fn exchange(
    operator: &Operator,
    pass: &mut Pass,
    route: &Route,
    call: Call,
) -> Result<Option<Asked>, ApiError> {
    if operator.stopping.is_cancelled() {
        return Ok(None);
    }
    let begun = tokio::time::Instant::now();
    // Before the intent: a login that cannot be sent anywhere is not spent.
    let definition = match whereabouts::locate(operator, route).await {
        None => return Ok(None),
        Some(Ok(definition)) => definition,
        Some(Err(failure)) => {
            let told = (failure.class, failure.message.clone());
            bearing::note(operator, pass, route, begun, Some(&failure));
            whereabouts::not_found(operator, pass, route, call.operation, &failure).await?;
            return Ok(Some(Asked { operation: call.operation, failure: Some(told), took: Duration::ZERO }));
        }
    };
    let _barrier = if seed::presents_once(&route.view.definition, call.operation) {
        let Some(barrier) = operator.handover.bar() else { return Ok(None) };
        Some(barrier)
    } else {
        None
    };
    if let Some(count) = call.intent {
        record_intent(operator, pass, route, call.operation, count).await?;
    }
    if operator.handover.has_begun() || !operator.claim.holds() {
        seed::take_back(operator, pass).await;
        return Ok(None);
    }
    let started = Instant::now();
    let answer = ask(operator, pass, route, &definition, call.operation).await;
    let took = started.elapsed();
    let failure = match &answer {
        Answer::Granted(_) => None,
        Answer::Ended(failure) | Answer::Spent(failure) | Answer::Failed(failure) => Some(failure),
    };
    bearing::note(operator, pass, route, begun, failure);
    let failure = failure.map(|failure| (failure.class, failure.message.clone()));
    let outcome = failure.as_ref().map_or(Ok(()), |(class, _)| Err(*class));
    operator.metrics.provider_request(&route.key.to_string(), call.operation, outcome, took);
    store_answer(operator, pass, route, call, answer).await?;
    Ok(Some(Asked { operation: call.operation, failure, took }))
}

/// Remembers with this session, too, what another ApiToken's attempt has shown of the same credentials.
///
/// # Errors
/// As [`act::store_session`].
pub async fn adopt(operator: &Operator, pass: &mut Pass, route: &Route, rejection: &Rejection) -> Result<(), ApiError> {
    let record = FailureRecord {
        class: FailureClass::Rejected,
        count: rejection.count,
        at: rejection.at,
        next_at: rejection.next_at,
        reason: rejection.reason.clone(),
        message: rejection.message.clone(),
        ..blank_record(pass, route)
    };
    let credentials = pass.seen.credentials_content().cloned();
    let session = pass.current_session().failed(Operation::Login, record, credentials);
    let urgency = pass.urgency();
    act::store_session(operator, pass, urgency, session).await
}

async fn record_intent(
    operator: &Operator,
    pass: &mut Pass,
    route: &Route,
    operation: Operation,
    count: u32,
) -> Result<(), ApiError> {
    let intent = Intent {
        id: random::id(),
        operation,
        at: schedule::whole_seconds(operator.now()),
        count,
        provider_fingerprint: route.view.fingerprint.clone(),
        credentials_fingerprint: pass.seen.credentials_content().map(|content| content.fingerprint.clone()),
        seed: seed::about_to_be_spent(pass, operation),
    };
    let (uid, id) = (pass.keeper_uid().to_owned(), intent.id.clone());
    let session = seed::used_by_us(pass, pass.current_session()).intending(intent);
    let urgency = pass.urgency();
    let stored = act::store_session(operator, pass, urgency, session).await;
    if stored.is_err() {
        // It may be there all the same, but the request is not made.
        operator.unsaved.never_sent(&uid, &id);
    }
    stored
}

async fn ask(operator: &Operator, pass: &Pass, route: &Route, definition: &Definition, operation: Operation) -> Answer {
    let none = Credentials::default();
    let session =
        pass.stored.as_ref().and_then(|stored| stored.session.material.as_ref()).map(|material| material.values());
    let session = session.filter(|_| operation == Operation::Refresh);
    let values = Values {
        credentials: pass.credentials.as_ref().unwrap_or(&none),
        parameters: &route.view.parameters,
        uid: &pass.token.uid,
        session,
    };
    let (random, at) = (random::id(), operator.now());
    let request = match render(definition, operation, &values, &Once { random: &random, at, shown: false }) {
        Ok(request) => request,
        Err(error) => return Answer::Failed(error.into()),
    };
    let one_time = seed::presents_once(definition, operation);
    let now = || operator.now();
    let tls = match client_certificate::of_pass(pass, route, definition, at) {
        Ok(tls) => tls,
        Err(error) => return Answer::Failed(error.into()),
    };
    let sent = operator.egress.carry(request, &tls, route.tenancy, definition.limits.timeout, &now);
    match sent.await {
        Ok(reply) => match interpret(definition, operation, &reply, session) {
            Ok(grant) if operation == Operation::Login => {
                Answer::Granted(seed::without_seed(grant, definition, values.credentials))
            }
            Ok(grant) => Answer::Granted(grant),
            Err(failure) => {
                let (failure, untaken) = operator.discovery.judge(route, failure);
                refused(operation, hinted(failure, false, definition, operation, &values), one_time && !untaken)
            }
        },
        Err(unanswered) => {
            let maybe_spent = one_time && unanswered.request_was_sent();
            let failure = Failure::without_answer(unanswered.class(), unanswered.to_string());
            let closed = unanswered.cause == Cause::Closed;
            let (failure, _) = operator.discovery.judge(route, failure);
            refused(operation, hinted(failure, closed, definition, operation, &values), maybe_spent)
        }
    }
}

/// A one-time token that may have been taken is not presented again to find out (RFC 9700 section 4.14).
fn refused(operation: Operation, failure: Failure, maybe_spent: bool) -> Answer {
    match failure.class {
        _ if maybe_spent && operation == Operation::Login => Answer::Spent(failure),
        FailureClass::SessionOver if operation == Operation::Refresh => Answer::Ended(failure),
        FailureClass::Transient if maybe_spent => Answer::Ended(failure),
        _ => Answer::Failed(failure),
    }
}

async fn store_answer(
    operator: &Operator,
    pass: &mut Pass,
    route: &Route,
    call: Call,
    answer: Answer,
) -> Result<(), ApiError> {
    let mut session = pass.current_session();
    session.facts.handled_request.clone_from(&pass.token.refresh_requested);
    let seen = pass.seen.credentials_content().cloned();
    if let (Operation::Login, Some(seen)) = (call.operation, &seen) {
        operator.rejections.forget_interrupted(&route.view.fingerprint, &seen.fingerprint);
    }
    let session = match answer {
        Answer::Granted(grant) => {
            note_success(operator, route, call.operation, &grant, seen.as_ref());
            let (before, revoke) = (session.clone(), route.view.definition.revoke.as_deref());
            session.granted(grant, circumstances(route, call, seen)).replacing(&before, revoke)
        }
        Answer::Ended(failure) if pass.is_good_for_one_login() => {
            let record = record_of(operator, pass, route, call.operation, &failure);
            session.ended_for_good(seed::for_good(record))
        }
        Answer::Spent(failure) => {
            let record = record_of(operator, pass, route, call.operation, &failure);
            session.failed(call.operation, seed::for_good(record), seen)
        }
        Answer::Failed(failure) if pass.is_good_for_one_login() => {
            let record = record_of(operator, pass, route, call.operation, &failure);
            if call.operation == Operation::Login {
                session.facts.drop_intent();
            }
            session.failed(call.operation, record, seen)
        }
        Answer::Ended(_) => {
            // Not stored: a login follows in this pass, and its outcome is.
            let grant = session.facts.issued.as_ref().map(|issued| issued.grant.clone()).unwrap_or_default();
            pass.end_session(&grant);
            return Ok(());
        }
        Answer::Failed(failure) => {
            let record = record_of(operator, pass, route, call.operation, &failure);
            // A refresh that fails in another way says nothing of the credentials.
            if call.operation == Operation::Login || record.class == FailureClass::Rejected {
                operator.rejections.failed(&record, pass.at, &pass.key);
            }
            session.failed(call.operation, record, seen)
        }
    };
    store_until_stored(operator, pass, session).await
}

/// Tries for a moment; then the answer is kept in memory for the passes to come. After a conflict the next one reads who
/// wrote: somebody who asked the provider, too, or somebody who only labelled the Secret.
async fn store_until_stored(operator: &Operator, pass: &mut Pass, mut session: Session) -> Result<(), ApiError> {
    let uid = pass.keeper_uid().to_owned();
    let base = pass.stored.as_ref().and_then(|stored| stored.at.clone());
    let basis = pass.stored.as_ref().map(|stored| Basis::of(&stored.session.facts)).unwrap_or_default();
    let answer = Unsaved { key: pass.key.clone(), base, basis: basis.clone(), session: session.clone() };
    for pause in STORE_AGAIN_AFTER {
        match act::store_session(operator, pass, Urgency::Answer, session.clone()).await {
            Err(error) if error.is_passing() => tokio::time::sleep(pause).await,
            Err(error) if error.is_conflict() && seed::was_taken_over(operator, pass, &basis, &mut session).await => {}
            Err(error) => {
                if !error.is_not_found() {
                    operator.unsaved.keep(&uid, answer);
                }
                return Err(error);
            }
            Ok(()) => return Ok(()),
        }
    }
    operator.unsaved.keep(&uid, answer);
    act::store_session(operator, pass, Urgency::Answer, session).await?;
    operator.unsaved.forget(&uid);
    Ok(())
}

fn circumstances(route: &Route, call: Call, credentials: Option<SeenCredentials>) -> Circumstances {
    let definition = &route.view.definition;
    let suggested = definition.output.iter().map(|(key, template)| (key.clone(), template.source().to_owned()));
    Circumstances {
        id: random::id(),
        operation: call.operation,
        occasion: call.occasion,
        provider_fingerprint: route.view.fingerprint.clone(),
        credentials,
        session_limit: definition.refresh.as_ref().and_then(|refresh| refresh.session_limit),
        suggested_output: suggested.collect(),
    }
}

fn note_success(
    operator: &Operator,
    route: &Route,
    operation: Operation,
    grant: &Grant,
    credentials: Option<&SeenCredentials>,
) {
    if let Some(offset) = grant.clock_offset {
        operator.metrics.clock_offset(&route.key.to_string(), offset.as_secs_f64());
    }
    if let (Operation::Login, Some(credentials)) = (operation, credentials) {
        let origin = route.view.definition.origin().to_string();
        operator.wake_tokens(operator.rejections.accept(&origin, &credentials.fingerprint));
    }
}
