//! From a run that breaks an invariant to the few faults that it takes.

use crate::{
    bug::Bug,
    check::Violation,
    history::{Entry, Event},
    number,
    run::{Outcome, Scenario},
};

/// More runs than this are not spent on one failure.
const MOST_RUNS: usize = 60;
/// So much of the history is told.
const TOLD: usize = 60;

/// A run with fewer faults that breaks the same invariant: no chunk of them, and at last none of them alone, can be
/// left out (delta debugging).
pub fn shrink(scenario: &Scenario, bug: Option<Bug>, invariant: &str) -> Scenario {
    let mut smallest = scenario.clone();
    let mut chunk = if number("SIM_SHRINK", 1) == 0 { 0 } else { smallest.faults.len() };
    let mut runs = 0;
    while chunk > 0 {
        let mut at = 0;
        while at < smallest.faults.len() && runs < MOST_RUNS {
            let mut fewer = smallest.clone();
            fewer.faults.drain(at..(at + chunk).min(smallest.faults.len()));
            runs += 1;
            if fewer.run(bug).breaks(invariant) {
                smallest = fewer;
            } else {
                at += chunk;
            }
        }
        chunk /= 2;
    }
    smallest
}

impl Outcome {
    pub fn breaks(&self, invariant: &str) -> bool {
        self.violations.iter().any(|violation| violation.invariant == invariant)
    }
}

/// A failing run in words: seed, faults, and what happened to whom it struck, up to the moment.
pub fn told(scenario: &Scenario, outcome: &Outcome, violation: &Violation) -> String {
    let token = violation.what.split(':').next().unwrap_or_default();
    let concerns = |entry: &&Entry| {
        let all = matches!(entry.event, Event::Died { .. } | Event::Clock { .. } | Event::Mended);
        entry.at <= violation.at && (all || format!("{:?}", entry.event).contains(&format!("\"{token}\"")))
    };
    let trace: Vec<_> = outcome.history.entries.iter().filter(concerns).map(ToString::to_string).collect();
    let last = &trace[trace.len().saturating_sub(TOLD)..];
    let faults: Vec<_> = scenario.faults.iter().map(ToString::to_string).collect();
    format!(
        "{violation}\nseed {}, {} run, {:?}\nfaults:\n  {}\nwhat happened:\n  {}",
        scenario.seed,
        if scenario.dense { "dense" } else { "long" },
        scenario.shape,
        faults.join("\n  "),
        last.join("\n  ")
    )
}
