//! When an operator that was told to stop may let another replica lead, though requests of its own are on their way.
//!
//! Counts, and says when. What is in doubt if two replicas deal with one provider for a while is settled elsewhere:
//! each answer is stored only onto the version that it follows from.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// From the intent to the stored answer, each request that presents a one-time token bars the handover: the next leader
/// would find the intent, take the token for spent, and log in.
#[derive(Debug, Default)]
pub struct Handover {
    one_time: Arc<Mutex<usize>>,
    begun: CancellationToken,
}

/// A request that bars the handover, until it is dropped.
#[derive(Debug)]
pub struct Barrier(Arc<Mutex<usize>>);

impl Handover {
    /// Bars the handover. `None`: it has begun, and nothing may be begun here any more.
    #[must_use]
    pub fn bar(&self) -> Option<Barrier> {
        let mut one_time = lock(&self.one_time);
        if self.has_begun() {
            return None;
        }
        *one_time += 1;
        Some(Barrier(Arc::clone(&self.one_time)))
    }

    /// Begins, unless it is barred. Returns whether it has begun.
    #[must_use]
    pub fn begin(&self) -> bool {
        let one_time = lock(&self.one_time);
        if *one_time == 0 {
            self.begun.cancel();
        }
        self.has_begun()
    }

    /// Nothing is on its way any more.
    pub fn conclude(&self) {
        self.begun.cancel();
    }

    /// Whether another replica may lead by now.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// Cancelled when it begins.
    #[must_use]
    pub fn begun(&self) -> CancellationToken {
        self.begun.clone()
    }
}

impl Drop for Barrier {
    fn drop(&mut self) {
        *lock(&self.0) -= 1;
    }
}

fn lock(count: &Mutex<usize>) -> MutexGuard<'_, usize> {
    count.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handover_waits_for_each_one_time_token_on_its_way_and_lets_no_other_leave() {
        let handover = Handover::default();
        let (one, two) = (handover.bar(), handover.bar());
        assert!(one.is_some() && two.is_some());
        drop(one);
        assert!(!handover.begin() && !handover.begun().is_cancelled());
        drop(two);
        assert!(handover.begin() && handover.begun().is_cancelled());
        assert!(handover.bar().is_none());
    }
}
