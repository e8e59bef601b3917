//! Figures that belong to no single row: whoever has made them leaves a table beside the notes, for the page.

use std::{fmt::Write as _, fs};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::notes::directory;

/// A table of the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    #[must_use]
    pub fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|&cell| cell.to_owned()).collect(), rows: Vec::new() }
    }

    pub fn row(&mut self, first: &str, numbers: impl IntoIterator<Item = usize>) {
        let numbers = numbers.into_iter().map(|number| number.to_string());
        self.rows.push(std::iter::once(first.to_owned()).chain(numbers).collect());
    }

    /// Leaves it under a name.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn leave(&self, name: &str) {
        let path = directory().join("tables").join(name).with_extension("json");
        let write = || {
            fs::create_dir_all(directory().join("tables"))?;
            fs::write(&path, serde_json::to_vec_pretty(self)?).map_err(anyhow::Error::from)
        };
        if let Err(error) = write() {
            panic!("the table {} cannot be left: {error:#}", path.display());
        }
    }

    #[must_use]
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = line(&self.head);
        let _ = writeln!(text, "|{}", " --- |".repeat(self.head.len()));
        self.rows.iter().for_each(|row| text.push_str(&line(row)));
        text
    }
}

/// The tables that were left under these names, as one; they have the same head.
///
/// # Errors
/// One is not there, or cannot be read.
pub fn left(names: &[&str]) -> Result<Table> {
    let mut all = Table::new(&[]);
    for name in names {
        let path = directory().join("tables").join(name).with_extension("json");
        let read = || Ok::<Table, anyhow::Error>(serde_json::from_slice(&fs::read(&path)?)?);
        let table = read().with_context(|| format!("cannot read {}", path.display()))?;
        all.head = table.head;
        all.rows.extend(table.rows);
    }
    Ok(all)
}
