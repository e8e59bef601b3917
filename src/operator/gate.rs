//! Where requests to providers wait for their turn.
//!
//! A thin shell around [`Admission`], which decides; this waits, wakes and gives back. Holds nothing of a request but
//! what [`Ask`] says.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep_until},
};

use super::admission::{Admission, TicketId};

pub use super::admission::{Ask, OriginLimits};

/// One gate for all providers.
pub struct Gate {
    shared: Arc<Shared>,
}

/// A place in the line. Dropping it gives the place up.
#[must_use = "whoever is not waited for is passed over"]
pub struct Ticket {
    leaving: Leaving,
    called: oneshot::Receiver<()>,
}

/// Leave to send one request. Dropping it gives the place to the next: keep it until the reply is there.
#[must_use = "the request may be sent only while the permit is held"]
pub struct Permit {
    leaving: Leaving,
}

struct Shared {
    state: Mutex<State>,
    /// The timer was set to something earlier, or the gate is gone.
    timer_changed: Arc<Notify>,
}

struct State {
    admission: Admission,
    waiting: HashMap<TicketId, oneshot::Sender<()>>,
    timer: Option<Instant>,
}

/// Takes a ticket out however its owner ends: admitted and done, or cancelled while it waited.
struct Leaving {
    shared: Arc<Shared>,
    id: TicketId,
}

impl Gate {
    /// A gate with nobody before it. Must be called within a Tokio runtime: it starts the gate's one timer task, which
    /// ends with the gate.
    #[must_use]
    pub fn new(limits: OriginLimits) -> Self {
        let state = State { admission: Admission::new(limits), waiting: HashMap::new(), timer: None };
        let shared = Arc::new(Shared { state: Mutex::new(state), timer_changed: Arc::new(Notify::new()) });
        tokio::spawn(keep_time(Arc::downgrade(&shared), Arc::clone(&shared.timer_changed)));
        Self { shared }
    }

    /// Waits until the request may be sent. Dropping the future gives the place up.
    pub async fn admit(&self, ask: Ask) -> Permit {
        let mut ticket = self.enqueue(ask);
        ticket.called().await;
        ticket.into()
    }

    /// Takes a place in the line.
    pub fn enqueue(&self, ask: Ask) -> Ticket {
        let (sender, called) = oneshot::channel();
        let mut state = self.shared.lock();
        let id = state.admission.enqueue(ask, now());
        state.waiting.insert(id, sender);
        self.shared.call_next(&mut state);
        Ticket { leaving: Leaving { shared: Arc::clone(&self.shared), id }, called }
    }

    /// The provider refused a request with `credential` for the rate: see [`Admission::rate_limited`]. Returns whether
    /// the whole provider is paused by that.
    pub fn rate_limited(&self, provider: &str, credential: &str, retry_after: Option<Duration>) -> bool {
        let mut state = self.shared.lock();
        let paused = state.admission.rate_limited(provider, credential, retry_after, now());
        self.shared.call_next(&mut state);
        paused
    }

    /// A request with `credential` that was begun at `begun` came to nothing: see [`Admission::failed`].
    pub fn failed(&self, provider: &str, credential: &str, begun: Instant) {
        let mut state = self.shared.lock();
        state.admission.failed(provider, credential, begun.into_std(), now());
        self.shared.call_next(&mut state);
    }

    /// The provider has replied to somebody: see [`Admission::replied`].
    pub fn replied(&self, provider: &str) {
        let mut state = self.shared.lock();
        state.admission.replied(provider, now());
        self.shared.call_next(&mut state);
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.lock().waiting.len()
    }

    /// How many wait, by provider; providers for which nobody waits may be missing.
    #[must_use]
    pub fn waiting_by_provider(&self) -> BTreeMap<String, usize> {
        self.shared.lock().admission.waiting()
    }

    /// How many requests may be in flight, by provider that is not yet met in full after an outage.
    #[must_use]
    pub fn ramping_by_provider(&self) -> BTreeMap<String, u32> {
        self.shared.lock().admission.ramping(now())
    }
}

impl Ticket {
    /// Waits until the request may be sent; to be awaited to its end once. Dropping the future keeps the place.
    pub async fn called(&mut self) {
        // Only `call_next` takes the sender, and it sends; the sender cannot be dropped while `leaving` holds `shared`.
        let _called = (&mut self.called).await;
    }
}

impl From<Ticket> for Permit {
    /// Of a ticket that was called.
    fn from(ticket: Ticket) -> Self {
        Self { leaving: ticket.leaving }
    }
}

impl Permit {
    /// Whether it is leave for this request, too: see [`Admission::covers`].
    #[must_use]
    pub fn covers(&self, ask: &Ask) -> bool {
        self.leaving.shared.lock().admission.covers(self.leaving.id, ask)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits whoever may go now, and sees to it that the timer goes off for the next.
    fn call_next(&self, state: &mut State) {
        let poll = state.admission.poll(now());
        for id in poll.admitted {
            if let Some(called) = state.waiting.remove(&id) {
                // Nobody there: it is being dropped, and `Leaving` gives its place back in a moment.
                let _gone = called.send(());
            }
        }
        let next = poll.next.map(Instant::from_std);
        let earlier = next.is_some_and(|next| state.timer.is_none_or(|timer| next < timer));
        state.timer = next;
        if earlier {
            self.timer_changed.notify_one();
        }
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.waiting.remove(&self.id);
        state.admission.leave(self.id, now());
        self.shared.call_next(&mut state);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.timer_changed.notify_one();
    }
}

/// The task that calls those who wait for time to pass.
async fn keep_time(shared: Weak<Shared>, timer_changed: Arc<Notify>) {
    loop {
        let next = {
            let Some(shared) = shared.upgrade() else { return };
            let mut state = shared.lock();
            shared.call_next(&mut state);
            state.timer
        };
        match next {
            None => timer_changed.notified().await,
            Some(next) => tokio::select! {
                () = sleep_until(next) => {}
                () = timer_changed.notified() => {}
            },
        }
    }
}

/// Tokio's clock, so that tests can stop it.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

#[cfg(test)]
mod tests;
