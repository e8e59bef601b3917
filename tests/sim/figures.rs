//! What many runs add up to.

use std::{collections::BTreeMap, time::Instant};

use apitoken_operator::{api::http::Operation, token::decide::Errand};
use testbed::reliability::tables::Table;

use crate::{
    history::Event,
    run::{Outcome, Scenario},
};

/// How a call is harmed, as it is counted when it meets a call.
const HARMS: [&str; 6] = ["Crash", "Lost", "Hang", "Slow", "Refuse", "Panic"];

#[derive(Default)]
pub struct Figures {
    runs: usize,
    token_days: f64,
    logins: usize,
    refreshes: usize,
    one_time: usize,
    refused: usize,
    probes: usize,
    revoked: usize,
    ended: usize,
    deaths: usize,
    fired: BTreeMap<String, usize>,
}

impl Figures {
    pub fn add(&mut self, scenario: &Scenario, outcome: &Outcome) {
        self.runs += 1;
        self.token_days += scenario.token_days();
        for entry in &outcome.history.entries {
            match &entry.event {
                Event::Asked(asked) if asked.operation == Operation::Login => self.logins += 1,
                Event::Asked(asked) => {
                    self.refreshes += 1;
                    self.one_time += usize::from(asked.one_time);
                }
                Event::Refused { .. } => self.refused += 1,
                Event::Inquired(inquiry) if inquiry.errand == Errand::Probe => self.probes += 1,
                Event::Revoked { .. } => self.revoked += 1,
                Event::Ended { serials } => self.ended += serials.len(),
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

    fn faults(&self) -> usize {
        let planned = self.fired.iter().filter(|(kind, _)| !is_harm(kind));
        planned.map(|(_, times)| times).sum()
    }

    fn kinds(&self) -> Vec<&str> {
        self.fired.keys().map(String::as_str).filter(|kind| !is_harm(kind)).collect()
    }

    pub fn injected(&self) -> String {
        format!(
            "{} faults in {} simulated runs, {:.0} token-days: {}",
            self.faults(),
            self.runs,
            self.token_days,
            self.kinds().join(", ")
        )
    }

    pub fn observed(&self) -> String {
        format!(
            "no invariant is broken; {} one-time tokens presented, none twice; {} processes died",
            self.one_time, self.deaths
        )
    }

    /// For the page; of the seeds that everybody runs.
    pub fn leave(&self, name: &str) {
        if std::env::var("SIM_RUNS").or_else(|_| std::env::var("SIM_SEED")).is_ok() {
            return;
        }
        let head = [
            "simulated",
            "runs",
            "token-days",
            "faults",
            "processes that died",
            "logins",
            "of these refused for the password",
            "refreshes",
            "of these with a one-time token",
            "presented twice",
            "probes",
            "tokens that somebody else ended",
            "revoked after they were replaced",
            "invariants broken",
        ];
        let mut table = Table::new(&head);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousand days")]
        let token_days = self.token_days as usize;
        // A broken invariant ends the test before this.
        let numbers = [
            self.runs,
            token_days,
            self.faults(),
            self.deaths,
            self.logins,
            self.refused,
            self.refreshes,
            self.one_time,
            0,
            self.probes,
            self.ended,
            self.revoked,
            0,
        ];
        table.row(&name.replace('-', " "), numbers);
        table.leave(name);
    }

    pub fn tell(&self, name: &str, begun: Instant) {
        println!("{name}: {:.0} token-days in {} runs, {:.0?}", self.token_days, self.runs, begun.elapsed());
        println!("  logins {}, refreshes {}, refused for the password {}", self.logins, self.refreshes, self.refused);
        println!("  probes {}, tokens ended {}, revoked {}", self.probes, self.ended, self.revoked);
        println!("  processes that died {}", self.deaths);
        for (kind, times) in &self.fired {
            println!("  {kind}: {times}");
        }
    }
}

impl Outcome {
    /// How many faults of that kind have struck. Of calls: those that some call has met.
    pub fn struck(&self, kind: &str) -> usize {
        match kind {
            "crash at a call" | "call refused" | "call lost or slow" => {
                self.fired.iter().filter(|(fired, _)| is_harm(fired)).map(|(_, times)| times).sum()
            }
            _ => self.fired.get(kind).copied().unwrap_or_default(),
        }
    }
}

fn is_harm(fired: &str) -> bool {
    HARMS.iter().any(|harm| fired.starts_with(harm))
}
