//! One run, from a seed and a list of faults to its history.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;
use tokio::{
    runtime::{Builder, Handle},
    task::JoinSet,
};

use crate::{
    bug::Bug,
    check::{Violation, violations},
    fault::{Fault, HOUR, MINUTE, Shape},
    history::{Event, History},
    leak::{CANARY, listen},
    observe::CREDENTIALS,
    plan::plan,
    process::{look_back, supervise},
    rng::Rng,
    sim::{Sim, pause, timestamp},
    store::{By, Id, Kind},
    users::{befall, heal, shared},
    vendor::{Account, Vendor, lifetime},
};

/// What a run is made of; all else follows.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub seed: u64,
    pub shape: Shape,
    pub dense: bool,
    /// All sessions can be refreshed for ever.
    pub endless: bool,
    /// All providers can be probed, and revoke; their tokens live for an hour.
    pub errands: bool,
    pub faults: Vec<Fault>,
}

pub struct Outcome {
    pub history: History,
    pub violations: Vec<Violation>,
    /// Faults that struck, by kind.
    pub fired: BTreeMap<String, usize>,
}

impl Scenario {
    /// Many tokens with long lives for days, or few with short lives for an hour.
    pub fn new(seed: u64, dense: bool) -> Self {
        let mut rng = Rng::new(seed);
        let replicas = if rng.percent(if dense { 50 } else { 15 }) { 2 } else { 1 };
        let healed_at = if dense { rng.between(20, 50) * MINUTE } else { rng.between(3, 6) * 24 * HOUR };
        let shape = Shape {
            providers: rng.below(2) + 2,
            tokens: if dense { rng.below(5) + 4 } else { rng.below(20) + 25 },
            replicas,
            // An election for days would be all that a run does.
            elected: dense && replicas > 1 && rng.percent(60),
            faults: if dense { rng.below(26) } else { rng.below(60) + 10 },
            healed_at,
            ends_at: healed_at + if dense { 40 * MINUTE } else { 30 * HOUR },
        };
        let faults = plan(&mut rng, &shape);
        Self { seed, shape, dense, endless: false, errands: false, faults }
    }

    /// Seven days, a thousand tokens, and a fault every few minutes.
    pub fn soak(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let healed_at = 7 * 24 * HOUR;
        let (providers, tokens, replicas, faults) = (8, 1000, rng.below(2) + 1, 2000);
        let shape =
            Shape { providers, tokens, replicas, elected: false, faults, healed_at, ends_at: healed_at + 24 * HOUR };
        let faults = plan(&mut rng, &shape);
        Self { seed, shape, dense: false, endless: false, errands: false, faults }
    }

    pub fn token_days(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "both are small")]
        let days = self.shape.tokens as f64 * self.shape.ends_at as f64 / (24 * HOUR) as f64;
        days
    }

    pub fn run(&self, bug: Option<Bug>) -> Outcome {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(self.simulate(bug))
    }

    async fn simulate(&self, bug: Option<Bug>) -> Outcome {
        let mut rng = Rng::new(self.seed ^ 0x5eed);
        let vendors: Vec<_> = (0..self.shape.providers)
            .map(|number| {
                let lifetime = lifetime(&mut rng, self.dense);
                let vendor = Vendor::new(number, lifetime, &mut rng);
                let vendor = if self.errands { vendor.with_errands() } else { vendor };
                if self.endless { vendor.endless() } else { vendor }
            })
            .collect();
        let providers = (0..self.shape.tokens).map(|number| (format!("t{number}"), number % vendors.len())).collect();
        let history = History {
            providers,
            probes: vendors.iter().map(|vendor| vendor.offers.probe).collect(),
            elected: self.shape.elected,
            replicas: self.shape.replicas,
            endless: self.endless,
            healed_at: self.shape.healed_at,
            ends_at: self.shape.ends_at,
            ..History::default()
        };
        let sim = Sim::new(rng, vendors, history, bug);
        let _log = listen(&sim);
        populate(&sim, self.shape.tokens);
        let mut tasks = JoinSet::new();
        for _ in 0..self.shape.replicas {
            tasks.spawn(supervise(Arc::clone(&sim)));
        }
        for fault in &self.faults {
            tasks.spawn(befall(Arc::clone(&sim), *fault));
        }
        pause(self.shape.healed_at).await;
        heal(&sim);
        pause(self.shape.ends_at - self.shape.healed_at).await;
        let alive = Handle::current().metrics().num_alive_tasks();
        look_back(&sim);
        tasks.shutdown().await;
        let mut state = sim.lock();
        let mut history = std::mem::take(&mut state.history);
        history.tasks = alive;
        history.sort_out();
        Outcome { violations: violations(&history), history, fired: std::mem::take(&mut state.fired) }
    }
}

fn populate(sim: &Arc<Sim>, tokens: usize) {
    let mut state = sim.lock();
    let state = &mut *state;
    state.note(0, Event::Clock { offset: 0 });
    let born = timestamp(0).to_string();
    for number in 0..state.vendors.len() {
        let spec = state.vendors[number].spec();
        let object = json!({ "apiVersion": "apitoken.dev/v1alpha1", "kind": "ClusterTokenProvider", "metadata": {}, "spec": spec });
        state.store.create(&Id::new(Kind::Provider, "", &format!("v{number}")), object, By::User, &born).unwrap();
    }
    for number in 0..tokens {
        let user = shared(number, state.vendors.len()).to_string();
        let account = Account { password: format!("{CANARY}password-of-{user}"), ..Account::default() };
        let provider = number % state.vendors.len();
        state.vendors[provider].accounts.entry(user.clone()).or_insert(account);
        state.restore_credentials(&format!("{CREDENTIALS}{user}"), 0);
        state.make_token(&format!("t{number}"), 0);
    }
    sim.publish(state);
}
