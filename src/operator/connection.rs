//! Which API server this is, and how it is reached. Asks it nothing.

use std::{error::Error, net::SocketAddr, time::Duration};

use anyhow::{Context, anyhow};
use http::Uri;
use kube::{
    Client, Config,
    config::{InferConfigError, KubeconfigError},
};

/// A connection on which nothing was heard for so long is given up; watches end after 290 s by themselves.
const SILENT_FOR: Duration = Duration::from_secs(295);

/// The API server that the kubeconfig or the pod's service account names.
pub struct Connection {
    pub client: Client,
    /// For messages.
    pub url: String,
    /// The namespace of the kubeconfig's context, or of the pod.
    pub default_namespace: String,
    at: Uri,
}

impl Connection {
    /// # Errors
    /// When neither names one, or cannot be used.
    pub async fn infer() -> anyhow::Result<Self> {
        let mut config = Config::infer().await.map_err(|error| not_configured(&error))?;
        // The next pass is the retry; kube's own would hold a pass for minutes.
        config.default_retry = false;
        // kube watches over a watch that is silent, but not over a list, or the beginning of a watch, that is never answered.
        config.read_timeout = Some(SILENT_FOR);
        config.reset_reader_on_write = true;
        let at = config.cluster_url.clone();
        let default_namespace = config.default_namespace.clone();
        let client = Client::try_from(config).context("the kubeconfig cannot be used")?;
        Ok(Self { client, url: at.to_string(), default_namespace, at })
    }

    /// Where it listens: nobody's token is ever asked for there. To be asked once it has been reached, when its name
    /// can be looked up, too.
    pub async fn addresses(&self) -> Vec<SocketAddr> {
        let Some(host) = self.at.host() else { return Vec::new() };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = self.at.port_u16().unwrap_or(443);
        tokio::net::lookup_host((host, port)).await.map(Iterator::collect).unwrap_or_default()
    }
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
