//! Locks with at most one holder each, and who waits for them.
//!
//! Waiters are kept by lane. When a lock becomes free, one waiter of *each* lane gets another chance: a lane that is
//! paused then keeps nobody of another lane waiting, and a thousand waiters of one lane cost one step and not a
//! thousand.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::{LaneId, order::Turn};

#[derive(Default)]
pub(super) struct Locks {
    by_key: HashMap<Arc<str>, Lock>,
}

#[derive(Default)]
struct Lock {
    held: bool,
    waiters: BTreeMap<LaneId, BTreeSet<Turn>>,
}

impl Locks {
    /// The key as it is kept, so that a thousand tickets share one text.
    pub(super) fn intern(&self, key: &str) -> Arc<str> {
        self.by_key.get_key_value(key).map_or_else(|| Arc::from(key), |(kept, _)| Arc::clone(kept))
    }

    /// The first of `keys` that somebody holds.
    pub(super) fn first_held<'k>(&self, keys: &'k [Arc<str>]) -> Option<&'k Arc<str>> {
        keys.iter().find(|key| self.is_held(key))
    }

    pub(super) fn is_held(&self, key: &str) -> bool {
        self.by_key.get(key).is_some_and(|lock| lock.held)
    }

    pub(super) fn hold(&mut self, keys: &[Arc<str>]) {
        for key in keys {
            self.by_key.entry(Arc::clone(key)).or_default().held = true;
        }
    }

    /// The holder lets go. Returns the lanes in which somebody waits for it.
    pub(super) fn release(&mut self, key: &str) -> Vec<LaneId> {
        let Some(lock) = self.by_key.get_mut(key) else { return Vec::new() };
        lock.held = false;
        let lanes = lock.waiters.keys().copied().collect();
        self.forget_unused(key);
        lanes
    }

    pub(super) fn wait(&mut self, key: &Arc<str>, lane: LaneId, turn: Turn) {
        self.by_key.entry(Arc::clone(key)).or_default().waiters.entry(lane).or_default().insert(turn);
    }

    /// A waiter goes away by itself.
    pub(super) fn stop_waiting(&mut self, key: &str, lane: LaneId, turn: Turn) {
        self.take(key, lane, |waiters| waiters.remove(&turn).then_some(turn));
    }

    /// The first that waits for `key` in `lane`; it waits no more.
    pub(super) fn first_waiter(&mut self, key: &str, lane: LaneId) -> Option<Turn> {
        self.take(key, lane, BTreeSet::pop_first)
    }

    fn take(
        &mut self,
        key: &str,
        lane: LaneId,
        which: impl FnOnce(&mut BTreeSet<Turn>) -> Option<Turn>,
    ) -> Option<Turn> {
        let lock = self.by_key.get_mut(key)?;
        let waiters = lock.waiters.get_mut(&lane)?;
        let taken = which(waiters);
        if waiters.is_empty() {
            lock.waiters.remove(&lane);
        }
        self.forget_unused(key);
        taken
    }

    fn forget_unused(&mut self, key: &str) {
        if self.by_key.get(key).is_some_and(|lock| !lock.held && lock.waiters.is_empty()) {
            self.by_key.remove(key);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }
}
