//! Many runs, what they add up to, and the first of them that breaks an invariant.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use crate::{
    figures::Figures,
    run::{Outcome, Scenario},
    shrink::{shrink, told},
};

/// Runs at once: as many cores as the machine for tests has.
const AT_ONCE: usize = 2;

/// Runs all of them, tells what they add up to, and panics with the smallest form of a run that broke an invariant.
pub fn campaign(name: &str, scenarios: &[Scenario]) -> Figures {
    let begun = Instant::now();
    let figures = Mutex::new(Figures::default());
    runs(name, scenarios, |scenario, outcome| figures.lock().unwrap().add(scenario, outcome));
    let figures = figures.into_inner().unwrap();
    figures.tell(name, begun);
    figures
}

/// Runs all of them, and panics with the smallest form of one that broke an invariant.
pub fn runs(name: &str, scenarios: &[Scenario], look: impl Fn(&Scenario, &Outcome) + Sync) {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = scenario.run(None);
                    look(scenario, &outcome);
                    if let Some(violation) = outcome.violations.first() {
                        println!("{name}: seed {} breaks {violation}", scenario.seed);
                        failed.lock().unwrap().push((scenario.clone(), violation.invariant));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    if let Some((scenario, invariant)) = failed.first() {
        let smallest = shrink(scenario, None, invariant);
        let outcome = smallest.run(None);
        let violation = outcome.violations.iter().find(|violation| violation.invariant == *invariant).unwrap();
        panic!("{} runs broke an invariant; one of them:\n{}", failed.len(), told(&smallest, &outcome, violation));
    }
}
