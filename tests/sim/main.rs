//! The operator under a deterministic simulator: the product's own passes, gate, queue, election and writes, against a
//! model of the API server and of providers, with a clock of its own and every fault that chance thinks of.
//!
//! A run is a seed and a list of faults. What it did is judged by invariants over its history; a run that breaks one is
//! shrunk to few faults, and printed.
#![expect(clippy::unwrap_used, reason = "this is a test, and so is all that it calls")]
#![expect(clippy::print_stdout, reason = "figures and failing runs are told")]

mod bug;
mod call;
mod carry;
mod check;
mod fault;
mod history;
mod observe;
mod process;
mod rng;
mod run;
mod serve;
mod sim;
mod store;
mod timeline;
mod users;
mod vendor;

use run::Scenario;

#[test]
fn first() {
    let from: u64 = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let count: u64 = std::env::var("COUNT").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let dense = std::env::var("DENSE").is_ok();
    for seed in from..from + count {
        let scenario = Scenario::new(seed, dense);
        let begun = std::time::Instant::now();
        let outcome = scenario.run(None);
        println!(
            "{seed}: {:?} {} token-days in {:?}: {} events",
            scenario.shape,
            scenario.token_days(),
            begun.elapsed(),
            outcome.history.entries.len()
        );
        if std::env::var("TRACE").is_ok() {
            for fault in &scenario.faults {
                println!("   {fault}");
            }
            for entry in &outcome.history.entries {
                println!("   {entry}");
            }
        }
        for violation in &outcome.violations {
            println!("  {violation}");
        }
    }
}
