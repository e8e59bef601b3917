//! What each class of faults costs: runs with faults of one class alone, and the logins that were made in them.

use std::sync::Mutex;

use testbed::reliability::tables::Table;

use crate::{
    campaign::runs,
    ledger::{Logins, account},
    number,
    plan::plan_of,
    rng::Rng,
    run::Scenario,
};

/// All classes but those in which somebody wishes for a login: edits of credentials, of providers, of ApiTokens.
const CLASSES: [&str; 15] = [
    "API server down",
    "Lease deleted",
    "SIGSTOP",
    "SIGTERM",
    "call lost or slow",
    "call refused",
    "clock jump",
    "crash at a call",
    "kill -9",
    "odd answer about a token",
    "odd reply",
    "provider down",
    "sessions revoked",
    "tokens ended",
    "watch late or gapped",
];
const RUNS: u64 = 4;
const FAULTS: usize = 12;

fn scenarios(class: &str) -> Vec<Scenario> {
    let first = number("SIM_SEED", 1);
    let scenario = |seed| {
        let mut scenario = Scenario::new(seed, true);
        let shape = &mut scenario.shape;
        (shape.replicas, shape.elected) = if class == "Lease deleted" { (2, true) } else { (1, false) };
        shape.faults = FAULTS;
        scenario.endless = true;
        scenario.faults = plan_of(class, &mut Rng::new(seed ^ 0xc1a5), &scenario.shape);
        scenario
    };
    (first..first + RUNS).map(scenario).collect()
}

#[test]
fn no_class_of_faults_costs_a_login_that_is_not_due() {
    let only = std::env::var("SIM_CLASS").unwrap_or_default();
    let mut table = Table::new(&[
        "faults of this class alone",
        "struck",
        "logins",
        "first",
        "outcome unknown",
        "session refused",
        "not due",
    ]);
    for class in CLASSES.into_iter().filter(|class| class.contains(&only)) {
        let spent = Mutex::new((Logins::default(), 0));
        runs(class, &scenarios(class), |_, outcome| {
            let mut spent = spent.lock().unwrap();
            spent.0.add(account(&outcome.history).0);
            spent.1 += outcome.struck(class);
        });
        let (logins, struck) = spent.into_inner().unwrap();
        let Logins { made, first, unknown, refused, not_due } = logins;
        println!("{class}: {struck} struck, {logins:?}");
        assert!(struck > 0 && not_due == 0, "{class}: {struck} struck, {logins:?}");
        table.row(class, [struck, made, first, unknown, refused, not_due]);
    }
    if only.is_empty() {
        table.leave("logins");
    }
}
