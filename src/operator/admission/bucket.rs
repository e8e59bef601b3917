//! How many requests may start, and when the next may.

use std::time::{Duration, Instant};

/// What is left of a rate that was cut down, for one each so long.
const SLOWEST: Duration = Duration::from_secs(1);

/// So many at once after a rest, and then one each interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    interval: Duration,
    burst: u32,
}

/// A token bucket, kept as the one instant at which it will be full again (GCRA). The rate comes with each question,
/// because it may have changed since the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    full_at: Instant,
}

impl Rate {
    /// Zeros count as ones: nothing is admitted never.
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        // Rounded up, so that no window of time ever sees one more than it may.
        let nanos = 1_000_000_000_u64.div_ceil(u64::from(per_second.max(1)));
        Self { interval: Duration::from_nanos(nanos), burst: burst.max(1) }
    }

    /// This part of it without any burst, but not slower than one in [`SLOWEST`] if it is quicker than that.
    pub(super) fn part(self, part: u64, whole: u64) -> Self {
        let nanos = self.interval.as_nanos() * u128::from(whole) / u128::from(part.max(1));
        let interval = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        Self { interval: interval.min(SLOWEST.max(self.interval)), burst: 1 }
    }

    /// Which part of `whole` makes it as slow as [`SLOWEST`].
    pub(super) fn part_at_slowest(self, whole: u64) -> u64 {
        let part = self.interval.as_nanos() * u128::from(whole) / SLOWEST.as_nanos();
        u64::try_from(part).unwrap_or(u64::MAX).min(whole)
    }

    /// How far ahead of time the bucket may be taken from.
    fn tolerance(self) -> Duration {
        self.interval * (self.burst - 1)
    }
}

impl Bucket {
    pub(super) fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }

    /// When the next may start; `now` or earlier means now.
    pub(super) fn ready_at(&self, rate: Rate, now: Instant) -> Instant {
        let ahead = self.full_at.saturating_duration_since(now);
        now + ahead.saturating_sub(rate.tolerance())
    }

    pub(super) fn take(&mut self, rate: Rate, now: Instant) {
        self.full_at = self.full_at.max(now) + rate.interval;
    }

    /// Empties it so that at `until` one may start, and then one each interval: after a pause comes no burst.
    pub(super) fn drain(&mut self, rate: Rate, until: Instant) {
        self.full_at = self.full_at.max(until + rate.tolerance());
    }

    /// Another rate holds from `from` on. The next may start when it might have, or an interval of the new rate later
    /// if that is sooner, and no burst follows it.
    pub(super) fn change(&mut self, old: Rate, new: Rate, from: Instant) {
        let next = self.ready_at(old, from).min(from + new.interval);
        self.full_at = next + new.tolerance();
    }

    /// After a change of the rate: never further from full than an empty bucket of this rate is.
    pub(super) fn clamp(&mut self, rate: Rate, now: Instant) {
        self.full_at = self.full_at.min(now + rate.interval * rate.burst);
    }
}
