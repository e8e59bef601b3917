//! What was measured, printed as one table at the end. Nothing is asserted about it: nobody else's machine is ours.

use std::{
    fmt::Write,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Result;

#[derive(Default)]
pub struct Figures(Mutex<Vec<(String, String)>>);

impl Figures {
    pub fn note(&self, what: &str, measured: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((what.to_owned(), measured.into()));
    }

    pub fn seconds(&self, what: &str, measured: Duration) {
        self.note(what, format!("{:.1} s", measured.as_secs_f64()));
    }

    /// Notes how long it took, if it came to a good end.
    pub async fn time<T>(&self, what: &str, doing: impl Future<Output = Result<T>>) -> Result<T> {
        let begun = Instant::now();
        let done = doing.await?;
        self.seconds(what, begun.elapsed());
        Ok(done)
    }

    pub fn table(&self) -> String {
        let rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let width = rows.iter().map(|(what, _)| what.chars().count()).max().unwrap_or_default();
        let mut table = String::new();
        for (what, measured) in rows.iter() {
            let _ = writeln!(table, "| {what:width$} | {measured} |");
        }
        table
    }
}

/// The smallest, the median and the largest, in seconds.
pub fn spread(durations: &mut [Duration]) -> String {
    durations.sort_unstable();
    match durations {
        [] => "nothing".to_owned(),
        all => {
            let at = |index: usize| all[index].as_secs_f64();
            format!(
                "{:.1} / {:.1} / {:.1} s (least, median, most of {})",
                at(0),
                at(all.len() / 2),
                at(all.len() - 1),
                all.len()
            )
        }
    }
}
