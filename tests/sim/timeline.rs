//! The history of each ApiToken by itself: what its output held, and what its status said.

use std::collections::BTreeMap;

use crate::history::{Event, History, Issue};

/// What the output held, for how long.
#[derive(Debug)]
pub struct Held {
    pub from: i64,
    pub until: i64,
    pub by_us: bool,
    pub issue: Option<Issue>,
    /// Expiry as the output said it, by the operator's clock.
    pub claimed: Option<i64>,
}

#[derive(Debug, Default)]
pub struct Timeline {
    pub held: Vec<Held>,
    /// What `Ready` was, and since when.
    pub ready: Vec<(i64, bool)>,
    /// It is there at the end.
    pub lives: bool,
}

/// By the ApiToken's name.
pub fn timelines(history: &History) -> BTreeMap<String, Timeline> {
    let mut lines: BTreeMap<String, Timeline> = BTreeMap::new();
    for entry in &history.entries {
        match &entry.event {
            Event::Created { token, .. } => {
                let line = lines.entry(token.clone()).or_default();
                line.lives = true;
            }
            Event::Deleted { token, .. } => {
                let line = lines.entry(token.clone()).or_default();
                line.end(entry.at);
                line.lives = false;
                line.ready.push((entry.at, false));
            }
            Event::Output { token, by_us, issue, claimed } => {
                let line = lines.entry(token.clone()).or_default();
                line.end(entry.at);
                // After a deletion nobody answers for it any more.
                if line.lives {
                    let (by_us, issue, claimed) = (*by_us, issue.clone(), *claimed);
                    line.held.push(Held { from: entry.at, until: i64::MAX, by_us, issue, claimed });
                }
            }
            Event::Ready { token, ready } => lines.entry(token.clone()).or_default().ready.push((entry.at, *ready)),
            _ => {}
        }
    }
    for line in lines.values_mut() {
        line.end(history.ends_at);
    }
    lines
}

impl Timeline {
    fn end(&mut self, at: i64) {
        if let Some(last) = self.held.last_mut().filter(|last| last.until == i64::MAX) {
            last.until = at;
        }
    }

    /// The first moment between two at which `Ready` was True.
    pub fn ready_between(&self, from: i64, until: i64) -> Option<i64> {
        if until <= from {
            return None;
        }
        let before = self.ready.iter().take_while(|(at, _)| *at <= from).last();
        if before.is_some_and(|(_, ready)| *ready) {
            return Some(from);
        }
        self.ready.iter().find(|(at, ready)| *ready && *at > from && *at < until).map(|(at, _)| *at)
    }
}
