//! `docs/reliability.md` says what the stories have shown: all 81 rows, and nothing that no test shows.
#![expect(clippy::print_stdout, reason = "figures of this run, for whoever reads the output")]
#![allow(clippy::unwrap_used, reason = "a test ends at what it cannot go on with")]

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
};

use testbed::reliability::{
    fuzz,
    matrix::{Fault, matrix},
    notes,
    page::{TABLES, Tables, page, shape},
    tables,
};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(directory: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
}

/// The rows for which some story leaves a note in each run: soaks are not of these.
fn told_by_stories() -> BTreeSet<u8> {
    let mut files = Vec::new();
    sources(&repository().join("tests/stories"), &mut files);
    sources(&repository().join("tests/egress"), &mut files);
    sources(&repository().join("tests/sim"), &mut files);
    let soak = |path: &PathBuf| path.file_stem().is_some_and(|stem| stem.to_string_lossy().starts_with("soak"));
    files.retain(|path| !soak(path));
    let texts = files.iter().map(|path| fs::read_to_string(path).unwrap());
    texts.flat_map(|text| rows_in(&text)).collect()
}

/// Calls of `row` with a number.
fn rows_in(text: &str) -> BTreeSet<u8> {
    text.split("row(").skip(1).filter_map(|rest| rest.split_once(')')?.0.parse().ok()).collect()
}

fn page_in_the_repository() -> String {
    fs::read_to_string(repository().join("docs/reliability.md")).unwrap()
}

#[test]
fn every_row_is_shown_by_a_story_or_by_a_test_or_says_why_not() {
    let told = told_by_stories();
    let silent = |fault: &&Fault| !told.contains(&fault.row) && fault.test.is_none() && fault.instead.is_none();
    let silent: Vec<_> = matrix().iter().filter(silent).map(|fault| (fault.row, fault.fault)).collect();
    assert_eq!(silent, []);
}

#[test]
fn every_test_that_the_matrix_names_is_there() {
    for Fault { row, test, .. } in matrix() {
        let Some((file, name)) = test else { continue };
        let text = fs::read_to_string(repository().join(file)).unwrap_or_default();
        assert!(text.contains(&format!("fn {name}(")), "row {row}: no test {name} in {file}");
    }
}

#[test]
fn the_page_has_a_line_for_each_row_and_calls_none_unshown() {
    let page = page_in_the_repository();
    for Fault { row, fault, .. } in matrix() {
        assert!(page.contains(&format!("\n| {row} | {fault} | ")), "row {row} is missing in docs/reliability.md");
    }
    assert!(!page.contains("NOT SHOWN"), "{page}");
}

fn kept_of_fuzzing() -> PathBuf {
    repository().join("tests/testbed/src/reliability/fuzz.json")
}

#[test]
fn the_page_tells_of_each_fuzz_target() {
    let kept: tables::Table = serde_json::from_slice(&fs::read(kept_of_fuzzing()).unwrap()).unwrap();
    let told: BTreeSet<_> = kept.rows.iter().map(|row| row[0].clone()).collect();
    let targets = fs::read_dir(repository().join("fuzz/fuzz_targets")).unwrap();
    let targets = targets.map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned());
    assert_eq!(told, targets.collect(), "`fuzz/run` and UPDATE_RELIABILITY=1 tell of a new one");
}

/// For the end of a whole run: `UPDATE_RELIABILITY=1` writes the page instead.
#[test]
#[ignore = "wants the notes of a run of all stories before it"]
fn the_page_says_what_the_last_run_of_all_stories_has_shown() {
    let update = env::var_os("UPDATE_RELIABILITY").is_some();
    let soaks = repository().join("tests/testbed/src/reliability/soaks.json");
    if update {
        fs::write(&soaks, notes::with_newer_soaks().unwrap()).unwrap();
    }
    let notes = notes::left(&fs::read_to_string(&soaks).unwrap()).unwrap();
    let noted: BTreeSet<u8> = notes.iter().map(|note| note.row).collect();
    let missing: Vec<_> = told_by_stories().difference(&noted).copied().collect();
    assert!(
        missing.is_empty(),
        "rows {missing:?} have no note: run `cargo test --test stories --test egress --test sim` first"
    );
    let mut tables: Tables = TABLES.map(|(name, parts)| (name.to_owned(), tables::left(parts).unwrap())).into();
    let fuzzed = fuzz::with_newer().unwrap();
    if update {
        fs::write(kept_of_fuzzing(), fuzz::to_keep(&fuzzed).unwrap()).unwrap();
    }
    tables.insert("fuzz".to_owned(), fuzzed);
    let made = page(&matrix(), &notes, &tables);
    if update {
        fs::write(repository().join("docs/reliability.md"), &made).unwrap();
    }
    println!("{made}");
    let kept = page_in_the_repository();
    let differs = shape(&kept) != shape(&made);
    assert!(!differs, "docs/reliability.md says something else than this run: UPDATE_RELIABILITY=1 writes it");
}
