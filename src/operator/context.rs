//! What all passes share. Nothing in it belongs to any one pass.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use k8s_openapi::jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    claim::Claim,
    cluster::Cluster,
    discovery::Discovery,
    duels::Duels,
    egress::Carrier,
    entry::{Key, Subject},
    errands::Errands,
    events::Events,
    gate::Gate,
    handover::Handover,
    index::Index,
    metrics::Metrics,
    rejections::Rejections,
    settings::{AllowedPresets, ClusterProviders},
    unsaved::Unsaved,
};
use crate::provider::values::FingerprintKey;

/// All deadlines are looked at by the wall clock at least this often: a suspended machine stops every timer.
pub const TICK: Duration = Duration::from_secs(15);

/// Tells the time of day.
pub type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// The operator, put together by `app`.
pub struct Operator {
    /// To be asked before anything is done outside of this process.
    pub claim: Claim,
    pub cluster: Cluster,
    pub index: Arc<Index>,
    pub metrics: Arc<Metrics>,
    /// The way to the providers.
    pub egress: Box<dyn Carrier>,
    /// What issuers have told of their token endpoints.
    pub discovery: Discovery,
    pub gate: Gate,
    pub rejections: Rejections,
    pub unsaved: Unsaved,
    pub duels: Duels,
    pub errands: Errands,
    pub events: Events,
    pub fingerprint_key: FingerprintKey,
    pub presets: AllowedPresets,
    pub cluster_providers: ClusterProviders,
    /// Where what ClusterTokenProviders refer to lies.
    pub own_namespace: String,
    /// The time of day.
    pub clock: Clock,
    /// Subjects that somebody else's pass has made due.
    pub wake: mpsc::UnboundedSender<Subject>,
    /// No new request is begun once this is cancelled: the operator was told to stop, or leads no more.
    pub stopping: CancellationToken,
    /// When the Lease is given up.
    pub handover: Handover,
}

impl Operator {
    /// The one clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub fn wake_tokens(&self, keys: BTreeSet<Key>) {
        for key in keys {
            self.wake(Subject::Token(key));
        }
    }

    pub fn wake(&self, subject: Subject) {
        // The receiver is gone only when the operator stops.
        let _ = self.wake.send(subject);
    }
}
