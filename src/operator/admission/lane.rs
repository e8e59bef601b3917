//! The queue of one provider at one origin, with what the provider may have at once.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use super::{
    bucket::{Bucket, Rate},
    order::{Rounds, Turn},
};
use crate::provider::definition::{Limits, Origin};

pub(super) struct Lane {
    pub provider: Arc<str>,
    pub origin: Arc<Origin>,
    pub rate: Rate,
    pub concurrency: u32,
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
        Self {
            provider,
            origin,
            rate: Rate::new(limits.requests_per_second, limits.burst),
            concurrency: limits.concurrency.max(1),
            bucket: Bucket::full(now),
            in_flight: 0,
            queue: BTreeSet::new(),
            parked: 0,
            rounds: Rounds::default(),
            listing: Listing::Nowhere,
        }
    }

    /// The provider's newest limits count, for those who wait already too.
    pub(super) fn limit(&mut self, limits: &Limits, now: Instant) {
        let rate = Rate::new(limits.requests_per_second, limits.burst);
        self.concurrency = limits.concurrency.max(1);
        if rate != self.rate {
            self.rate = rate;
            self.bucket.clamp(rate, now);
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.len() + self.parked
    }

    /// Nobody would notice if it were made anew.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.waiting() == 0 && self.in_flight == 0 && self.bucket.is_full(now)
    }
}
