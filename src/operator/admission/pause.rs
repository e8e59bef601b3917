//! When a whole provider gets a rest, and when it is met with care.
//!
//! A 429 makes the credential wait that got it; whoever schedules sees to that. A 429 for a *second* credential
//! within ten seconds means that the provider counts all of us together, and then all wait. In the same way two
//! credentials whose requests come to nothing tell of a provider that is away: see [`super::ramp`].

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{Admission, LaneId, lane::Lane};
use crate::provider::definition::Origin;

/// Two credentials that are refused within this time stand for all.
pub const SECOND_REFUSAL_WITHIN: Duration = Duration::from_secs(10);
/// The longest pause, whatever the provider asks for: it stops every token of that provider, also those of users who
/// have done nothing. If the provider still refuses after it, two more 429 begin the next.
pub const MAX_PAUSE: Duration = Duration::from_secs(60);
/// The pause when the provider does not say how long.
pub const DEFAULT_PAUSE: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Provider {
    pub lanes: BTreeMap<Origin, LaneId>,
    pub paused_until: Option<Instant>,
    refused: Last,
    failed: Last,
}

/// Which credential met something last, and when.
#[derive(Default)]
struct Last(Option<(Instant, String)>);

impl Last {
    /// When another credential met the same, if that was the last.
    fn of_another(&mut self, credential: &str, now: Instant) -> Option<Instant> {
        let before = self.0.replace((now, credential.to_owned()));
        before.filter(|(_, other)| other != credential).map(|(at, _)| at)
    }

    fn counts(&self, now: Instant) -> bool {
        self.0.as_ref().is_some_and(|(at, _)| now < *at + SECOND_REFUSAL_WITHIN)
    }
}

impl Provider {
    pub(super) fn is_forgotten(&self, now: Instant) -> bool {
        let met = self.refused.counts(now) || self.failed.counts(now);
        !met && self.paused_until.is_none_or(|until| until <= now)
    }
}

impl Admission {
    /// Admits none of `provider` until then; afterwards one, and the others at its rate. Never shortens a pause.
    pub fn pause(&mut self, provider: &str, until: Instant, now: Instant) {
        let Some(paused) = self.providers.get_mut(provider) else { return };
        if until <= now || paused.paused_until.is_some_and(|already| already >= until) {
            return;
        }
        paused.paused_until = Some(until);
        let lanes: Vec<LaneId> = paused.lanes.values().copied().collect();
        for id in lanes {
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.bucket.drain(lane.allowed.rate, until);
            }
            self.relist(id, now);
        }
    }

    /// The provider answered 429 (or 503 with `Retry-After`) to a request with `credential`, which is any text that
    /// tells credentials apart. Returns whether the provider is paused by that.
    pub fn rate_limited(
        &mut self,
        provider: &str,
        credential: &str,
        retry_after: Option<Duration>,
        now: Instant,
    ) -> bool {
        let Some(state) = self.providers.get_mut(provider) else { return false };
        let other = state.refused.of_another(credential, now);
        let second = other.is_some_and(|at| now < at + SECOND_REFUSAL_WITHIN);
        let pause = retry_after.unwrap_or(DEFAULT_PAUSE).min(MAX_PAUSE);
        if second {
            self.pause(provider, now + pause, now);
        }
        second && !pause.is_zero()
    }

    /// A request with `credential` that was begun at `begun` came to nothing: no connection, no answer, a server's own
    /// error. One account alone may be the reason; after a second one, with no reply to anybody in between, the provider
    /// is met with half of what it may have, and on its return ever more of it. The second must have been begun soon
    /// after the first had failed, however long it took; while the provider is met with care, at any time.
    pub fn failed(&mut self, provider: &str, credential: &str, begun: Instant, now: Instant) {
        let is_met_with_care = self.is_met_with_care(provider, now);
        let Some(state) = self.providers.get_mut(provider) else { return };
        let other = state.failed.of_another(credential, now);
        if other.is_some_and(|at| is_met_with_care || begun < at + SECOND_REFUSAL_WITHIN) {
            self.each_lane(provider, now, |lane, from| lane.failed(begun, from, now));
        }
    }

    fn is_met_with_care(&self, provider: &str, now: Instant) -> bool {
        let lanes = self.providers.get(provider).into_iter().flat_map(|state| state.lanes.values());
        lanes.filter_map(|id| self.lanes.get(id)).any(|lane| lane.allowance(now).is_some())
    }

    /// The provider has replied, if only to refuse somebody: it is there.
    pub fn replied(&mut self, provider: &str, now: Instant) {
        let Some(state) = self.providers.get_mut(provider) else { return };
        state.failed = Last::default();
        self.each_lane(provider, now, |lane, from| lane.replied(from, now));
    }

    /// Hands each lane of the provider to `change`, with the moment from which something may go.
    fn each_lane(&mut self, provider: &str, now: Instant, change: impl Fn(&mut Lane, Instant)) {
        let Some(state) = self.providers.get(provider) else { return };
        let from = state.paused_until.map_or(now, |until| until.max(now));
        let lanes: Vec<LaneId> = state.lanes.values().copied().collect();
        for id in lanes {
            if let Some(lane) = self.lanes.get_mut(&id) {
                change(lane, from);
            }
            self.relist(id, now);
        }
    }
}
