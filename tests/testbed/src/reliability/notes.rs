//! The note that a story leaves when it has held: a file for each row and story, beside the program that ran it.

use std::{collections::BTreeMap, env, fs, path::PathBuf, thread, time::Duration};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{figures::Figure, oracles::Findings};
use crate::process_cost;

/// What soaks have shown when they were last run.
const SOAKS: &str = include_str!("soaks.json");

/// What one story has shown of one row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    pub row: u8,
    /// Test program and path in it.
    pub story: String,
    pub injected: String,
    pub observed: String,
    pub figures: BTreeMap<Figure, f64>,
    /// What it took until all was well again, in seconds, and since when that counts.
    pub times: BTreeMap<String, f64>,
    /// The machine's, when the note was left: times mean little without it.
    #[serde(default)]
    pub load: f64,
    /// When the note was left, in seconds since the test program was started.
    #[serde(default)]
    pub after: f64,
}

/// A note that is being written; it counts when it is left.
#[must_use = "it is left by `holds`"]
#[derive(Debug)]
pub struct Draft(Note);

/// Begins the note of the story that asks: at its end, when nothing can fail any more.
///
/// # Panics
/// The matrix has no such row.
pub fn row(row: u8) -> Draft {
    assert!((1..=81).contains(&row), "the matrix has no row {row}");
    let (injected, observed) = (String::new(), String::new());
    let (figures, times) = (BTreeMap::new(), BTreeMap::new());
    Draft(Note { row, story: story(), injected, observed, figures, times, load: load(), after: 0.0 })
}

impl Draft {
    /// What was done to the operator.
    pub fn injected(mut self, what: impl Into<String>) -> Self {
        self.0.injected = what.into();
        self
    }

    pub fn figure(mut self, figure: Figure, value: f64) -> Self {
        self.0.figures.insert(figure, value);
        self
    }

    /// What an oracle found.
    ///
    /// # Panics
    /// It found a promise broken.
    #[track_caller]
    pub fn judged(mut self, findings: &Findings) -> Self {
        assert!(findings.broken.is_empty(), "row {}: {:#?}", self.0.row, findings.broken);
        for (figure, value) in &findings.figures {
            let all = [self.0.figures.get(figure).copied(), Some(*value)];
            self.0.figures.insert(*figure, figure.total(all.into_iter().flatten()));
        }
        self
    }

    /// The same for several recordings.
    ///
    /// # Panics
    /// One of them shows that a promise was broken.
    #[track_caller]
    pub fn judged_all(self, findings: &[Findings]) -> Self {
        findings.iter().fold(self, Self::judged)
    }

    /// So many logins were made, and so many were due.
    ///
    /// # Panics
    /// There were more than were due.
    #[track_caller]
    pub fn logins(self, made: usize, due: usize) -> Self {
        assert!(made <= due, "row {}: {made} logins, and {due} were due", self.0.row);
        self.figure(Figure::LoginsNotDue, 0.0)
    }

    /// How long it took from what `what` says until all was well again.
    pub fn took(mut self, what: impl Into<String>, time: Duration) -> Self {
        self.0.times.insert(what.into(), time.as_secs_f64());
        self
    }

    /// Leaves the note.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn holds(mut self, observed: impl Into<String>) {
        self.0.observed = observed.into();
        self.0.after = process_cost::age(std::process::id()).unwrap_or_default().as_secs_f64();
        let path = directory().join(format!("{:02}-{}.json", self.0.row, self.0.story.replace("::", "-")));
        let write = || {
            fs::create_dir_all(directory())?;
            fs::write(&path, serde_json::to_vec_pretty(&self.0)?).map_err(anyhow::Error::from)
        };
        if let Err(error) = write() {
            panic!("the note {} cannot be left: {error:#}", path.display());
        }
    }
}

impl Note {
    /// It takes too long for each run.
    #[must_use]
    pub fn is_a_soak(&self) -> bool {
        self.story.contains("::soak_")
    }
}

/// All notes that were left, by row and story; and of soaks, which not every run has, those that are kept as JSON.
///
/// # Errors
/// One cannot be read.
pub fn left(soaks: &str) -> Result<Vec<Note>> {
    let mut notes = all_left()?;
    notes.retain(|note| !note.is_a_soak());
    notes.extend(serde_json::from_str::<Vec<Note>>(soaks).context("the notes of soaks are no JSON")?);
    notes.sort_by(|a: &Note, b| (a.row, &a.story).cmp(&(b.row, &b.story)));
    Ok(notes)
}

/// The notes of soaks that are kept, each replaced by a newer one that was left; as JSON.
///
/// # Errors
/// One cannot be read.
pub fn with_newer_soaks() -> Result<String> {
    let mut soaks: Vec<Note> = serde_json::from_str(SOAKS)?;
    for note in all_left()?.into_iter().filter(Note::is_a_soak) {
        soaks.retain(|kept| (kept.row, &kept.story) != (note.row, &note.story));
        soaks.push(note);
    }
    soaks.sort_by(|a: &Note, b| (a.row, &a.story).cmp(&(b.row, &b.story)));
    Ok(serde_json::to_string_pretty(&soaks)? + "\n")
}

fn all_left() -> Result<Vec<Note>> {
    let mut notes = Vec::new();
    let Ok(entries) = fs::read_dir(directory()) else { return Ok(notes) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            continue;
        }
        let read = || Ok::<Note, anyhow::Error>(serde_json::from_slice(&fs::read(&path)?)?);
        notes.push(read().with_context(|| format!("cannot read {}", path.display()))?);
    }
    Ok(notes)
}

/// Beside the directory of the test programs, so that each profile has its own.
pub(super) fn directory() -> PathBuf {
    let program = env::current_exe().expect("invariant: a test knows its program");
    let profile = program.ancestors().nth(2).expect("invariant: cargo puts tests into target/PROFILE/deps");
    profile.join("reliability")
}

/// Over the last minute; 0 where there is no such file.
fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default()
}

/// The test harness names the thread after the test; the program ends in a hash.
fn story() -> String {
    let program = env::current_exe().ok().and_then(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    let program = program.unwrap_or_default();
    let program = program.rsplit_once('-').map_or(program.as_str(), |(name, _)| name);
    format!("{program}::{}", thread::current().name().unwrap_or("unnamed"))
}
