//! The invariants about what is not the tokens' own life: secrets are not told, what others own is left alone, and
//! nothing is kept for ever.

use crate::{
    check::Violation,
    history::{Event, History},
};

/// Tasks of a process that has nothing to do: its loop, watches, election, the gate's timer, and a few passes.
const TASKS_OF_ONE: usize = 20;

pub fn i5_no_secret_is_told(history: &History) -> Vec<Violation> {
    let leaks = history.entries.iter().filter_map(|entry| match &entry.event {
        Event::Leaked { place } => Some(Violation { invariant: "I5", at: entry.at, what: place.clone() }),
        _ => None,
    });
    leaks.collect()
}

pub fn i10_what_is_not_ours_is_not_touched(history: &History) -> Vec<Violation> {
    let touched = history.entries.iter().filter_map(|entry| match &entry.event {
        Event::Touched { name } => {
            Some(Violation { invariant: "I10", at: entry.at, what: format!("{name} is not ours, and was written") })
        }
        _ => None,
    });
    touched.collect()
}

pub fn i11_nothing_is_kept_for_ever(history: &History) -> Vec<Violation> {
    let most = TASKS_OF_ONE * history.replicas;
    let violation = |what| Violation { invariant: "I11", at: history.ends_at, what };
    let mut found: Vec<_> = history.kept.iter().cloned().map(violation).collect();
    if history.tasks > most {
        found.push(violation(format!("{} tasks run at the end, {most} are enough", history.tasks)));
    }
    found
}
