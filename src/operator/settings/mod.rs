//! What the operator is told when it starts: each flag of `run`, its environment variable and its default.
//!
//! The reference that `--help` prints. Values arrive parsed and checked; nothing is read from a cluster here.

mod election;
mod parse;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueEnum, value_parser};
use ipnet::IpNet;

pub(crate) use self::parse::{network, no_proxy};
pub use self::{
    election::{ElectionArgs, InvalidTiming, JITTER, MAX_LEASE, Timing},
    parse::{AllowedPresets, ClusterProviders, MAX_NAMESPACES, Namespaces},
};
use super::{
    egress::{NoProxy, ProxyUrl},
    logging::{LogFormat, LogLevel},
};

const KUBERNETES: &str = "Kubernetes";
const PROVIDERS: &str = "Providers";
const INSTRUMENTS: &str = "Instruments";
const PROCESS: &str = "Process";

/// Whether `/metrics` is for everybody who reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MetricsAuth {
    /// For everybody.
    None,
    /// For whom the API server lets `get` the non-resource URL `/metrics`.
    Kubernetes,
}

/// Flags of `apitoken-operator run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Namespaces whose ApiTokens are served, as a,b,c; at most 50 [default: all, by watches on the whole cluster]
    ///
    /// With a list, only these namespaces are watched and the operator needs rights in no other; each costs a
    /// connection for each kind.
    #[arg(long, env = "APITOKEN_NAMESPACES", value_name = "NAMES", value_parser = Namespaces::parse)]
    #[arg(default_value = "", hide_default_value = true, help_heading = KUBERNETES)]
    pub namespaces: Namespaces,

    /// The operator's own namespace, for its key and what a ClusterTokenProvider refers to [default: where it runs]
    ///
    /// Where it runs: the namespace of the kubeconfig's current context or, in a pod, of its service account; and
    /// `default` if neither says any.
    #[arg(long, env = "APITOKEN_OPERATOR_NAMESPACE", value_name = "NAME", value_parser = parse::namespace)]
    #[arg(help_heading = KUBERNETES)]
    pub operator_namespace: Option<String>,

    #[command(flatten)]
    pub election: ElectionArgs,

    /// What is done with ClusterTokenProviders: serve them and report on them, only serve them, or know none of them
    ///
    /// `read` needs no right to write their status, `off` no right outside of --namespaces: ApiTokens may then name
    /// a Preset or a TokenProvider.
    #[arg(long, env = "APITOKEN_CLUSTER_PROVIDERS", value_name = "MODE", default_value = "report", value_enum)]
    #[arg(ignore_case = true, help_heading = PROVIDERS)]
    pub cluster_providers: ClusterProviders,

    /// Presets that an ApiToken may name without a provider object: all, none, or names as A,B
    ///
    /// Provider objects (ClusterTokenProvider, TokenProvider) may use every preset in any case.
    #[arg(long, env = "APITOKEN_PRESETS", value_name = "NAMES", value_parser = AllowedPresets::parse)]
    #[arg(default_value = "all", help_heading = PROVIDERS)]
    pub presets: AllowedPresets,

    /// Network to which requests may go though it is refused by default (loopback, link-local, ...); repeatable
    ///
    /// Several as a,b in the environment variable. The API server's own address stays refused.
    #[arg(long, env = "APITOKEN_ALLOW_PROVIDER_CIDR", value_name = "CIDR", value_parser = parse::network)]
    #[arg(value_delimiter = ',', help_heading = PROVIDERS)]
    pub allow_provider_cidr: Vec<IpNet>,

    /// Let a TokenProvider, which is a tenant's, reach private networks as a ClusterTokenProvider may
    #[arg(long, env = "APITOKEN_ALLOW_TENANT_PRIVATE", value_name = "BOOL")]
    #[arg(default_value = "false", default_missing_value = "true", num_args = 0..=1, help_heading = PROVIDERS)]
    pub allow_tenant_private: bool,

    /// Proxy for requests to providers (CONNECT, https only), as http://HOST:PORT [default: none]
    ///
    /// HTTP_PROXY, HTTPS_PROXY and NO_PROXY are not read. Names of providers are then resolved by the proxy. A user
    /// and password in the URL belong into the environment variable, from a Secret: flags can be read by others.
    #[arg(long, env = "APITOKEN_PROVIDER_PROXY", value_name = "URL", help_heading = PROVIDERS)]
    pub provider_proxy: Option<ProxyUrl>,

    /// Host with all below it, or network, that is reached without the proxy; repeatable
    ///
    /// Several as a,b in the environment variable. A network is for addresses in URLs: names are the proxy's.
    #[arg(long, env = "APITOKEN_NO_PROVIDER_PROXY", value_name = "HOST|CIDR", value_parser = parse::no_proxy)]
    #[arg(value_delimiter = ',', help_heading = PROVIDERS)]
    pub no_provider_proxy: Vec<NoProxy>,

    /// Requests a second to one origin (scheme, host and port) over all provider objects, 1 to 10000
    #[arg(long, env = "APITOKEN_ORIGIN_REQUESTS_PER_SECOND", value_name = "N", default_value = "100")]
    #[arg(value_parser = value_parser!(u32).range(1..=10_000), help_heading = PROVIDERS)]
    pub origin_requests_per_second: u32,

    /// Requests in flight to one origin over all provider objects, 1 to 10000
    #[arg(long, env = "APITOKEN_ORIGIN_CONCURRENCY", value_name = "N", default_value = "64")]
    #[arg(value_parser = value_parser!(u32).range(1..=10_000), help_heading = PROVIDERS)]
    pub origin_concurrency: u32,

    /// Address and port of /metrics, /readyz and /livez
    #[arg(long, env = "APITOKEN_LISTEN", value_name = "ADDRESS:PORT", value_parser = parse::listen)]
    #[arg(default_value = "0.0.0.0:8080", help_heading = INSTRUMENTS)]
    pub listen: SocketAddr,

    /// Directory with tls.crt and tls.key, to serve HTTPS instead of plain HTTP [default: none]
    ///
    /// As a Secret of type kubernetes.io/tls is mounted. Read again when it changes.
    // The token of a scraper opens more than these metrics: it must not travel in the clear.
    #[arg(long, env = "APITOKEN_LISTEN_TLS", value_name = "DIR", help_heading = INSTRUMENTS)]
    #[arg(required_if_eq("metrics_auth", "kubernetes"))]
    pub listen_tls: Option<PathBuf>,

    /// Who may read /metrics: everybody, or whom the API server knows and lets get the URL /metrics
    ///
    /// `kubernetes` wants a bearer token and asks TokenReview and SubjectAccessReview; it needs --listen-tls. /readyz
    /// and /livez stay open.
    #[arg(long, env = "APITOKEN_METRICS_AUTH", value_name = "HOW", default_value = "none", value_enum)]
    #[arg(ignore_case = true, help_heading = INSTRUMENTS)]
    pub metrics_auth: MetricsAuth,

    /// Metrics with a series for each ApiToken; switch off with tens of thousands of them
    ///
    /// Counts of what is ready, expired or overdue are there in either case.
    #[arg(long, env = "APITOKEN_OBJECT_METRICS", value_name = "BOOL", default_value = "true")]
    #[arg(default_missing_value = "true", num_args = 0..=1, help_heading = INSTRUMENTS)]
    pub object_metrics: bool,

    /// Form of the log, which goes to standard error
    #[arg(long, env = "APITOKEN_LOG_FORMAT", value_name = "FORMAT", default_value = "json", value_enum)]
    #[arg(ignore_case = true, help_heading = INSTRUMENTS)]
    pub log_format: LogFormat,

    /// Least severity of the operator's own log lines; libraries are written from warn on at most, or not at all
    #[arg(long, env = "APITOKEN_LOG_LEVEL", value_name = "LEVEL", default_value = "info", value_enum)]
    #[arg(ignore_case = true, help_heading = INSTRUMENTS)]
    pub log_level: LogLevel,

    /// Threads that run the operator's tasks, 1 to 64; one is enough for thousands of tokens
    #[arg(long, env = "APITOKEN_WORKER_THREADS", value_name = "N", default_value = "1")]
    #[arg(value_parser = value_parser!(u16).range(1..=64), help_heading = PROCESS)]
    pub worker_threads: u16,
}
