//! The loop: who is due gets a pass. Passes are cheap and unbounded; what is scarce has its own gates.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use futures::FutureExt;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    Operator,
    context::TICK,
    entry::{Key, Subject},
    flush,
    keeper::Keeper,
    provider_pass::{self, ProviderDone},
    queue::{Ended, Queue},
    reconcile::{self, Done},
    report,
    server::Health,
    tls_reading,
    watch::Progress,
};

/// A clock that is corrected by less changes nothing worth a look.
const SET_BACK: SignedDuration = SignedDuration::from_secs(5);
/// How often the gauges that are read off the loop are brought up to date, at most.
const REFRESHED_EVERY: Duration = Duration::from_secs(1);
/// A due pass that was not started for this long means that nothing moves any more.
const STUCK_AFTER: SignedDuration = SignedDuration::from_secs(60);
/// How long answers that were already obtained may still be stored when the operator stops or has lost its leadership.
const STORE_WITHIN: Duration = Duration::from_secs(60);
/// Most passes end within this when the operator stops. For those that do not, a provider hangs: another replica may renew
/// everybody else.
const HAND_OVER_AFTER: Duration = Duration::from_secs(5);
/// Between looks whether that may be done.
const HAND_OVER_EVERY: Duration = Duration::from_millis(500);
/// Longest wait when the operator stops: the longest timeout that a provider may have, and a while to store its answer. A
/// pod needs a grace period of a little more.
const FINISH_WITHIN: Duration = Duration::from_secs(5 * 60 + 20);
/// Between attempts to store what is unsaved, while nobody but the API server is in the way.
const OFFER_EVERY: SignedDuration = SignedDuration::from_secs(2);
/// Between attempts to store what is unsaved while the operator stops.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// Longest wait for the labels of namespaces at the start.
const NAMESPACES_WITHIN: Duration = Duration::from_secs(10);

/// The queue, seen by the loop and by `/livez`.
#[derive(Clone, Debug, Default)]
pub struct Schedule(Arc<Mutex<Queue>>);

impl Schedule {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Progress is what is alive, not a socket that answers.
    ///
    /// # Errors
    /// When a due pass was not started for 60 s.
    pub fn alive(&self, now: Timestamp) -> Result<(), String> {
        match self.lock().next_due() {
            Some(due) if due + STUCK_AFTER < now => Err(format!("a pass was due at {due} and was not started")),
            _ => Ok(()),
        }
    }
}

/// Runs until the operator is told to stop, or leads no more, and until the passes in flight have ended.
pub async fn run(
    operator: Arc<Operator>,
    mut woken: mpsc::UnboundedReceiver<Subject>,
    progress: Arc<Progress>,
    schedule: Schedule,
    health: Arc<Health>,
) {
    let mut passes = JoinSet::new();
    health.set_ready(false, "waiting for the first lists of the watches");
    let prepared = async {
        first_lists(&operator, &progress).await;
        stand_by(&operator, &mut woken, &progress, &health).await;
    };
    if operator.stopping.run_until_cancelled(prepared).await.is_none() {
        return;
    }
    remember(&operator);
    tls_reading::read_all(&operator).await;
    operator.errands.begin(operator.now());
    wake_all(&operator, &schedule);
    tracing::info!(tokens = operator.index.tokens(), "watching");
    let mut instruments = Instruments::default();
    let mut latest = operator.now();
    loop {
        instruments.refresh(&operator, &progress, &health);
        let now = operator.now();
        if now + SET_BACK < latest {
            tracing::warn!(from = %latest, to = %now, "the clock was set back; every ApiToken is looked at");
            wake_all(&operator, &schedule);
        }
        latest = now;
        let due = schedule.lock().take_due(now);
        for subject in due {
            match settled(&operator, &subject) {
                Some(how) => schedule.lock().ended(subject, how, operator.now()),
                None => drop(passes.spawn(pass(operator.clone(), subject))),
            }
        }
        tokio::select! {
            // Always in this order: the same events in the same order lead to the same passes.
            biased;
            () = operator.stopping.cancelled() => break,
            Some(Ok((subject, how))) = passes.join_next() => schedule.lock().ended(subject, how, operator.now()),
            Some(subject) = woken.recv() => {
                let now = operator.now();
                let mut queue = schedule.lock();
                queue.wake(subject, now);
                while let Ok(subject) = woken.try_recv() {
                    queue.wake(subject, now);
                }
            }
            () = tokio::time::sleep(until_due(&schedule, operator.now())) => {}
        }
    }
    health.set_ready(false, "stopping");
    finish(&operator, &mut passes).await;
}

fn wake_all(operator: &Operator, schedule: &Schedule) {
    let now = operator.now();
    let mut queue = schedule.lock();
    operator.index.all_subjects().into_iter().for_each(|subject| queue.wake(subject, now));
}

/// Waits for the passes in flight and for what they could not store, as long as it may.
async fn finish(operator: &Operator, passes: &mut JoinSet<(Subject, Ended)>) {
    tracing::info!(in_flight = passes.len(), "stopping; passes in flight are finished");
    let finished = async {
        while !passes.is_empty() {
            tokio::select! {
                _ = passes.join_next() => {}
                () = tokio::time::sleep(FLUSH_EVERY) => drop(flush::flush(operator).await),
            }
        }
        let all_stored = async {
            while !flush::flush(operator).await {
                tokio::time::sleep(FLUSH_EVERY).await;
            }
        };
        tokio::time::timeout(STORE_WITHIN, all_stored).await
    };
    let after_loss = async {
        operator.claim.lost().await;
        if operator.handover.has_begun() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(STORE_WITHIN).await;
    };
    let in_time = tokio::select! {
        finished = tokio::time::timeout(FINISH_WITHIN, finished) => matches!(finished, Ok(Ok(()))),
        () = after_loss => false,
        never = hand_over(operator) => match never {},
    };
    if !in_time {
        let unsaved = operator.unsaved.all().len();
        tracing::warn!(in_flight = passes.len(), unsaved, "stopping without them: they took too long");
    }
}

/// Gives up the Lease while requests are on their way. What they bring is stored as after a loss, if nobody has written
/// that session since; none of them presents a one-time token.
async fn hand_over(operator: &Operator) -> Infallible {
    tokio::time::sleep(HAND_OVER_AFTER).await;
    // What is lost, or nobody else wants, cannot be handed over.
    let leads = || !operator.claim.is_unopposed() && operator.claim.holds();
    // An answer that is not stored yet can hold the only copy of a token: the next leader must not find it missing.
    while !(leads() && operator.unsaved.is_empty() && operator.handover.begin()) {
        tokio::time::sleep(HAND_OVER_EVERY).await;
    }
    tracing::info!("another replica may lead; what is on its way is waited for");
    std::future::pending().await
}

/// Until this replica leads, its watches keep the index up to date and nobody is looked at.
async fn stand_by(
    operator: &Operator,
    woken: &mut mpsc::UnboundedReceiver<Subject>,
    progress: &Progress,
    health: &Health,
) {
    let mut instruments = Instruments::default();
    loop {
        instruments.refresh(operator, progress, health);
        tokio::select! {
            biased;
            () = operator.claim.gained() => return,
            // Everybody is looked at when it leads.
            Some(_) = woken.recv() => while woken.try_recv().is_ok() {},
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

/// What is read off the loop from time to time, and not at every turn.
#[derive(Debug, Default)]
struct Instruments {
    refreshed: Option<Instant>,
    waiting: BTreeMap<String, usize>,
    ramping: BTreeMap<String, u32>,
}

impl Instruments {
    fn refresh(&mut self, operator: &Operator, progress: &Progress, health: &Health) {
        if self.refreshed.is_some_and(|at| at.elapsed() < REFRESHED_EVERY) {
            return;
        }
        self.refreshed = Some(Instant::now());
        let failing = progress.failing(operator.now());
        health.set_ready(failing.is_empty(), format!("failing watches: {}", failing.join(", ")));
        let waiting = operator.gate.waiting_by_provider();
        for provider in self.waiting.keys().filter(|provider| !waiting.contains_key(*provider)) {
            operator.metrics.gate_waiting(provider, 0);
        }
        for (provider, waiting) in &waiting {
            operator.metrics.gate_waiting(provider, *waiting);
        }
        self.waiting = waiting;
        let ramping = operator.gate.ramping_by_provider();
        for provider in self.ramping.keys().filter(|provider| !ramping.contains_key(*provider)) {
            operator.metrics.gate_concurrency(provider, None);
        }
        for (provider, most) in &ramping {
            operator.metrics.gate_concurrency(provider, Some(*most));
        }
        self.ramping = ramping;
    }
}

/// No pass runs before every watch has delivered its first list: what is missing would look as if it were gone.
async fn first_lists(operator: &Operator, progress: &Progress) {
    progress.completed().await;
    if operator.index.needs_namespaces()
        && tokio::time::timeout(NAMESPACES_WITHIN, progress.namespaces_listed()).await.is_err()
    {
        tracing::warn!("the labels of namespaces could not be listed yet; providers that select by them have to wait");
    }
}

/// What is remembered of refused credentials, or of a login that was interrupted, counts before the first login.
fn remember(operator: &Operator) {
    operator.index.visit_sessions(|key, facts| {
        if let Some(intent) = &facts.intent {
            operator.rejections.remember_interrupted(intent);
        }
        // What is good for one login is not refused for all: see `exchange`.
        if let Some(failure) = facts.login_failure.as_ref().filter(|_| facts.user.is_none()) {
            operator.rejections.remember(failure, key);
        }
    });
}

fn until_due(schedule: &Schedule, now: Timestamp) -> Duration {
    let due = schedule.lock().next_due();
    due.map_or(TICK, |due| Duration::try_from(due.duration_since(now)).unwrap_or_default().min(TICK))
}

/// The end of a pass that has nothing to do, as most have: it needs no task. After a restart all are of that kind.
fn settled(operator: &Operator, subject: &Subject) -> Option<Ended> {
    let Subject::Token(key) = subject else { return None };
    let started = Instant::now();
    // A panic is left to the pass, which tells it.
    let done = std::panic::catch_unwind(AssertUnwindSafe(|| reconcile::at_a_glance(operator, key))).ok()??;
    report::told(operator, key, &done, &Ok(()), started.elapsed());
    Some(done.ended())
}

/// An answer that could not be stored yet is offered without a growing back-off: its token may be the only one that
/// lives. There are never more of them than requests that were in flight.
fn keeps_an_answer(operator: &Operator, key: &Key) -> bool {
    operator.index.token(key).is_some_and(|token| {
        let keeper = Keeper::last(&operator.index, &token);
        keeper.uid(&token).is_some_and(|uid| operator.unsaved.has(uid))
    })
}

async fn pass(operator: Arc<Operator>, subject: Subject) -> (Subject, Ended) {
    let started = Instant::now();
    let ended = match &subject {
        Subject::Provider(key) => {
            let result = AssertUnwindSafe(Box::pin(provider_pass::reconcile(&operator, key))).catch_unwind().await;
            result.map(|result| match result {
                Ok(ProviderDone::Gone) => Ended::Gone,
                Ok(ProviderDone::Unchanged) => Ended::Until(tls_reading::look_again(&operator, key)),
                Ok(ProviderDone::Reported) => {
                    tracing::info!(provider = %key, "reported on the provider");
                    Ended::Until(tls_reading::look_again(&operator, key))
                }
                Err(error) if error.is_conflict() || error.is_not_found() => {
                    Ended::Until(tls_reading::look_again(&operator, key))
                }
                Err(error) => {
                    tracing::warn!(provider = %key, %error, "cannot report on the provider");
                    Ended::Failed(error.wanted_wait())
                }
            })
        }
        Subject::Token(key) => {
            // In a place of its own: tens of thousands may wait here for their turn.
            let mut done = Box::<Done>::default();
            let result = AssertUnwindSafe(reconcile::reconcile(&operator, key, &mut done)).catch_unwind().await;
            result.map(|result| {
                report::told(&operator, key, &done, &result, started.elapsed());
                match result {
                    Ok(()) => done.ended(),
                    Err(error) if error.is_race() => Ended::Raced,
                    Err(error) if !error.needs_somebody() && keeps_an_answer(&operator, key) => {
                        Ended::Until(Some(operator.now() + OFFER_EVERY))
                    }
                    Err(error) => Ended::Failed(error.wanted_wait()),
                }
            })
        }
    };
    let ended = ended.unwrap_or_else(|_| {
        report::panicked(&operator, &subject, started.elapsed());
        Ended::Failed(Duration::ZERO)
    });
    (subject, ended)
}
