//! Who is due, and when. Plain data: the controller feeds it and asks it; it holds no timer.
//!
//! Times are wall-clock times, so that a machine that was suspended finds at its next tick what became due meanwhile.
//! One subject never runs twice at once: what happens during a pass makes it due again at its end.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::entry::Subject;
use crate::token::schedule;

/// First wait after a pass that failed; doubled each time.
const FIRST_BACKOFF: f64 = 0.5;
/// First wait after a lost race; doubled each time, so that a race that is always lost does not spin.
const FIRST_AFTER_RACE: f64 = 0.02;
const MOST_AFTER_RACE: f64 = 2.0;
/// Longest wait after a pass that failed, in seconds.
const MOST_BACKOFF: f64 = 60.0;

/// The due times of all subjects.
#[derive(Debug, Default)]
pub struct Queue {
    due: BTreeSet<(Timestamp, Subject)>,
    states: HashMap<Subject, State>,
}

#[derive(Debug, Default)]
struct State {
    due: Option<Timestamp>,
    running: bool,
    /// Something happened while the pass was running.
    again: bool,
    failures: u32,
    /// Lost races in a row.
    races: u32,
}

/// How a pass ended, as far as the queue cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Look again at this time; `None`: only when something happens.
    Until(Option<Timestamp>),
    /// The object is gone.
    Gone,
    /// Somebody else wrote first: read again at once.
    Raced,
    /// The next pass is later each time, and not before the API server wants to be asked again; zero: it has not said.
    Failed(Duration),
}

impl Queue {
    /// Something happened that concerns the subject.
    pub fn wake(&mut self, subject: Subject, now: Timestamp) {
        let state = self.states.entry(subject.clone()).or_default();
        if state.running {
            state.again = true;
            return;
        }
        // An event ends a back-off: what failed may have been mended.
        self.schedule(subject, Some(now));
    }

    /// Takes everything that is due, the longest overdue first.
    pub fn take_due(&mut self, now: Timestamp) -> Vec<Subject> {
        let mut taken = Vec::new();
        while let Some((at, _)) = self.due.first()
            && *at <= now
        {
            let Some((_, subject)) = self.due.pop_first() else { break };
            if let Some(state) = self.states.get_mut(&subject) {
                state.due = None;
                state.running = true;
            }
            taken.push(subject);
        }
        taken
    }

    /// A pass has ended.
    pub fn ended(&mut self, subject: Subject, how: Ended, now: Timestamp) {
        let Some(state) = self.states.get_mut(&subject) else { return };
        state.running = false;
        let again = std::mem::take(&mut state.again);
        state.failures = match how {
            Ended::Failed(_) => state.failures.saturating_add(1),
            Ended::Raced => state.failures,
            Ended::Until(_) | Ended::Gone => 0,
        };
        state.races = if how == Ended::Raced { state.races.saturating_add(1) } else { 0 };
        let (failures, races) = (state.failures, state.races);
        let next = match how {
            _ if again => Some(now),
            Ended::Until(at) => at,
            Ended::Gone => {
                self.states.remove(&subject);
                return;
            }
            Ended::Raced => Some(now + doubled(FIRST_AFTER_RACE, races, MOST_AFTER_RACE, 1.0)),
            Ended::Failed(told) => Some(now + backoff(&subject, failures).max(at_most(told))),
        };
        self.schedule(subject, next);
    }

    /// When the next subject is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// How many are waiting for their time, and how many are in a pass.
    #[must_use]
    pub fn len(&self) -> usize {
        self.states.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    fn schedule(&mut self, subject: Subject, at: Option<Timestamp>) {
        let state = self.states.entry(subject.clone()).or_default();
        if let Some(old) = std::mem::replace(&mut state.due, at) {
            self.due.remove(&(old, subject.clone()));
        }
        if let Some(at) = at {
            self.due.insert((at, subject));
        }
    }
}

/// Nobody is kept from renewing for long, whoever asks for it.
fn at_most(told: Duration) -> SignedDuration {
    let most = Duration::from_secs_f64(MOST_BACKOFF);
    SignedDuration::try_from(told.min(most)).expect("invariant: a minute at most")
}

fn backoff(subject: &Subject, failures: u32) -> SignedDuration {
    let jitter = 1.0 - 0.5 * schedule::fraction(&subject.to_string(), &failures.to_string());
    doubled(FIRST_BACKOFF, failures, MOST_BACKOFF, jitter)
}

fn doubled(first: f64, times: u32, most: f64, jitter: f64) -> SignedDuration {
    let exponent = i32::try_from(times.saturating_sub(1).min(16)).unwrap_or(16);
    let seconds = (first * 2f64.powi(exponent)).min(most) * jitter;
    SignedDuration::try_from_secs_f64(seconds).unwrap_or(SignedDuration::from_secs(60))
}
