//! What fuzzing has tried. `fuzz/run` leaves a row for each target; not each run of the tests has one before it, so the
//! last of each target is kept beside this file.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};

use super::{notes::directory, tables::Table};

const KEPT: &str = include_str!("fuzz.json");

/// The table that is kept, each row replaced by a newer one that was left.
///
/// # Errors
/// One cannot be read.
pub fn with_newer() -> Result<Table> {
    let mut table: Table = serde_json::from_str(KEPT).context("the kept rows of fuzz targets are no JSON")?;
    for row in left()? {
        table.rows.retain(|kept| kept.first() != row.first());
        table.rows.push(row);
    }
    table.rows.sort();
    Ok(table)
}

/// As `fuzz.json` keeps it.
///
/// # Errors
/// It cannot be written as JSON.
pub fn to_keep(table: &Table) -> Result<String> {
    Ok(serde_json::to_string_pretty(table)? + "\n")
}

fn left() -> Result<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    let Ok(entries) = fs::read_dir(notes()) else { return Ok(rows) };
    for entry in entries {
        let path = entry?.path();
        let read = || Ok::<_, anyhow::Error>(serde_json::from_slice(&fs::read(&path)?)?);
        rows.push(read().with_context(|| format!("cannot read {}", path.display()))?);
    }
    Ok(rows)
}

/// Where `fuzz/run` leaves them: beside the profile's directory, so that they outlive the notes of a run.
fn notes() -> PathBuf {
    directory().ancestors().nth(2).unwrap_or(&directory()).join("fuzz/notes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_kept_is_read_as_it_was() {
        let table = with_newer().unwrap();
        assert_eq!(serde_json::from_str::<Table>(&to_keep(&table).unwrap()).unwrap(), table);
        assert!(table.rows.iter().all(|row| row.len() == table.head.len()), "{table:#?}");
    }
}
