//! The register of the faults: each with its number, its tier, what must hold, and what covers it besides stories.

use std::fmt;

/// One row of the matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// From 1.
    pub row: u8,
    pub group: &'static str,
    pub tier: Tier,
    pub fault: &'static str,
    pub must_hold: &'static str,
    /// File and name of a test that needs no processes.
    pub test: Option<(&'static str, &'static str)>,
    /// Why no story shows it, and what does instead.
    pub instead: Option<&'static str>,
}

/// Where a row is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tier {
    /// The pure core alone.
    pub unit: bool,
    /// Real processes, in each run.
    pub processes: bool,
    /// By a command of its own, because it takes long.
    pub soak: bool,
}

const TABLE: &str = include_str!("matrix.txt");

/// All rows, in order.
///
/// # Panics
/// The table is not one.
#[must_use]
pub fn matrix() -> Vec<Fault> {
    let mut group = "";
    let mut rows = Vec::new();
    for line in TABLE.lines() {
        match line.strip_prefix("## ") {
            Some(name) => group = name,
            None => rows.push(read(group, line).unwrap_or_else(|| panic!("no row of the matrix: {line}"))),
        }
    }
    rows
}

fn read(group: &'static str, line: &'static str) -> Option<Fault> {
    let mut cells = line.split('|').map(str::trim);
    let (row, tier) = (cells.next()?.parse().ok()?, Tier::read(cells.next()?)?);
    let (fault, must_hold) = (cells.next()?, cells.next()?);
    let test = cells.next().filter(|cell| !cell.is_empty());
    let test = test.map(|cell| cell.split_once(' ').unwrap_or_else(|| panic!("no file and name: {cell}")));
    let instead = cells.next().filter(|cell| !cell.is_empty());
    Some(Fault { row, group, tier, fault, must_hold, test, instead })
}

impl Tier {
    fn read(text: &str) -> Option<Self> {
        let known = !text.is_empty() && text.chars().all(|letter| "UPS".contains(letter));
        known.then(|| Self { unit: text.contains('U'), processes: text.contains('P'), soak: text.contains('S') })
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [(self.unit, "unit"), (self.processes, "processes"), (self.soak, "soak")];
        let words: Vec<_> = words.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
        f.write_str(&words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_has_81_rows_in_order_and_each_says_what_must_hold() {
        let rows = matrix();
        assert_eq!(rows.iter().map(|fault| fault.row).collect::<Vec<_>>(), (1..=81).collect::<Vec<_>>());
        assert!(rows.iter().all(|fault| !fault.fault.is_empty() && !fault.must_hold.is_empty()));
        assert!(rows.iter().all(|fault| fault.tier != Tier::default() && !fault.group.is_empty()));
    }
}
