//! The invariants about what is not the tokens' own life: secrets are not told, what others own is left alone, and
//! nothing is kept for ever.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    check::Violation,
    fault::SECOND,
    history::{Event, History},
    sim::text,
};

/// Tasks of a process that has nothing to do: its loop, watches, election, the gate's timer, and a few passes.
const TASKS_OF_ONE: usize = 20;
/// Passes of one subject that may panic within ten seconds: the waits between them double from half a second on.
const PANICS_IN_A_ROW: usize = 8;

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

/// It is tried again, and later each time.
pub fn row_9_a_pass_that_panics_waits(history: &History) -> Vec<Violation> {
    let mut times: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for entry in &history.entries {
        let Event::Complained { line } = &entry.event else { continue };
        let line: Value = serde_json::from_str(line).unwrap();
        if text(&line["message"]).contains("a pass panicked") {
            times.entry(text(&line["subject"]).to_owned()).or_default().push(entry.at);
        }
    }
    let spun = times.into_iter().filter_map(|(subject, times)| {
        let spin = times.windows(PANICS_IN_A_ROW + 1).find(|spin| spin[PANICS_IN_A_ROW] - spin[0] < 10 * SECOND)?;
        let what = format!("{subject}: {} passes panicked within {} ms", spin.len(), spin[PANICS_IN_A_ROW] - spin[0]);
        Some(Violation { invariant: "row 9", at: spin[PANICS_IN_A_ROW], what })
    });
    spun.collect()
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
