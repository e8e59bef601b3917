//! One life of the operator: everything of the product but its watches, its sockets and its signals.
//!
//! What `app` and `watch` do stands here once more: putting together, and feeding the index from what the API server
//! tells. All else is the product itself, driven by its own controller.

use std::{collections::HashSet, sync::Arc};

use apitoken_operator::{
    api::{ApiToken, ClusterTokenProvider, ProviderKind},
    operator::{
        Operator,
        admission::OriginLimits,
        claim::Claim,
        cluster::Cluster,
        controller::{self, Schedule},
        discovery::Discovery,
        duels::Duels,
        entry::{Key, ProviderEntry, ProviderKey, SecretEntry, Subject, TokenEntry},
        errands::Errands,
        events::Events,
        gate::Gate,
        handover::Handover,
        index::Index,
        lease::Elector,
        metrics::Metrics,
        rejections::Rejections,
        server::Health,
        settings::{AllowedPresets, ClusterProviders, ElectionArgs},
        unsaved::Unsaved,
        watch::Progress,
    },
    provider::values::FingerprintKey,
};
use clap::Parser;
use k8s_openapi::api::core::v1::Secret;
use kube::{Client, core::PartialObjectMeta};
use serde_json::Value;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    bug::Bug,
    carry::Road,
    history::Event,
    sim::{Fed, NAMESPACE, Process, Sim, pause, text},
    store::{Change, Kind},
};

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    election: ElectionArgs,
}

/// Keeps one replica running: when it ends, or is killed, a new process takes its place.
pub async fn supervise(sim: Arc<Sim>) {
    loop {
        live(&sim).await;
        let delay = sim.lock().rng.between(500, 8000);
        pause(delay).await;
    }
}

/// From the start of a process to its end, or to its death.
async fn live(sim: &Arc<Sim>) {
    let (feed, fed) = mpsc::unbounded_channel();
    let killed = Arc::new(Notify::new());
    let number = {
        let mut state = sim.lock();
        state.processes.push(Process {
            dead: false,
            paused_until: 0,
            feed: feed.clone(),
            stalled_until: 0,
            gap_until: 0,
            killed: Arc::clone(&killed),
            operator: None,
            renewed_at: None,
            owes: std::collections::BTreeSet::new(),
        });
        state.processes.len() - 1
    };
    let mut tasks = JoinSet::new();
    let (operator, woken, elector) = put_together(sim, number).await;
    sim.lock().processes[number].operator = Some(Arc::clone(&operator));
    let _first = feed.send(Fed::List(sim.now() + 50));
    let (listed, list) = tokio::sync::oneshot::channel();
    tasks.spawn(watch(Arc::clone(sim), number, Arc::clone(&operator), fed, listed));
    if let Some(elector) = elector {
        tasks.spawn(elector.run(operator.handover.begun()));
        let (claim, stopping) = (operator.claim.clone(), operator.stopping.clone());
        tasks.spawn(async move {
            claim.lost().await;
            stopping.cancel();
        });
    }
    let health = Health::new(|| Ok(()));
    let run = async {
        let _listed = list.await;
        controller::run(Arc::clone(&operator), woken, Arc::new(Progress::default()), Schedule::default(), health).await;
    };
    tokio::select! {
        biased;
        () = killed.notified() => {}
        () = run => {
            operator.handover.conclude();
            // The Lease is released.
            pause(500).await;
            sim.kill(number);
        }
    }
    tasks.shutdown().await;
    look_at_metrics(sim, number, &operator);
    sim.lock().processes[number].operator = None;
}

/// What the metrics of a process say at its end.
fn look_at_metrics(sim: &Sim, process: usize, operator: &Operator) {
    let encoded = operator.metrics.encode();
    let told = |line: &str| line.contains("outcome=\"panicked\"") && line.contains("_total") && !line.ends_with(" 0");
    if encoded.lines().any(told) {
        sim.note(Event::Panicked { process });
    }
    sim.look_at("the metrics", &encoded);
}

/// What the processes that live to the end of a run still hold.
pub fn look_back(sim: &Sim) {
    let living: Vec<_> = {
        let state = sim.lock();
        let operator = |(number, process): (usize, &Process)| Some((number, process.operator.clone()?));
        state.processes.iter().enumerate().filter(|(_, process)| !process.dead).filter_map(operator).collect()
    };
    for (number, operator) in living {
        look_at_metrics(sim, number, &operator);
        let (unsaved, waiting) = (operator.unsaved.all().len(), operator.gate.waiting());
        if unsaved + waiting > 0 {
            let kept = format!("process {number}: {unsaved} answers unsaved, {waiting} requests at the gate");
            sim.lock().history.kept.push(kept);
        }
    }
}

async fn put_together(
    sim: &Arc<Sim>,
    number: usize,
) -> (Arc<Operator>, mpsc::UnboundedReceiver<Subject>, Option<Elector>) {
    let served = Arc::clone(sim);
    let client = Client::new(tower::service_fn(move |request| Arc::clone(&served).serve(number, request)), NAMESPACE);
    let index = Arc::new(Index::default());
    let metrics = Arc::new(Metrics::new(index.clone(), false));
    let (claim, elector) = candidacy(sim, number, &client, &metrics).await;
    let (wake, woken) = mpsc::unbounded_channel();
    let clock = Arc::clone(sim);
    let operator = Operator {
        claim: claim.clone(),
        cluster: Cluster::new(client.clone(), claim.clone(), metrics.clone()),
        index,
        metrics: metrics.clone(),
        egress: Box::new(Road { sim: Arc::clone(sim), process: number, line: tokio::sync::Mutex::new(()) }),
        discovery: Discovery::default(),
        gate: Gate::new(OriginLimits { requests_per_second: 100, concurrency: 64 }),
        rejections: Rejections::default(),
        unsaved: Unsaved::default(),
        duels: Duels::default(),
        errands: Errands::default(),
        events: Events::new(client, claim, metrics),
        fingerprint_key: FingerprintKey::new(&[7; 32]),
        presets: AllowedPresets::All,
        cluster_providers: ClusterProviders::Report,
        own_namespace: NAMESPACE.to_owned(),
        clock: Box::new(move || clock.clock()),
        wake,
        stopping: CancellationToken::new(),
        handover: Handover::default(),
    };
    (Arc::new(operator), woken, elector)
}

async fn candidacy(sim: &Arc<Sim>, number: usize, client: &Client, metrics: &Arc<Metrics>) -> (Claim, Option<Elector>) {
    if !sim.lock().history.elected || sim.has(Bug::TakesNoTurns) {
        return (Claim::unopposed(), None);
    }
    let args = Flags::try_parse_from(["run", "--leader-elect"]).unwrap().election;
    let (claimant, claim) = Claim::contested();
    // A right that is refused for a moment would end the process; it would be started again.
    let elector = loop {
        let (again, _) = Claim::contested();
        match Elector::new(client, NAMESPACE, &args, again, metrics.clone()).await {
            Ok(_) => break Elector::new(client, NAMESPACE, &args, claimant, metrics.clone()).await,
            Err(_) => pause(1000).await,
        }
    };
    (claim, elector.ok().map(|elector| elector.identified_as(format!("process-{number}"))))
}

/// What the watches do: the index learns, and whom it concerns is woken.
async fn watch(
    sim: Arc<Sim>,
    number: usize,
    operator: Arc<Operator>,
    mut fed: mpsc::UnboundedReceiver<Fed>,
    listed: tokio::sync::oneshot::Sender<()>,
) {
    let mut listed = Some(listed);
    while let Some(next) = fed.recv().await {
        let (Fed::Change(_, due) | Fed::List(due)) = &next;
        let due = (*due).max(sim.lock().processes[number].stalled_until);
        pause(due - sim.now()).await;
        sim.running(number).await;
        let concerned = match next {
            Fed::Change(change, _) => learn(&sim, &operator, &change),
            Fed::List(_) => list(&sim, &operator),
        };
        match listed.take() {
            Some(listed) => drop(listed.send(())),
            None => concerned.into_iter().for_each(|subject| operator.wake(subject)),
        }
    }
}

fn learn(sim: &Sim, operator: &Operator, Change { id, object, deleted, .. }: &Change) -> Vec<Subject> {
    let now = operator.now();
    let key = Key::new(&*id.namespace, &*id.name);
    let uid = text(&object["metadata"]["uid"]);
    match (id.kind, deleted) {
        (Kind::ApiToken, true) if sim.has(Bug::DeafToDeletions) => Vec::new(),
        (Kind::ApiToken, true) => {
            operator.duels.forget(uid);
            operator.unsaved.forget(uid);
            operator.index.remove_token(&key, uid)
        }
        (Kind::ApiToken, false) => operator.index.apply_token(key, TokenEntry::read(typed::<ApiToken>(object), now)),
        (Kind::Secret, _) => learn_secret(sim, operator, key, object, *deleted),
        (Kind::Provider, _) => {
            let mut object = object.clone();
            if sim.has(Bug::ProbesTooOften) {
                object["spec"]["http"]["probe"]["interval"] = "1m".into();
            }
            let provider: ClusterTokenProvider = typed(&object);
            let key = ProviderKey { kind: ProviderKind::ClusterTokenProvider, namespace: None, name: id.name.clone() };
            let spec = &provider.spec.definition;
            let entry = ProviderEntry::read(&provider.metadata, spec, None, provider.status, now);
            operator.index.apply_provider(key, entry)
        }
        (Kind::Lease, _) => Vec::new(),
    }
}

/// Only Secrets with a role are watched: one that loses it is gone.
fn learn_secret(sim: &Sim, operator: &Operator, key: Key, object: &Value, deleted: bool) -> Vec<Subject> {
    if sim.has(Bug::DeafToCredentials) && key.name.starts_with(crate::observe::CREDENTIALS) && !deleted {
        let known = operator.index.secret(&key, operator.now());
        if matches!(known, apitoken_operator::operator::index::Known::There(_)) {
            return Vec::new();
        }
    }
    let metadata = serde_json::from_value(object["metadata"].clone()).unwrap();
    let partial = PartialObjectMeta::<Secret> { metadata, ..PartialObjectMeta::default() };
    match SecretEntry::read(&partial) {
        Some(entry) if !deleted => operator.index.apply_secret(key, entry),
        _ => operator.index.remove_secret(&key, text(&object["metadata"]["uid"])),
    }
}

/// A watch that begins anew: what the list does not show is gone.
fn list(sim: &Sim, operator: &Operator) -> Vec<Subject> {
    let all: Vec<_> = sim.lock().store.all().map(|(id, object)| (id.clone(), object.clone())).collect();
    let mut concerned = Vec::new();
    let mut tokens = HashSet::new();
    let mut secrets = HashSet::new();
    for (id, object) in all {
        let key = Key::new(&*id.namespace, &*id.name);
        match id.kind {
            Kind::ApiToken => drop(tokens.insert(key)),
            Kind::Secret if object["metadata"]["labels"]["apitoken.dev/role"].is_string() => drop(secrets.insert(key)),
            _ => {}
        }
        let by = crate::store::By::User;
        concerned.extend(learn(sim, operator, &Change { id, object, deleted: false, by }));
    }
    if !sim.has(Bug::DeafToDeletions) {
        concerned.extend(operator.index.retain_tokens(None, &tokens));
    }
    concerned.extend(operator.index.retain_secrets(None, &secrets));
    concerned
}

fn typed<T: serde::de::DeserializeOwned>(object: &Value) -> T {
    serde_json::from_value(object.clone()).unwrap()
}
