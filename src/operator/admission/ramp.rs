//! How a provider that was away is met: with half of what it had, and half of that again while it stays away; and with
//! more for each of its replies, until its own limits hold. Additive increase, multiplicative decrease (RFC 5681
//! section 3.1), over requests in flight and rate together. Never allows more than the provider's own limits.

use std::time::{Duration, Instant};

use super::bucket::Rate;
use crate::provider::definition::Limits;

/// So long after the last failure nobody knows any more how the provider is.
pub(super) const FORGOTTEN_AFTER: Duration = Duration::from_secs(120);
/// Windows are counted in thousandths of a request in flight.
const REQUEST: u64 = 1000;
/// A window of replies brings this part of the provider's own concurrency.
const STEPS: u64 = 8;

/// What a provider may have at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub rate: Rate,
    pub concurrency: u32,
}

/// The share of its own bounds that a provider is allowed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ramp {
    /// `None`: all.
    window: Option<u64>,
    cut_at: Option<Instant>,
    failed_at: Option<Instant>,
}

impl Bounds {
    pub(super) fn of(limits: &Limits) -> Self {
        Self { rate: Rate::new(limits.requests_per_second, limits.burst), concurrency: limits.concurrency.max(1) }
    }

    fn window(self) -> u64 {
        u64::from(self.concurrency) * REQUEST
    }
}

impl Ramp {
    /// A request that was begun at `begun` came to nothing. Those in flight when the share was halved last tell nothing
    /// new: a whole window fails at once.
    pub(super) fn failed(&mut self, own: Bounds, begun: Instant, now: Instant) {
        self.failed_at = Some(now);
        if self.cut_at.is_some_and(|cut_at| begun <= cut_at) {
            return;
        }
        self.cut_at = Some(now);
        // Below one request in flight only the rate gets less, and that not below one a second.
        let least = own.rate.part_at_slowest(own.window()).clamp(1, REQUEST);
        let window = self.window.unwrap_or(u64::MAX).min(own.window());
        self.window = Some((window / 2).max(least));
    }

    /// The provider has replied: one more in flight, and once that is a step in each window, a step in each window.
    pub(super) fn replied(&mut self, own: Bounds) {
        let Some(window) = self.window else { return };
        let window = window.max(REQUEST);
        let step = (own.window() / STEPS).max(REQUEST);
        let grown = window + REQUEST.min(step * REQUEST / window);
        self.window = Some(grown).filter(|grown| *grown < own.window());
    }

    /// The last failure is too long ago to tell anything. A request that is in flight can still tell the same.
    pub(super) fn is_outdated(&self, now: Instant) -> bool {
        self.failed_at.is_some_and(|at| now >= at + FORGOTTEN_AFTER)
    }

    /// What the provider is allowed; `None`: all that is its own. What was saved for a burst is given up meanwhile.
    pub(super) fn bounds(&self, own: Bounds) -> Option<Bounds> {
        let window = self.window.filter(|window| *window < own.window())?;
        let concurrency = u32::try_from(window / REQUEST).unwrap_or(u32::MAX).max(1);
        Some(Bounds { rate: own.rate.part(window, own.window()), concurrency })
    }
}
