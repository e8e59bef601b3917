//! The queue of one provider at one origin, with what the provider may have at once.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use super::{
    bucket::Bucket,
    order::{Rounds, Turn},
    ramp::{Bounds, Ramp},
};
use crate::provider::definition::{Limits, Origin};

pub(super) struct Lane {
    pub provider: Arc<str>,
    pub origin: Arc<Origin>,
    /// The provider's own limits.
    own: Bounds,
    ramp: Ramp,
    /// What it may have now: its own, or less after an outage.
    pub allowed: Bounds,
    pub bucket: Bucket,
    pub in_flight: u32,
    /// Those that wait for nothing but their turn.
    pub queue: BTreeSet<Turn>,
    /// How many wait for a lock.
    pub parked: usize,
    pub rounds: Rounds,
    pub listing: Listing,
}

/// Where a lane is entered, so that it is found when it can go on. In no more than one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    /// Nothing to do, or everything that may be in flight is: the next release looks at it again.
    Nowhere,
    /// Its first ticket waits for the origin.
    Candidate(Turn),
    /// It waits for its own rate or for the end of a pause.
    Timer(Instant),
}

impl Lane {
    pub(super) fn new(provider: Arc<str>, origin: Arc<Origin>, limits: &Limits, now: Instant) -> Self {
        let own = Bounds::of(limits);
        Self {
            provider,
            origin,
            own,
            ramp: Ramp::default(),
            allowed: own,
            bucket: Bucket::full(now),
            in_flight: 0,
            queue: BTreeSet::new(),
            parked: 0,
            rounds: Rounds::default(),
            listing: Listing::Nowhere,
        }
    }

    /// The provider's newest limits count, for those who wait already too. `from`: now, or the end of a pause; so in all
    /// that follows.
    pub(super) fn limit(&mut self, limits: &Limits, from: Instant, now: Instant) {
        let own = Bounds::of(limits);
        if own == self.own {
            return;
        }
        self.own = own;
        if self.allowance(now).is_none() {
            self.allowed = own;
            self.bucket.clamp(own.rate, from);
        }
        self.adjust(from, now);
    }

    /// A request that was begun at `begun` came to nothing, and not for its account alone.
    pub(super) fn failed(&mut self, begun: Instant, from: Instant, now: Instant) {
        self.forget(now);
        self.ramp.failed(self.own, begun, now);
        self.adjust(from, now);
    }

    /// The provider has replied to somebody.
    pub(super) fn replied(&mut self, from: Instant, now: Instant) {
        self.ramp.replied(self.own);
        self.adjust(from, now);
    }

    /// Allows what the ramp allows by now.
    pub(super) fn adjust(&mut self, from: Instant, now: Instant) {
        self.forget(now);
        let allowed = self.allowance(now).unwrap_or(self.own);
        if allowed != self.allowed {
            self.bucket.change(self.allowed.rate, allowed.rate, from);
            self.allowed = allowed;
        }
    }

    /// What the provider may have while that is less than its own limits.
    pub(super) fn allowance(&self, now: Instant) -> Option<Bounds> {
        if self.is_forgotten(now) { None } else { self.ramp.bounds(self.own) }
    }

    /// A provider that hangs answers nobody for as long as a timeout, which may be longer than anything is remembered:
    /// no outage is forgotten under a request that waits for its end.
    fn is_forgotten(&self, now: Instant) -> bool {
        self.in_flight == 0 && self.ramp.is_outdated(now)
    }

    fn forget(&mut self, now: Instant) {
        if self.is_forgotten(now) {
            self.ramp = Ramp::default();
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.len() + self.parked
    }

    /// Nobody would notice if it were made anew.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.waiting() == 0 && self.in_flight == 0 && self.bucket.is_full(now) && self.allowance(now).is_none()
    }
}
