//! What an origin may have at once, over all providers that point there.

use std::{collections::BTreeSet, time::Instant};

use super::{LaneId, bucket::Bucket, order::Turn};

pub(super) struct AtOrigin {
    pub bucket: Bucket,
    pub in_flight: u32,
    /// The first ticket of each lane that waits for nothing but this origin.
    pub candidates: BTreeSet<(Turn, LaneId)>,
    pub timer: Option<Instant>,
}

impl AtOrigin {
    pub(super) fn new(now: Instant) -> Self {
        Self { bucket: Bucket::full(now), in_flight: 0, candidates: BTreeSet::new(), timer: None }
    }

    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.in_flight == 0 && self.candidates.is_empty() && self.bucket.is_full(now)
    }
}
