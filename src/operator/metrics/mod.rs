//! What the operator counts and times, in OpenMetrics text.
//!
//! Its own registry, nothing global. Must not label by object: series for each object come from the [`Inventory`],
//! at scrape, and can be switched off.

mod inventory;
mod labels;
mod process;

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

use self::{
    inventory::InventoryCollector,
    labels::{
        ApiLabels, ERRAND_OUTCOMES, ErrandLabels, FAILURE_CLASSES, OPERATIONS, OperationLabels, OutcomeLabels,
        ProviderLabels, RequestLabels, WatchLabels,
    },
    process::ProcessCollector,
};
pub use self::{
    inventory::{Inventory, Sample},
    labels::ErrandOutcome,
};
use crate::api::http::{FailureClass, Operation};

/// Media type of what [`Metrics::encode`] yields.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Seconds; a provider answers in tens of milliseconds or takes its whole timeout.
const PROVIDER_BUCKETS: [f64; 13] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Seconds; a pass that finds nothing to do takes well under a millisecond, one that waits for its turn minutes.
const PASS_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0];

/// All instruments of one process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    provider_requests: Family<RequestLabels, Counter>,
    provider_seconds: Family<OperationLabels, Histogram, fn() -> Histogram>,
    probes: Family<ErrandLabels, Counter>,
    revocations: Family<ErrandLabels, Counter>,
    passes: Family<OutcomeLabels, Counter>,
    pass_seconds: Family<OutcomeLabels, Histogram, fn() -> Histogram>,
    gate_waiting: Family<ProviderLabels, Gauge>,
    gate_concurrency: Family<ProviderLabels, Gauge>,
    clock_offset: Family<ProviderLabels, Gauge<f64, std::sync::atomic::AtomicU64>>,
    api_requests: Family<ApiLabels, Counter>,
    watch_errors: Family<WatchLabels, Counter>,
    leader: Gauge,
}

impl Metrics {
    /// All instruments at zero. `object_series`: whether each object of the inventory has series of its own; the
    /// counts over all objects are there in either case.
    #[must_use]
    pub fn new(inventory: Arc<dyn Inventory>, object_series: bool) -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            provider_requests: Family::default(),
            provider_seconds: Family::new_with_constructor(|| Histogram::new(PROVIDER_BUCKETS)),
            probes: Family::default(),
            revocations: Family::default(),
            passes: Family::default(),
            pass_seconds: Family::new_with_constructor(|| Histogram::new(PASS_BUCKETS)),
            gate_waiting: Family::default(),
            gate_concurrency: Family::default(),
            clock_offset: Family::default(),
            api_requests: Family::default(),
            watch_errors: Family::default(),
            leader: Gauge::default(),
        };
        metrics.register(InventoryCollector::new(inventory, object_series));
        // Prometheus sees no increase where a series begins with one, and a panic may well be the only one.
        metrics.passes.get_or_create(&OutcomeLabels { outcome: "panicked" }).inc_by(0);
        metrics
    }

    fn register(&mut self, inventory: InventoryCollector) {
        self.registry.register_collector(Box::new(ProcessCollector::new()));
        let own = self.registry.sub_registry_with_prefix("apitoken");
        own.register("build", "The running version", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        own.register_collector(Box::new(inventory));
        own.register("provider_requests", "Requests sent to providers", self.provider_requests.clone());
        own.register(
            "provider_request_duration_seconds",
            "From sending a request to the end of the provider's reply",
            self.provider_seconds.clone(),
        );
        own.register("probes", "Probes of tokens", self.probes.clone());
        own.register("revocations", "Revocations of replaced tokens", self.revocations.clone());
        own.register("reconciliations", "Passes over one ApiToken", self.passes.clone());
        own.register("reconcile_duration_seconds", "Duration of a pass", self.pass_seconds.clone());
        own.register("gate_waiting", "Requests waiting for their turn at a provider", self.gate_waiting.clone());
        own.register(
            "gate_concurrency",
            "Requests that may be in flight at a provider that was away",
            self.gate_concurrency.clone(),
        );
        own.register(
            "clock_offset_seconds",
            "How far the provider's clock, by its Date header, is ahead of ours",
            self.clock_offset.clone(),
        );
        own.register("api_requests", "Requests to the Kubernetes API server but watches", self.api_requests.clone());
        own.register("leader", "Whether this replica leads: 1, or 0 while it stands by", self.leader.clone());
        own.register("watch_errors", "Failures of watches on the Kubernetes API server", self.watch_errors.clone());
    }

    /// A provider was asked. `provider` is unique among providers: its kind, namespace and name.
    pub fn provider_request(
        &self,
        provider: &str,
        operation: Operation,
        outcome: Result<(), FailureClass>,
        took: Duration,
    ) {
        self.provider_requests.get_or_create(&RequestLabels::new(provider, operation, outcome)).inc();
        self.provider_seconds.get_or_create(&OperationLabels::new(provider, operation)).observe(took.as_secs_f64());
    }

    /// A token was probed, or its probe left out.
    pub fn probed(&self, provider: &str, outcome: ErrandOutcome) {
        self.probes.get_or_create(&ErrandLabels::new(provider, outcome)).inc();
    }

    /// A token that was replaced was to be revoked.
    pub fn revoked(&self, provider: &str, outcome: ErrandOutcome) {
        self.revocations.get_or_create(&ErrandLabels::new(provider, outcome)).inc();
    }

    /// A pass over one `ApiToken` ended.
    pub fn reconciled(&self, outcome: &'static str, took: Duration) {
        let labels = OutcomeLabels { outcome };
        self.passes.get_or_create(&labels).inc();
        self.pass_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// The Kubernetes API server was asked, watches apart.
    pub fn api_request(&self, verb: &'static str, resource: &'static str, outcome: &'static str) {
        self.api_requests.get_or_create(&ApiLabels { verb, resource, outcome }).inc();
    }

    /// A watch failed and is begun again.
    pub fn watch_failed(&self, watch: &'static str) {
        self.watch_errors.get_or_create(&WatchLabels { watch }).inc();
    }

    /// This replica acts, or stands by.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// How many requests wait for their turn at this provider now.
    pub fn gate_waiting(&self, provider: &str, waiting: usize) {
        let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
        self.gate_waiting.get_or_create(&ProviderLabels::new(provider)).set(waiting);
    }

    /// How many requests may be in flight at this provider after an outage; `None`: its own limits hold again, and it
    /// has no series.
    pub fn gate_concurrency(&self, provider: &str, most: Option<u32>) {
        let labels = ProviderLabels::new(provider);
        match most {
            Some(most) => {
                self.gate_concurrency.get_or_create(&labels).set(most.into());
            }
            None => {
                self.gate_concurrency.remove(&labels);
            }
        }
    }

    /// By how many seconds this provider's clock is ahead of ours; negative if it is behind.
    pub fn clock_offset(&self, provider: &str, seconds: f64) {
        self.clock_offset.get_or_create(&ProviderLabels::new(provider)).set(seconds);
    }

    /// The provider is gone: so are its series, or providers that come and go would grow memory for ever.
    pub fn forget_provider(&self, provider: &str) {
        self.gate_waiting.remove(&ProviderLabels::new(provider));
        self.gate_concurrency.remove(&ProviderLabels::new(provider));
        self.clock_offset.remove(&ProviderLabels::new(provider));
        for outcome in ERRAND_OUTCOMES {
            let labels = ErrandLabels::new(provider, outcome);
            self.probes.remove(&labels);
            self.revocations.remove(&labels);
        }
        for operation in OPERATIONS {
            self.provider_seconds.remove(&OperationLabels::new(provider, operation));
            for outcome in [Ok(())].into_iter().chain(FAILURE_CLASSES.map(Err)) {
                self.provider_requests.remove(&RequestLabels::new(provider, operation, outcome));
            }
        }
    }

    /// All of it as OpenMetrics text, read now.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(16 * 1024);
        text::encode(&mut text, &self.registry).expect("invariant: writing to a String never fails");
        text
    }
}

#[cfg(test)]
mod tests;
