//! Composition, and the order of shutdown: no new pass, passes in flight, Lease, server, process.

use std::{error::Error, net::SocketAddr, sync::Arc};

use anyhow::{Context, anyhow};
use kube::{
    Client, Config,
    config::{InferConfigError, KubeconfigError},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use super::{
    Operator,
    address::AddressPolicy,
    certificate::Certificate,
    claim::Claim,
    cluster::Cluster,
    controller::{self, Schedule},
    duels::Duels,
    egress::{Egress, EgressConfig},
    events::Events,
    gate::{Gate, OriginLimits},
    index::Index,
    key,
    lease::Elector,
    metrics::Metrics,
    preflight,
    rejections::Rejections,
    review::Reviewer,
    server::{Health, Pages, Server},
    settings::{MetricsAuth, Namespaces, RunArgs},
    unsaved::Unsaved,
    watch,
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

/// Runs the operator until it is told to stop, or leads no more.
///
/// # Errors
/// When it cannot start; the message says what is missing and what to do.
pub async fn run(args: RunArgs) -> anyhow::Result<Ended> {
    let mut config = Config::infer().await.map_err(|error| not_configured(&error))?;
    // The next pass is the retry; kube's own would hold a pass for minutes.
    config.default_retry = false;
    let url = config.cluster_url.to_string();
    let api_server = addresses_of(&config).await;
    let own_namespace = args.operator_namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let client = Client::try_from(config).context("the kubeconfig cannot be used")?;
    let namespaces = match &args.namespaces {
        Namespaces::All => Vec::new(),
        Namespaces::Listed(names) => names.clone(),
    };
    preflight::check(&client, &url, &namespaces, args.cluster_providers).await?;
    let fingerprint_key = key::obtain(&client, &own_namespace).await?;
    let server = listening(&args).await?;

    let index = Arc::new(Index::default());
    let metrics = Arc::new(Metrics::new(index.clone(), args.object_metrics));
    let (wake, woken) = mpsc::unbounded_channel();
    let stopping = CancellationToken::new();
    let (claim, elector) = candidacy(&args, &client, &own_namespace, &metrics).await?;
    let operator = Arc::new(Operator {
        claim: claim.clone(),
        cluster: Cluster::new(client.clone(), claim.clone(), metrics.clone()),
        index,
        metrics: metrics.clone(),
        egress: Box::new(egress(&args, api_server)?),
        gate: Gate::new(OriginLimits {
            requests_per_second: args.origin_requests_per_second,
            concurrency: args.origin_concurrency,
        }),
        rejections: Rejections::default(),
        unsaved: Unsaved::default(),
        duels: Duels::default(),
        events: Events::new(client.clone(), claim.clone(), metrics.clone()),
        fingerprint_key,
        presets: args.presets.clone(),
        cluster_providers: args.cluster_providers,
        clock: Box::new(k8s_openapi::jiff::Timestamp::now),
        wake,
        stopping: stopping.clone(),
    });

    let schedule = Schedule::default();
    let alive = schedule.clone();
    let health = Health::new(move || alive.alive(k8s_openapi::jiff::Timestamp::now()));
    let serving = CancellationToken::new();
    tracing::info!(address = %server.address(), version = env!("CARGO_PKG_VERSION"), "started");
    let reviewer = match args.metrics_auth {
        MetricsAuth::None => None,
        MetricsAuth::Kubernetes => Some(Arc::new(Reviewer::new(client.clone(), metrics.clone()))),
    };
    let pages = Pages { metrics, health: health.clone(), reviewer };
    let answering = tokio::spawn(server.serve(pages, serving.clone()));
    stop_on_signal(stopping.clone())?;
    stop_on_loss(claim.clone(), stopping);
    let giving_up = CancellationToken::new();
    let electing = elector.map(|elector| tokio::spawn(elector.run(giving_up.clone())));

    let progress = watch::start(&operator, &client, &namespaces);
    controller::run(operator, woken, progress, schedule, health).await;
    let ended = if claim.is_lost() { Ended::LeadershipLost } else { Ended::AsTold };
    // Only now: until here something was still written.
    giving_up.cancel();
    if let Some(electing) = electing {
        let _ = electing.await;
    }
    serving.cancel();
    // The server has a deadline of its own.
    let _ = answering.await;
    tracing::info!("stopped");
    Ok(ended)
}

/// The claim to act: without an election it is there from the start.
async fn candidacy(
    args: &RunArgs,
    client: &Client,
    namespace: &str,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<(Claim, Option<Elector>)> {
    if !args.election.leader_elect {
        metrics.leads(true);
        return Ok((Claim::unopposed(), None));
    }
    let (claimant, claim) = Claim::contested();
    let elector = Elector::new(client, namespace, &args.election, claimant, metrics.clone()).await?;
    Ok((claim, Some(elector)))
}

/// kube's own text quotes the lines of a kubeconfig that it cannot read, and keys and tokens stand in there.
fn not_configured(error: &InferConfigError) -> anyhow::Error {
    let problem = match error.source().and_then(|source| source.downcast_ref::<KubeconfigError>()) {
        Some(KubeconfigError::Parse(error)) => {
            let line = error.location().map(|at| format!(", line {}", at.line())).unwrap_or_default();
            format!("the kubeconfig is not the YAML of a kubeconfig{line}")
        }
        Some(problem) => problem.to_string(),
        None => "the service account cannot be read".to_owned(),
    };
    anyhow!(problem).context(
        "no cluster is configured: set KUBECONFIG to a kubeconfig file, or run in a pod with a service account",
    )
}

async fn listening(args: &RunArgs) -> anyhow::Result<Server> {
    let server = Server::bind(args.listen).await?;
    Ok(match args.listen_tls.clone() {
        Some(directory) => server.with_certificate(Certificate::read(directory)?),
        None => server,
    })
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

/// Where the API server listens: nobody's token is ever asked for there.
async fn addresses_of(config: &Config) -> Vec<SocketAddr> {
    let Some(host) = config.cluster_url.host() else { return Vec::new() };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = config.cluster_url.port_u16().unwrap_or(443);
    tokio::net::lookup_host((host, port)).await.map(Iterator::collect).unwrap_or_default()
}

fn stop_on_loss(claim: Claim, stopping: CancellationToken) {
    if !claim.is_unopposed() {
        tokio::spawn(async move {
            claim.lost().await;
            stopping.cancel();
        });
    }
}

fn stop_on_signal(stopping: CancellationToken) -> anyhow::Result<()> {
    let what = "cannot listen for signals";
    let mut terminate = signal(SignalKind::terminate()).context(what)?;
    let mut interrupt = signal(SignalKind::interrupt()).context(what)?;
    tokio::spawn(async move {
        let mut told = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        told().await;
        tracing::info!("told to stop");
        stopping.cancel();
        // Passes in flight can take minutes, and what a crash leaves behind is mended at the next start.
        told().await;
        tracing::warn!("told to stop again: ending at once, without the passes in flight");
        std::process::exit(1);
    });
    Ok(())
}
