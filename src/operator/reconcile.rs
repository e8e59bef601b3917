//! A whole pass over one ApiToken: observe, decide, act; session, output, status.
//!
//! Contains neither metrics nor events: what a pass did is its return value, and `report` tells it.

mod errand;

use k8s_openapi::jiff::Timestamp;

use super::{
    Operator, act,
    cluster::Urgency,
    entry::Key,
    exchange::{self, Asked},
    expiry, observe,
    pass::Pass,
    pass_error::PassError,
    project,
    queue::Ended,
    route::Route,
    seed,
    turn::{Place, Turn, wants_credentials},
    whereabouts,
};
use crate::{
    api::{ApiTokenStatus, reasons},
    token::{
        decide::{Decision, Next, OutputStep, Wait, Why, decide},
        observation::Block,
        output::secret_name,
        status,
    },
};

/// A refused refresh is followed by one login; each needs a read at most. More steps mean that the world moves faster
/// than the pass: it starts again.
const MOST_STEPS: usize = 12;

pub use errand::Ran;

/// What a pass did.
#[derive(Debug, Default)]
pub struct Done {
    pub asked: Vec<Asked>,
    /// Requests that bring no token.
    pub ran: Vec<Ran>,
    pub adopted: bool,
    pub projected: bool,
    pub status: Option<(ApiTokenStatus, ApiTokenStatus)>,
    /// When to look again; `None`: the object is gone, or only an event can change anything.
    pub until: Option<Timestamp>,
    pub gone: bool,
    pub raced: bool,
}

/// How far the steps of a pass have come.
enum Settled {
    /// There is nothing to do but wait.
    Wait(Wait),
    /// Something changed under the pass.
    Raced,
    /// It is the turn of others for a while.
    InLine(Place),
}

/// The whole pass, where the index alone shows that there is nothing to do but wait.
#[must_use]
pub fn at_a_glance(operator: &Operator, key: &Key) -> Option<Done> {
    let now = operator.now();
    let Some(pass) = observe::glance(operator, key, now) else {
        return Some(Done { gone: true, ..Done::default() });
    };
    let Decision { output: OutputStep::Keep, next: Next::Wait(wait) } = decide(&pass.seen, now) else { return None };
    let reported = &pass.token.reported;
    let new = status::report(&reported.outline(), &pass.seen, &wait, now);
    let told = pass.seen.token.deleting || reported.is(&new);
    told.then(|| Done { until: wait.until, ..Done::default() })
}

/// Brings one ApiToken as far as it can be brought now.
///
/// # Errors
/// When the API server does not do its part. What was done before stays recorded in `done`.
pub async fn reconcile(operator: &Operator, key: &Key, done: &mut Done) -> Result<(), PassError> {
    let (mut turn, mut ended) = (None, None);
    // Whoever waits long holds no more than a place in the line: there may be as many as there are ApiTokens.
    while let Some(place) = Box::pin(attempt(operator, key, turn.take(), &mut ended, done)).await? {
        let mut expired = None;
        let come = tokio::select! {
            biased;
            come = place.wait(operator, key) => come,
            never = expiry::report(operator, key, &mut expired) => match never {},
        };
        done.status = expired.or_else(|| done.status.take());
        turn = come?;
    }
    Ok(())
}

/// The pass with the turn it has, until it has ended or stands in line for another. `ended`: the grant whose session
/// cannot be refreshed any more, as only this pass knows.
async fn attempt(
    operator: &Operator,
    key: &Key,
    turn: Option<Turn>,
    ended: &mut Option<String>,
    done: &mut Done,
) -> Result<Option<Place>, PassError> {
    let Some(mut pass) = observe::glance(operator, key, operator.now()) else {
        done.gone = true;
        return Ok(None);
    };
    if let Some(grant) = ended.take() {
        pass.end_session(&grant);
    }
    let mut expired = None;
    let settled = tokio::select! {
        biased;
        settled = settle(operator, &mut pass, turn, done) => settled,
        never = expiry::report(operator, key, &mut expired) => match never {},
    };
    done.status = expired.or_else(|| done.status.take());
    let wait = match settled {
        Ok(Settled::Wait(wait)) => wait,
        Ok(Settled::InLine(place)) => {
            *ended = pass.ended_grant();
            return Ok(Some(place));
        }
        Ok(Settled::Raced) => {
            done.raced = true;
            return Ok(None);
        }
        Err(error) => {
            if error.needs_somebody() {
                report_status(operator, &pass, &refused(&error), done).await?;
            }
            return Err(error);
        }
    };
    report_status(operator, &pass, &wait, done).await?;
    done.until = wait.until;
    Ok(None)
}

async fn report_status(operator: &Operator, pass: &Pass, wait: &Wait, done: &mut Done) -> Result<(), PassError> {
    let now = operator.now();
    let old = pass.token.reported.outline();
    let new = status::report(&old, &pass.seen, wait, now);
    if !pass.seen.token.deleting && Box::pin(act::report(operator, pass, &new, now)).await? {
        done.status = Some((old, new));
    }
    Ok(())
}

/// The API server refuses something that only people can change: rights, a quota, an admission policy.
fn refused(error: &PassError) -> Wait {
    Wait { until: None, why: Why::Blocked(Block::new(reasons::PENDING, error.to_string())) }
}

/// Takes steps until there is nothing to do but wait.
async fn settle(
    operator: &Operator,
    pass: &mut Pass,
    mut turn: Option<Turn>,
    done: &mut Done,
) -> Result<Settled, PassError> {
    // Edited meanwhile, it can be the turn of another provider, and nobody is asked on that one's account.
    if let (Some(come), Some(route)) = (turn.take(), pass.route.clone())
        && come.is_at(pass, &route)
    {
        turn = Some(located(operator, come, &route).await?);
    }
    for _ in 0..MOST_STEPS {
        let Decision { output, next } = decide(&pass.seen, operator.now());
        match (next, pass.route.clone()) {
            (Next::Wait(wait), _) => {
                drop(turn.take());
                let ended = Box::pin(finish(operator, pass, output, wait, done)).await?;
                return Ok(ended.map_or(Settled::Raced, Settled::Wait));
            }
            (Next::Call(call), Some(route)) => match &turn {
                Some(come) if !come.is_fresh(operator, pass) => {
                    if !look_again(operator, pass, wants_credentials(&route, call)).await? {
                        return Ok(Settled::Raced);
                    }
                }
                // What was read since wants a turn of another kind.
                Some(come) if !come.is_for(operator, pass, &route, call) => turn = None,
                // Admitted: what was read is either fresh or read again, and still says so.
                Some(come) if come.may_send(operator, pass, call) => {
                    let asked = Box::pin(exchange::exchange(operator, pass, &route, call)).await?;
                    done.asked.push(asked.ok_or(PassError::Stopping)?);
                    observe::remember_rejection(operator, pass);
                    turn = None;
                }
                Some(_) => Box::pin(observe::fetch_credentials(operator, pass, operator.now())).await?,
                None => match Place::take(operator, pass, &route, call).soon(operator, pass, &route, call).await? {
                    Ok(come) => turn = Some(located(operator, come, &route).await?),
                    Err(place) => return Ok(Settled::InLine(place)),
                },
            },
            (Next::Adopt(rejection), Some(route)) => {
                if pass.stored.is_none() {
                    if !look_again(operator, pass, false).await? {
                        return Ok(Settled::Raced);
                    }
                    continue;
                }
                Box::pin(exchange::adopt(operator, pass, &route, &rejection)).await?;
                done.adopted = true;
            }
            (Next::Errand(wanted), Some(route)) => {
                turn = None;
                match Box::pin(errand::run(operator, pass, &route, wanted)).await? {
                    Some(ran) => done.ran.push(ran),
                    None => return Ok(Settled::Raced),
                }
            }
            (Next::Look | Next::Errand(_) | Next::Call(_) | Next::Adopt(_), _) => {
                if pass.stored.is_some() || !look_again(operator, pass, false).await? {
                    return Ok(Settled::Raced);
                }
            }
        }
    }
    Ok(Settled::Raced)
}

/// The turn, once it is known where the request goes. That can take as long as a request: what was read is looked at after
/// it.
async fn located(operator: &Operator, turn: Turn, route: &Route) -> Result<Turn, PassError> {
    Box::pin(whereabouts::locate(operator, route)).await.ok_or(PassError::Stopping)?.ok();
    Ok(turn)
}

/// The last step: the output, when it has to be written.
async fn finish(
    operator: &Operator,
    pass: &mut Pass,
    output: OutputStep,
    mut wait: Wait,
    done: &mut Done,
) -> Result<Option<Wait>, PassError> {
    if output == OutputStep::Keep {
        return Ok(Some(wait));
    }
    let now = operator.now();
    if let Some(until) = operator.duels.is_contested(&pass.seen, now) {
        wait.until = Some(wait.until.map_or(until, |at| at.min(until)));
        wait.why = Why::Blocked(contested(pass));
        return Ok(Some(wait));
    }
    if pass.stored.is_none() && !look_again(operator, pass, false).await? {
        return Ok(None);
    }
    if !operator.index.token(&pass.key).is_some_and(|token| token.uid == pass.token.uid && !token.deleting) {
        // Deleted while the provider was asked: without its owner nothing would ever remove the output.
        return Ok(None);
    }
    if pass.seen.output.plan.is_none() {
        // Neither the provider nor the session can tell what the output should be: what is there stays.
        return Ok(Some(wait));
    }
    operator.duels.note(&pass.seen, now);
    project::project(operator, pass).await?;
    done.projected = true;
    // What is waited for can have changed with what was read.
    match decide(&pass.seen, operator.now()) {
        Decision { output: OutputStep::Keep, next: Next::Wait(wait) } => Ok(Some(wait)),
        _ => Ok(None),
    }
}

/// The output is written again and again by somebody else; it is left alone for a while.
fn contested(pass: &Pass) -> Block {
    let name = secret_name(&pass.key.name, &pass.token.spec);
    let message = format!(
        "somebody else keeps writing into Secret {name:?}; it is left alone for a minute. Find out who: \
         kubectl get secret {name} -n {} -o yaml --show-managed-fields",
        pass.key.namespace
    );
    Block::new(reasons::OUTPUT_CONFLICT, message)
}

/// Reads everything anew into the pass. `false`: the ApiToken is gone.
async fn look_again(operator: &Operator, pass: &mut Pass, wants_credentials: bool) -> Result<bool, PassError> {
    let Some(read) = Box::pin(observe::look(operator, &pass.key, wants_credentials)).await? else {
        return Ok(false);
    };
    let ended = pass.ended_grant();
    *pass = read;
    if let Some(grant) = ended {
        pass.end_session(&grant);
    }
    // An answer that could not be stored before comes first: nothing may be asked before it is safe.
    let Some(stored) = &pass.stored else { return Ok(true) };
    if let Some(answer) = operator.unsaved.answer_to(pass.keeper_uid(), stored) {
        Box::pin(act::store_session(operator, pass, Urgency::Answer, answer)).await?;
        operator.unsaved.forget(pass.keeper_uid());
    }
    if observe::is_free(pass) {
        // Nothing is made of a session before it says whose it is: two could use it.
        let (session, urgency) = (seed::used_by_us(pass, pass.current_session()), pass.urgency());
        Box::pin(act::store_session(operator, pass, urgency, session)).await?;
    }
    Ok(true)
}

impl Done {
    /// How the pass ended, for the queue.
    #[must_use]
    pub fn ended(&self) -> Ended {
        match self {
            Self { gone: true, .. } => Ended::Gone,
            Self { raced: true, .. } => Ended::Raced,
            Self { until, .. } => Ended::Until(*until),
        }
    }
}
