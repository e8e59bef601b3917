//! Composition, and the order of shutdown: no new pass, passes in flight, Lease, server, process.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    Operator,
    address::AddressPolicy,
    arrival::Wanted,
    certificate::Certificate,
    claim::Claim,
    cluster::Cluster,
    connection::Connection,
    controller::{self, Schedule},
    discovery::Discovery,
    duels::Duels,
    egress::{Egress, EgressConfig},
    entry::Subject,
    errands::Errands,
    events::Events,
    gate::{Gate, OriginLimits},
    handover::Handover,
    index::Index,
    lease::Elector,
    metrics::Metrics,
    rejections::Rejections,
    review::Reviewer,
    server::{Health, Pages, Server},
    settings::{MetricsAuth, Namespaces, RunArgs},
    signals,
    unsaved::Unsaved,
    watch::{self, Progress},
};

/// How a run ended that had begun well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Ended {
    /// It was told to.
    AsTold,
    /// It led, and another replica may lead now. The log says why.
    LeadershipLost,
}

/// What is there before the API server has been reached.
struct Run {
    args: RunArgs,
    connection: Connection,
    namespaces: Vec<String>,
    own_namespace: String,
    metrics: Arc<Metrics>,
    index: Arc<Index>,
    schedule: Schedule,
    health: Arc<Health>,
    stopping: CancellationToken,
}

/// An operator that can begin.
struct Prepared {
    operator: Arc<Operator>,
    woken: mpsc::UnboundedReceiver<Subject>,
    elector: Option<Elector>,
}

/// Runs the operator until it is told to stop, or leads no more.
///
/// # Errors
/// When it cannot start; the message says what is missing and what to do.
pub async fn run(args: RunArgs) -> anyhow::Result<Ended> {
    let stopping = CancellationToken::new();
    signals::stop_on_signal(stopping.clone())?;
    let run = Run::new(args, stopping).await?;
    let serving = CancellationToken::new();
    // Before the API server is asked for anything: whoever waits for the operator learns what it waits for.
    let answering = run.serve(serving.clone()).await?;
    let prepared = run.stopping.run_until_cancelled(run.prepare()).await.transpose()?;
    let ended = match prepared {
        Some(prepared) => run.work(prepared).await,
        None => Ended::AsTold,
    };
    serving.cancel();
    // The server has a deadline of its own.
    let _ = answering.await;
    tracing::info!("stopped");
    Ok(ended)
}

impl Run {
    async fn new(args: RunArgs, stopping: CancellationToken) -> anyhow::Result<Self> {
        let connection = Connection::infer().await?;
        let namespaces = match &args.namespaces {
            Namespaces::All => Vec::new(),
            Namespaces::Listed(names) => names.clone(),
        };
        let own_namespace = args.operator_namespace.clone().unwrap_or_else(|| connection.default_namespace.clone());
        let index = Arc::new(Index::default());
        let metrics = Arc::new(Metrics::new(index.clone(), args.object_metrics));
        let schedule = Schedule::default();
        let alive = schedule.clone();
        let health = Health::new(move || alive.alive(k8s_openapi::jiff::Timestamp::now()));
        Ok(Self { args, connection, namespaces, own_namespace, metrics, index, schedule, health, stopping })
    }

    async fn serve(&self, stop: CancellationToken) -> anyhow::Result<JoinHandle<()>> {
        let server = Server::bind(self.args.listen).await?;
        let server = match self.args.listen_tls.clone() {
            Some(directory) => server.with_certificate(Certificate::read(directory)?),
            None => server,
        };
        tracing::info!(address = %server.address(), version = env!("CARGO_PKG_VERSION"), "started");
        let reviewer = match self.args.metrics_auth {
            MetricsAuth::None => None,
            MetricsAuth::Kubernetes => {
                Some(Arc::new(Reviewer::new(self.connection.client.clone(), self.metrics.clone())))
            }
        };
        let pages = Pages { metrics: self.metrics.clone(), health: self.health.clone(), reviewer };
        Ok(tokio::spawn(server.serve(pages, stop)))
    }

    /// Waits for the API server, and puts the operator together.
    async fn prepare(&self) -> anyhow::Result<Prepared> {
        let Self { args, connection: Connection { client, url, .. }, metrics, .. } = self;
        let (namespaces, own_namespace) = (&self.namespaces, &self.own_namespace);
        let wanted = Wanted { client, url, namespaces, cluster_providers: args.cluster_providers, own_namespace };
        let fingerprint_key = wanted.arrive(&self.health).await?;
        let api_server = self.connection.addresses().await;
        let (claim, elector) = self.candidacy().await?;
        let (wake, woken) = mpsc::unbounded_channel();
        let operator = Arc::new(Operator {
            claim: claim.clone(),
            cluster: Cluster::new(client.clone(), claim.clone(), metrics.clone()),
            index: self.index.clone(),
            metrics: metrics.clone(),
            egress: Box::new(egress(args, api_server)?),
            discovery: Discovery::default(),
            gate: Gate::new(OriginLimits {
                requests_per_second: args.origin_requests_per_second,
                concurrency: args.origin_concurrency,
            }),
            rejections: Rejections::default(),
            unsaved: Unsaved::default(),
            duels: Duels::default(),
            errands: Errands::default(),
            events: Events::new(client.clone(), claim, metrics.clone()),
            fingerprint_key,
            presets: args.presets.clone(),
            cluster_providers: args.cluster_providers,
            own_namespace: own_namespace.clone(),
            clock: Box::new(k8s_openapi::jiff::Timestamp::now),
            wake,
            stopping: self.stopping.clone(),
            handover: Handover::default(),
        });
        Ok(Prepared { operator, woken, elector })
    }

    /// The claim to act: without an election it is there from the start.
    async fn candidacy(&self) -> anyhow::Result<(Claim, Option<Elector>)> {
        let election = &self.args.election;
        if !election.leader_elect {
            self.metrics.leads(true);
            return Ok((Claim::unopposed(), None));
        }
        let (claimant, claim) = Claim::contested();
        let client = &self.connection.client;
        let elector = Elector::new(client, &self.own_namespace, election, claimant, self.metrics.clone()).await?;
        Ok((claim, Some(elector)))
    }

    async fn work(self, Prepared { operator, woken, elector }: Prepared) -> Ended {
        stop_on_loss(operator.claim.clone(), self.stopping);
        let progress = watch::start(&operator, &self.connection.client, &self.namespaces);
        let giving_up = operator.handover.begun();
        let electing = elector.map(|elector| tokio::spawn(stand(elector, progress.clone(), giving_up)));
        controller::run(operator.clone(), woken, progress, self.schedule, self.health).await;
        // With the handover the claim is given away, which is no loss.
        let lost = !operator.handover.has_begun() && operator.claim.is_lost();
        // Only now, unless it was handed over: until here something was still written.
        operator.handover.conclude();
        if let Some(electing) = electing {
            let _ = electing.await;
        }
        if lost { Ended::LeadershipLost } else { Ended::AsTold }
    }
}

/// Takes part in the election. A replica that has not seen the cluster yet does not: it would hold the Lease and do
/// nothing, while another may be ready.
async fn stand(elector: Elector, progress: Arc<Progress>, giving_up: CancellationToken) {
    if giving_up.run_until_cancelled(progress.completed()).await.is_some() {
        elector.run(giving_up).await;
    }
}

fn egress(args: &RunArgs, api_server: Vec<SocketAddr>) -> anyhow::Result<Egress> {
    let addresses = AddressPolicy {
        allow: args.allow_provider_cidr.clone(),
        allow_tenant_private: args.allow_tenant_private,
        api_server,
    };
    let config =
        EgressConfig { addresses, proxy: args.provider_proxy.clone(), no_proxy: args.no_provider_proxy.clone() };
    Egress::new(config).context("--provider-proxy cannot be used")
}

fn stop_on_loss(claim: Claim, stopping: CancellationToken) {
    if !claim.is_unopposed() {
        tokio::spawn(async move {
            claim.lost().await;
            stopping.cancel();
        });
    }
}
