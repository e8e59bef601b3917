//! Many runs, what they add up to, and the first of them that breaks an invariant.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use apitoken_operator::api::http::Operation;

use crate::{
    history::Event,
    run::{Outcome, Scenario},
    shrink::{shrink, told},
};

/// Runs at once: as many cores as the machine for tests has.
const AT_ONCE: usize = 2;

#[derive(Default)]
pub struct Figures {
    runs: usize,
    token_days: f64,
    logins: usize,
    refreshes: usize,
    refused: usize,
    deaths: usize,
    fired: BTreeMap<String, u64>,
}

/// Runs all of them, tells what they add up to, and panics with the smallest form of a run that broke an invariant.
pub fn campaign(name: &str, scenarios: &[Scenario]) -> Figures {
    let begun = Instant::now();
    let (figures, next, failed) = (Mutex::new(Figures::default()), AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = scenario.run(None);
                    figures.lock().unwrap().add(scenario, &outcome);
                    if let Some(violation) = outcome.violations.first() {
                        println!("{name}: seed {} breaks {violation}", scenario.seed);
                        failed.lock().unwrap().push((scenario.clone(), violation.invariant));
                    }
                }
            });
        }
    });
    let figures = figures.into_inner().unwrap();
    let failed = failed.into_inner().unwrap();
    figures.tell(name, begun, failed.len());
    if let Some((scenario, invariant)) = failed.first() {
        let smallest = shrink(scenario, None, invariant);
        let outcome = smallest.run(None);
        let violation = outcome.violations.iter().find(|violation| violation.invariant == *invariant).unwrap();
        panic!("{} runs broke an invariant; one of them:\n{}", failed.len(), told(&smallest, &outcome, violation));
    }
    figures
}

impl Figures {
    fn add(&mut self, scenario: &Scenario, outcome: &Outcome) {
        self.runs += 1;
        self.token_days += scenario.token_days();
        self.logins += outcome.asked(Operation::Login);
        self.refreshes += outcome.asked(Operation::Refresh);
        for entry in &outcome.history.entries {
            match entry.event {
                Event::Refused { .. } => self.refused += 1,
                Event::Died { .. } => self.deaths += 1,
                _ => {}
            }
        }
        for (kind, times) in &outcome.fired {
            *self.fired.entry(kind.clone()).or_default() += times;
        }
    }

    pub fn token_days(&self) -> f64 {
        self.token_days
    }

    fn tell(&self, name: &str, begun: Instant, failed: usize) {
        println!("{name}: {:.0} token-days in {} runs, {:.0?}", self.token_days, self.runs, begun.elapsed());
        println!(
            "  logins {}, refreshes {}, of these refused for the password {}",
            self.logins, self.refreshes, self.refused
        );
        println!("  processes that died {}, runs that broke an invariant {failed}", self.deaths);
        for (kind, times) in &self.fired {
            println!("  {kind}: {times}");
        }
    }
}

impl Outcome {
    pub fn asked(&self, operation: Operation) -> usize {
        let asked = |entry: &&crate::history::Entry| matches!(&entry.event, Event::Asked(asked) if asked.operation == operation);
        self.history.entries.iter().filter(asked).count()
    }
}
