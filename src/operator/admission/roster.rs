//! Lanes come with their first ticket and go when nobody would notice.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use super::{Admission, Ask, LaneId, lane::Lane, origin::AtOrigin};
use crate::provider::definition::Origin;

/// Fewer than this is never swept.
pub(super) const SWEEP_ABOVE: usize = 64;

impl Admission {
    pub(super) fn lane_of(&mut self, ask: &Ask, now: Instant) -> LaneId {
        let fresh = LaneId(self.fresh());
        let key = self.providers.get_key_value(ask.provider.as_str()).map(|(key, _)| Arc::clone(key));
        let key = key.unwrap_or_else(|| Arc::from(ask.provider.as_str()));
        let provider = self.providers.entry(Arc::clone(&key)).or_default();
        let id = *provider.lanes.entry(ask.origin.clone()).or_insert(fresh);
        let paused_until = provider.paused_until;
        if id == fresh {
            let kept = self.origins.get_key_value(&ask.origin).map(|(kept, _)| Arc::clone(kept));
            let origin = kept.unwrap_or_else(|| Arc::new(ask.origin.clone()));
            self.origins.entry(Arc::clone(&origin)).or_insert_with(|| AtOrigin::new(now));
            let mut lane = Lane::new(key, origin, &ask.limits, now);
            if let Some(until) = paused_until.filter(|until| *until > now) {
                lane.bucket.drain(lane.allowed.rate, until);
            }
            self.lanes.insert(id, lane);
        } else if let Some(lane) = self.lanes.get_mut(&id) {
            lane.limit(&ask.limits, paused_until.map_or(now, |until| until.max(now)), now);
        }
        id
    }

    /// Forgets what is idle, each time that all has doubled: memory follows what is in use.
    pub(super) fn sweep(&mut self, now: Instant) {
        if self.lanes.len() + self.providers.len() <= self.sweep_above {
            return;
        }
        self.lanes.retain(|_, lane| !lane.is_idle(now));
        let lanes = &self.lanes;
        self.providers.retain(|_, provider| {
            provider.lanes.retain(|_, id| lanes.contains_key(id));
            !(provider.lanes.is_empty() && provider.is_forgotten(now))
        });
        let used: BTreeSet<Arc<Origin>> = self.lanes.values().map(|lane| Arc::clone(&lane.origin)).collect();
        self.origins.retain(|origin, at| used.contains(origin) || !at.is_idle(now));
        self.sweep_above = SWEEP_ABOVE.max(2 * (self.lanes.len() + self.providers.len()));
    }
}
