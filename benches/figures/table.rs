//! The figures as rows of a Markdown table, each beside its target.

use std::{fmt::Write, time::Duration};

/// Heading of the table.
pub const HEAD: &str = "| figure | measured | target | | how |\n| --- | --- | --- | --- | --- |";

/// One measured number.
pub struct Figure {
    pub what: &'static str,
    pub value: f64,
    /// The most that it may be; `None`: shown for itself.
    pub target: Option<f64>,
    pub unit: &'static str,
    pub how: String,
}

impl Figure {
    pub fn new(what: &'static str, value: f64, unit: &'static str, how: impl Into<String>) -> Self {
        Self { what, value, target: None, unit, how: how.into() }
    }

    pub fn at_most(self, target: f64) -> Self {
        Self { target: Some(target), ..self }
    }
}

pub fn rows(figures: &[Figure]) -> String {
    figures.iter().fold(String::new(), |mut rows, figure| {
        let Figure { what, value, unit, how, .. } = figure;
        let target = figure.target.map_or_else(String::new, |target| format!("{target} {unit}"));
        let verdict = match figure.target {
            Some(target) if *value <= target => "met",
            Some(_) => "**missed**",
            None => "",
        };
        // Writing into a String cannot fail.
        let _ = writeln!(rows, "| {what} | {} {unit} | {target} | {verdict} | {how} |", rounded(*value));
        rows
    })
}

/// The smallest sample that at least this share of all samples does not exceed, in ms.
pub fn percentile(samples: &[Duration], share: f64) -> f64 {
    let mut milliseconds: Vec<f64> = samples.iter().map(|sample| sample.as_secs_f64() * 1e3).collect();
    milliseconds.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "hundreds"
    )]
    let rank = (share * milliseconds.len() as f64).ceil() as usize;
    milliseconds.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// KiB in MiB.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub fn mebibytes(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// How many for each of so many.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub fn each(count: usize, of: usize) -> f64 {
    count as f64 / of as f64
}

fn rounded(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}
