//! Events of watches that never arrive, though the watch goes on.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use bytes::Bytes;
use serde_json::Value;
use tokio::sync::watch;

type Matches = Box<dyn Fn(&Value) -> bool + Send + Sync>;

/// While it lives, no watch brings an event that it matches.
pub struct Skip {
    skips: Arc<Skips>,
    skipping: Arc<Skipping>,
}

#[derive(Default)]
pub(super) struct Skips(Mutex<Vec<Arc<Skipping>>>);

struct Skipping {
    matches: Matches,
    skipped: watch::Sender<Vec<Value>>,
}

/// The events of one watch, as their bytes come.
#[derive(Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
}

// === impl Skip ===

impl Skip {
    /// Waits until an event was skipped, and returns the first.
    ///
    /// # Errors
    /// Time is up.
    pub async fn first(&self, timeout: Duration) -> Result<Value> {
        let mut skipped = self.skipping.skipped.subscribe();
        let first = skipped.wait_for(|skipped| !skipped.is_empty());
        let skipped = tokio::time::timeout(timeout, first).await.context("no event was skipped")??;
        skipped.first().cloned().context("no event was skipped")
    }
}

impl Drop for Skip {
    fn drop(&mut self) {
        self.skips.lock().retain(|skipping| !Arc::ptr_eq(skipping, &self.skipping));
    }
}

// === impl Skips ===

impl Skips {
    pub(super) fn add(self: &Arc<Self>, matches: Matches) -> Skip {
        let skipping = Arc::new(Skipping { matches, skipped: watch::Sender::default() });
        self.lock().push(Arc::clone(&skipping));
        Skip { skips: Arc::clone(self), skipping }
    }

    fn skips(&self, line: &[u8]) -> bool {
        let skipping = self.lock().clone();
        if skipping.is_empty() {
            return false;
        }
        let Ok(event) = serde_json::from_slice::<Value>(line) else { return false };
        let met = skipping.iter().find(|skipping| (skipping.matches)(&event));
        met.inspect(|skipping| skipping.skipped.send_modify(|skipped| skipped.push(event.clone()))).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Skipping>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Lines ===

impl Lines {
    /// The events that are whole by now, each a line, without those that are skipped.
    pub(super) fn take(&mut self, bytes: &[u8], skips: &Skips) -> Bytes {
        let newline = |byte: &u8| *byte == b'\n';
        self.begun.extend_from_slice(bytes);
        let end = self.begun.iter().rposition(newline).map_or(0, |at| at + 1);
        let whole: Vec<u8> = self.begun.drain(..end).collect();
        let kept: Vec<_> = whole.split_inclusive(newline).filter(|line| !skips.skips(line)).collect();
        kept.concat().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_passes_once_it_is_whole_unless_it_is_skipped() {
        let skips = Arc::<Skips>::default();
        let text = "{\"type\":\"ADDED\"}\n{\"type\":\"DELETED\"}\n{\"type\":\"MODIFIED\"}\n";
        for cut in 0..=text.len() {
            let skip = skips.add(Box::new(|event| event["type"] == "DELETED"));
            let (mut lines, (one, two)) = (Lines::default(), text.split_at(cut));
            let passed = [lines.take(one.as_bytes(), &skips), lines.take(two.as_bytes(), &skips)].concat();
            assert_eq!(passed, b"{\"type\":\"ADDED\"}\n{\"type\":\"MODIFIED\"}\n", "cut at {cut}");
            drop(skip);
            assert_eq!(Lines::default().take(text.as_bytes(), &skips), text.as_bytes());
        }
    }
}
