//! The table of metrics in the documentation.

use std::{collections::BTreeSet, fs};

use crate::{chart::repository, served};

#[test]
fn the_table_of_metrics_holds_the_names_and_types_that_are_served_and_no_others() {
    let operations = fs::read_to_string(repository().join("docs/operations.md")).unwrap();
    let rows = operations.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next()?.trim_end_matches('`');
        let known = name.starts_with("apitoken_") || name.starts_with("process_");
        known.then(|| format!("{name} {}", cells.next().unwrap()))
    });
    assert_eq!(rows.collect::<BTreeSet<_>>(), served::families(&served::text()));
}
