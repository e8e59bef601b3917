//! Who may send to a provider next. Pure: time is an argument, and nothing here waits.
//!
//! Every provider has a rate, a burst and a bound of requests in flight; every origin has them once more, over all
//! providers that point there. Within a provider the earliest deadline goes first. A ticket may need locks, each with
//! one holder at most; it takes all of them at once or none, so no two tickets can wait for each other. A provider that
//! was away has less than its bounds until it has replied for a while.
//!
//! Nothing is ever searched through: a ticket that needs a lock is parked with the lock, a provider that has used up
//! its rate is parked with a timer, and the rest is a sorted queue for each provider and one for each origin. What
//! blocks one provider is not even looked at by the others.

mod admit;
mod bucket;
mod lane;
mod locks;
mod order;
mod origin;
mod pause;
mod ramp;
mod roster;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Instant,
};

use jiff::Timestamp;

use self::{
    bucket::Rate,
    lane::{Lane, Listing},
    locks::Locks,
    order::Turn,
    origin::AtOrigin,
    pause::Provider,
    roster::SWEEP_ABOVE,
};
use crate::provider::definition::{Limits, Origin};

pub use self::pause::{DEFAULT_PAUSE, MAX_PAUSE, SECOND_REFUSAL_WITHIN};

/// What holds for each origin over all providers. The burst is one second's worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginLimits {
    /// `--origin-requests-per-second`
    pub requests_per_second: u32,
    /// `--origin-concurrency`
    pub concurrency: u32,
}

/// What somebody asks for who wants to send.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Kind, namespace and name, or whatever tells providers apart.
    pub provider: String,
    pub origin: Origin,
    /// The provider's, as they are now.
    pub limits: Limits,
    pub namespace: String,
    /// See [`deadline`](crate::token::schedule::deadline).
    pub deadline: Timestamp,
    /// At most one ticket with a lock is admitted at a time.
    pub locks: Vec<String>,
}

/// One who waits or was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId(u64);

/// What changed.
#[derive(Debug, Default)]
#[must_use]
pub struct Poll {
    /// They may send now, and must [`leave`](Admission::leave) afterwards.
    pub admitted: Vec<TicketId>,
    /// When to poll again, if nothing else happens before.
    pub next: Option<Instant>,
}

/// All providers' queues.
pub struct Admission {
    origin_rate: Rate,
    origin_concurrency: u32,
    tickets: HashMap<TicketId, Ticket>,
    lanes: HashMap<LaneId, Lane>,
    providers: HashMap<Arc<str>, Provider>,
    origins: HashMap<Arc<Origin>, AtOrigin>,
    locks: Locks,
    timers: BTreeSet<(Instant, Wake)>,
    /// Origins at which something may be admitted.
    changed: BTreeSet<Arc<Origin>>,
    last_id: u64,
    /// How large all may become before what is idle is looked for.
    sweep_above: usize,
    #[cfg(test)]
    looked_at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct LaneId(u64);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wake {
    Lane(LaneId),
    Origin(Arc<Origin>),
}

struct Ticket {
    lane: LaneId,
    turn: Turn,
    locks: Vec<Arc<str>>,
    place: Place,
}

enum Place {
    /// In its lane's queue. `woken_by`: the lock that became free and for which it stands in front of others.
    Queued {
        woken_by: Option<Arc<str>>,
    },
    /// With a lock.
    Parked(Arc<str>),
    Admitted,
}

impl Admission {
    #[must_use]
    pub fn new(limits: OriginLimits) -> Self {
        Self {
            origin_rate: Rate::new(limits.requests_per_second, limits.requests_per_second),
            origin_concurrency: limits.concurrency.max(1),
            tickets: HashMap::new(),
            lanes: HashMap::new(),
            providers: HashMap::new(),
            origins: HashMap::new(),
            locks: Locks::default(),
            timers: BTreeSet::new(),
            changed: BTreeSet::new(),
            last_id: 0,
            sweep_above: SWEEP_ABOVE,
            #[cfg(test)]
            looked_at: 0,
        }
    }

    /// A new ticket. It is admitted by a later [`poll`](Self::poll).
    pub fn enqueue(&mut self, ask: Ask, now: Instant) -> TicketId {
        self.sweep(now);
        let id = TicketId(self.fresh());
        let lane_id = self.lane_of(&ask, now);
        let mut locks: Vec<Arc<str>> = ask.locks.iter().map(|key| self.locks.intern(key)).collect();
        locks.sort_unstable();
        locks.dedup();
        if let Some(lane) = self.lanes.get_mut(&lane_id) {
            let turn = lane.rounds.deal(ask.deadline, ask.namespace, id);
            lane.queue.insert(turn);
            self.tickets.insert(id, Ticket { lane: lane_id, turn, locks, place: Place::Queued { woken_by: None } });
        }
        self.relist(lane_id, now);
        id
    }

    /// Whether a ticket is one for this request: of the same provider at the same origin, with all of its locks.
    #[must_use]
    pub fn covers(&self, id: TicketId, ask: &Ask) -> bool {
        let Some(ticket) = self.tickets.get(&id) else { return false };
        let Some(lane) = self.lanes.get(&ticket.lane) else { return false };
        *lane.provider == *ask.provider
            && *lane.origin == ask.origin
            && ask.locks.iter().all(|key| ticket.locks.iter().any(|held| **held == **key))
    }

    /// A ticket is done, or is wanted no more: its request ended, or nobody waits for it. Harmless if it is gone.
    pub fn leave(&mut self, id: TicketId, now: Instant) {
        let Some(ticket) = self.tickets.remove(&id) else { return };
        match ticket.place {
            Place::Admitted => self.release(&ticket, now),
            Place::Parked(key) => {
                self.locks.stop_waiting(&key, ticket.lane, ticket.turn);
                if let Some(lane) = self.lanes.get_mut(&ticket.lane) {
                    lane.parked -= 1;
                    lane.rounds.leave(ticket.turn, false);
                }
            }
            Place::Queued { woken_by } => {
                if let Some(lane) = self.lanes.get_mut(&ticket.lane) {
                    lane.queue.remove(&ticket.turn);
                    lane.rounds.leave(ticket.turn, false);
                }
                self.relist(ticket.lane, now);
                self.hand_on(woken_by, ticket.lane, now);
            }
        }
    }

    /// Admits all who may go now.
    pub fn poll(&mut self, now: Instant) -> Poll {
        while let Some((_, wake)) = self.timers.first().filter(|(at, _)| *at <= now).cloned() {
            self.timers.pop_first();
            match wake {
                Wake::Lane(id) => {
                    if let Some(lane) = self.lanes.get_mut(&id) {
                        lane.listing = Listing::Nowhere;
                    }
                    self.relist(id, now);
                }
                Wake::Origin(origin) => {
                    if let Some(at) = self.origins.get_mut(&origin) {
                        at.timer = None;
                    }
                    self.changed.insert(origin);
                }
            }
        }
        let mut admitted = Vec::new();
        for origin in self.changed_by_deadline() {
            self.admit_at(&origin, now, &mut admitted);
        }
        // Nothing that happens above opens the way for anybody at another origin: only `leave` and time do.
        self.changed.clear();
        Poll { admitted, next: self.timers.first().map(|(at, _)| *at) }
    }

    /// How many wait, by provider; providers for which nobody waits may be missing.
    #[must_use]
    pub fn waiting(&self) -> BTreeMap<String, usize> {
        let mut waiting = BTreeMap::new();
        for lane in self.lanes.values().filter(|lane| lane.waiting() > 0) {
            *waiting.entry(lane.provider.to_string()).or_default() += lane.waiting();
        }
        waiting
    }

    /// How many requests may be in flight at each provider that is not yet met in full after an outage.
    #[must_use]
    pub fn ramping(&self, now: Instant) -> BTreeMap<String, u32> {
        let ramping = self.lanes.values().filter_map(|lane| Some((lane, lane.allowance(now)?.concurrency)));
        ramping.map(|(lane, concurrency)| (lane.provider.to_string(), concurrency)).collect()
    }

    fn fresh(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}
