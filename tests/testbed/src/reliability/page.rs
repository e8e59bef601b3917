//! `docs/reliability.md`, made of the matrix and of what stories have left.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::{
    figures::{Figure, Over},
    matrix::Fault,
    notes::Note,
    tables::Table,
};

const BEFORE: &str = "\
# Reliability

A token that expires unnoticed stops whoever uses it, and a refresh token that is presented twice can cost the whole session. Below are 81 faults, each with what was done to a real operator and what was seen. The page is written by the tests themselves: a story that has held leaves a note, and `cargo test --test reliability -- --ignored` holds this page against the notes of the run before it.

In each story the operator is the program itself, a process of its own, kube-apiserver and etcd are real, and the vendors are fakes that revoke a session when a one-time token comes twice, lock accounts, and keep a history of all they were asked. Between operator and API server stands a proxy that holds, answers, cuts, resets and freezes, and takes events out of watches. What is judged is the vendor's history and every version of the Secret, not what the operator says of itself. Rows {watched} are tried with a watcher at the Secret that judges every version of it, up to its last second, and so is each simulated run; the other stories of one-time tokens judge that none goes back to an older token. A row whose tests are named `sim` is tried in the simulator, one named `egress` at the path of requests alone.

";

const SIMULATOR: &str = include_str!("simulator.md");
const FUZZING: &str = include_str!("fuzzing.md");

const AFTER: &str = "
## How to run it

```console
$ cargo test --test stories --test egress --test sim       # the faults, on a control plane of their own, and simulated
$ cargo test --test reliability -- --ignored               # holds this page against what they left
$ UPDATE_RELIABILITY=1 cargo test --test reliability -- --ignored   # writes it
$ cargo test --test stories -- --ignored soak              # what takes too long for each run
$ cargo test --test sim -- --ignored soak
$ fuzz/run 20                                              # every parser of foreign bytes for 20 s; leaves how often each was tried
```

What the soaks and the fuzz targets have shown stands in the page as it was when they were last run: `UPDATE_RELIABILITY=1` takes over what they have left.

Numbers of seconds are of one run, at the load that the figures tell; what is held equal from run to run is everything but digits. Some waits are the operator's choice (15 s between looks at the wall clock) or shortened for tests (a Lease of 6 s, 15 s by default).
";

/// Tables by name, as they were left.
pub type Tables = BTreeMap<String, Table>;

/// The tables that the tests leave for the page, each where its text says `{name}`, and what they are made of.
pub const TABLES: [(&str, &[&str]); 2] = [("simulated", &["long-runs", "dense-runs"]), ("logins", &["logins"])];

/// The whole page.
#[must_use]
pub fn page(matrix: &[Fault], notes: &[Note], tables: &Tables) -> String {
    let mut page = BEFORE.replace("{watched}", &watched(notes));
    figures(&mut page, notes);
    times(&mut page, matrix, notes);
    let mut group = "";
    for fault in matrix {
        if fault.group != group {
            group = fault.group;
            let heads =
                "| # | fault | must hold | injected | observed | verdict |\n| --- | --- | --- | --- | --- | --- |";
            let _ = write!(page, "{}## {group}\n\n{heads}\n", if page.ends_with("|\n") { "\n" } else { "" });
        }
        line(&mut page, fault, notes);
    }
    page.push('\n');
    where_shown(&mut page, matrix, notes);
    let mut computed = [SIMULATOR, FUZZING].concat();
    for (name, table) in tables {
        computed = computed.replace(&format!("{{{name}}}\n"), &table.markdown());
    }
    page.push_str(&computed);
    page.push_str(AFTER);
    page
}

/// The rows where outputs were judged, as words.
fn watched(notes: &[Note]) -> String {
    let rows = notes.iter().filter(|note| note.figures.contains_key(&Figure::ExpiryGap)).map(|note| note.row);
    let rows: Vec<_> = rows.collect::<BTreeSet<_>>().iter().map(u8::to_string).collect();
    match rows.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => rows.concat(),
    }
}

/// The page without its numbers, which differ from run to run.
#[must_use]
pub fn shape(page: &str) -> String {
    let mut shape = String::new();
    for c in page.chars() {
        let digit = c.is_ascii_digit() || c == '.' && shape.ends_with('#');
        if !digit {
            shape.push(c);
        } else if !shape.ends_with('#') {
            shape.push('#');
        }
    }
    shape
}

fn figures(page: &mut String, notes: &[Note]) {
    page.push_str("## Figures\n\n| over all stories | |\n| --- | --- |\n");
    for figure in Figure::ALL {
        let total = figure.total(notes.iter().filter_map(|note| note.figures.get(&figure).copied()));
        let digits = if figure.over() == Over::Longest && total.fract() > 0.0 { 1 } else { 0 };
        let _ = writeln!(page, "| {} | {total:.digits$} |", figure.words());
    }
    let load = notes.iter().map(|note| note.load).fold(0.0, f64::max);
    let _ = writeln!(page, "| highest load of the machine (two cores) while they ran | {load:.0} |");
    for program in ["stories", "egress", "sim"] {
        let of_program = |note: &&Note| !note.is_a_soak() && note.story.split("::").next() == Some(program);
        let after = notes.iter().filter(of_program).map(|note| note.after).fold(0.0, f64::max);
        let _ = writeln!(
            page,
            "| `cargo test --test {program}`, from its start to its last note, min | {:.1} |",
            after / 60.0
        );
    }
    page.push('\n');
}

fn times(page: &mut String, matrix: &[Fault], notes: &[Note]) {
    page.push_str("| time until all is well | row | s |\n| --- | --- | --- |\n");
    for fault in matrix {
        for note in of(fault, notes) {
            for (what, seconds) in &note.times {
                let what = if note.is_a_soak() { format!("(soak) {what}") } else { what.clone() };
                let _ = writeln!(page, "| {what} | {} | {seconds:.1} |", fault.row);
            }
        }
    }
    page.push('\n');
}

fn line(page: &mut String, fault: &Fault, notes: &[Note]) {
    let notes: Vec<_> = of(fault, notes).collect();
    let only_soaks = notes.iter().all(|note| note.is_a_soak());
    let mark = |note: &Note, text: &str| if note.is_a_soak() { format!("(soak) {text}") } else { text.to_owned() };
    let injected: Vec<_> = notes.iter().map(|note| mark(note, &note.injected)).collect();
    let mut observed: Vec<_> = notes.iter().map(|note| mark(note, &note.observed)).collect();
    observed.extend(fault.instead.map(str::to_owned));
    let verdict = match (notes.is_empty(), fault.test, fault.instead) {
        (false, ..) if only_soaks => "held (soak)",
        (false, ..) => "held",
        (true, Some(_), None) => "held (unit)",
        (true, _, Some(_)) => "see left",
        (true, None, None) => "NOT SHOWN",
    };
    let Fault { row, fault, must_hold, .. } = fault;
    let (injected, observed) = (injected.join("<br>"), observed.join("<br>"));
    let _ = writeln!(page, "| {row} | {fault} | {must_hold} | {injected} | {observed} | {verdict} |");
}

fn where_shown(page: &mut String, matrix: &[Fault], notes: &[Note]) {
    page.push_str("## Which test shows it\n\n| # | tier | tests |\n| --- | --- | --- |\n");
    for fault in matrix {
        let stories = of(fault, notes).map(|note| format!("`{}`", note.story));
        let test = fault.test.map(|(file, name)| format!("`{file}`: `{name}`"));
        let tests: Vec<_> = stories.chain(test).collect();
        let _ = writeln!(page, "| {} | {} | {} |", fault.row, fault.tier, tests.join("<br>"));
    }
    page.push('\n');
}

fn of<'a>(fault: &Fault, notes: &'a [Note]) -> impl Iterator<Item = &'a Note> {
    let row = fault.row;
    notes.iter().filter(move |note| note.row == row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_with_other_numbers_have_the_same_shape_and_another_verdict_has_another() {
        assert_eq!(shape("| 4 | 12.5 s, 3 logins | held |"), shape("| 4 | 7 s, 1 logins | held |"));
        assert_ne!(shape("| 4 | held |"), shape("| 4 | NOT SHOWN |"));
    }
}
