//! The operator under a deterministic simulator: the product's own passes, gate, queue, election and writes, against a
//! model of the API server and of providers, with a clock of its own and every fault that chance thinks of.
//!
//! A run is a seed and a list of faults. What it did is judged by invariants over its history; a run that breaks one is
//! shrunk to few faults, and printed.
#![expect(clippy::unwrap_used, clippy::panic, reason = "this is a test, and so is all that it calls")]
#![expect(clippy::print_stdout, reason = "figures and failing runs are told")]

mod bug;
mod call;
mod campaign;
mod carry;
mod check;
mod classes;
mod errand;
mod fault;
mod figures;
mod history;
mod leak;
mod ledger;
mod manners;
mod observe;
mod order;
mod panics;
mod plan;
mod planted;
mod process;
mod proofs;
mod rng;
mod run;
mod serve;
mod shrink;
mod sim;
mod store;
mod timeline;
mod users;
mod vendor;

use campaign::campaign;
use run::Scenario;
use testbed::reliability::row;

/// A number from the environment, to try other seeds or more of them by hand.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn scenarios(dense: bool, default: u64) -> Vec<Scenario> {
    let first = number("SIM_SEED", 1);
    (first..first + number("SIM_RUNS", default)).map(|seed| Scenario::new(seed, dense)).collect()
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let once = || {
        let outcome = Scenario::new(3, true).run(None);
        outcome.history.entries.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let (first, second) = (once(), once());
    let differs = first.iter().zip(&second).find(|(one, other)| one != other);
    assert!(differs.is_none() && first.len() == second.len(), "{differs:#?}");
}

#[test]
fn ten_thousand_token_days_break_no_invariant() {
    let figures = campaign("long runs", &scenarios(false, 54));
    figures.leave("long-runs");
    assert!(figures.token_days() > 10_000.0 || std::env::var("SIM_RUNS").is_ok(), "{}", figures.token_days());
    row(81).injected(figures.injected()).holds(figures.observed());
}

#[test]
fn short_lives_and_many_faults_break_no_invariant() {
    campaign("dense runs", &scenarios(true, 30)).leave("dense-runs");
}

/// Row 81 of the fault matrix. `cargo test --test sim -- --ignored`, which takes its time.
#[test]
#[ignore = "a soak: many minutes of computing"]
fn soak_seven_days_with_a_thousand_tokens_break_no_invariant() {
    let soaks: Vec<_> = (1..=number("SIM_RUNS", 4)).map(Scenario::soak).collect();
    let figures = campaign("soak", &soaks);
    row(81).injected(figures.injected()).holds(figures.observed());
}
