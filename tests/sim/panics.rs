//! Row 9 of the fault matrix: a pass panics, with a secret in the message, at each of its calls. It ends that pass and
//! nothing else.

use testbed::reliability::row;

use crate::{
    fault::{Fault, Harm, Step, What},
    history::Event,
    run::{Outcome, Scenario},
};

/// All calls of a pass.
const STEPS: [Step; 11] = [
    Step::ReadSession,
    Step::ReadCredentials,
    Step::ReadOutput,
    Step::WriteIntent,
    Step::WriteAnswer,
    Step::WriteOutput,
    Step::WriteStatus,
    Step::Login,
    Step::Refresh,
    Step::Probe,
    Step::Revoke,
];
/// Not each run comes to each step when it should.
const SEEDS: u64 = 12;
/// Passes that panic one after the other.
const TIMES: u8 = 3;

fn panicking(seed: u64, step: Step) -> Scenario {
    let mut scenario = Scenario::new(seed, true);
    (scenario.shape.elected, scenario.shape.replicas) = (false, 1);
    scenario.errands = matches!(step, Step::Probe | Step::Revoke);
    scenario.faults = vec![Fault { at: 0, what: What::Call { step, harm: Harm::Panic, times: TIMES } }];
    scenario
}

/// When a pass was said to have panicked, by the run's own clock.
fn complaints(outcome: &Outcome) -> Vec<(i64, &str)> {
    let told = outcome.history.entries.iter().filter_map(|entry| match &entry.event {
        Event::Complained { line } if line.contains("a pass panicked") => Some((entry.at, line.as_str())),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_pass_that_panics_at_any_of_its_calls_tells_no_secret_and_keeps_nobody_else_waiting() {
    let mut panics = 0;
    for step in STEPS {
        let struck =
            (1..=SEEDS).map(|seed| panicking(seed, step).run(None)).find(|outcome| !complaints(outcome).is_empty());
        let outcome = struck.unwrap_or_else(|| panic!("no pass came to {step:?}"));
        let told = complaints(&outcome);
        assert_eq!(told.len(), usize::from(TIMES), "{step:?}: {told:#?}");
        // All invariants hold for all others, and for the one that it struck as soon as it may have an excuse no more.
        let broken: Vec<_> = outcome.violations.iter().filter(|violation| violation.invariant != "panic").collect();
        assert!(broken.is_empty(), "{step:?}: {broken:#?}");
        assert!(outcome.breaks("panic"), "the metrics do not count it");
        panics += told.len();
    }
    row(9)
        .injected("a panic, with a secret in its message, at each of the eleven calls that a pass can make, three in a row; in the simulator, in the product's own loop")
        .holds(format!("{panics} passes ended, counted and told by their ApiToken and without their text; all others are renewed in time, and the one recovers"));
}

#[test]
fn an_apitoken_whose_passes_panic_is_tried_again_later_each_time() {
    let mut alone = panicking(1, Step::ReadCredentials);
    alone.shape.tokens = 1;
    let outcome = alone.run(None);
    let told = complaints(&outcome);
    assert_eq!(told.len(), usize::from(TIMES), "{told:#?}");
    let waits: Vec<_> = told.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(waits[0] >= 250 && waits[1] > waits[0], "{waits:?}");
}
