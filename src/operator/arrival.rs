//! What must be there before anything starts, waited for while the API server cannot be reached.
//!
//! Only what passes by itself is waited for. What is missing or forbidden ends the start, so that its remedy is seen.

use std::time::Duration;

use kube::Client;
use tokio::time::{Instant, sleep};

use super::{
    key::{self, KeyError},
    preflight::{self, PreflightError},
    server::Health,
    settings::ClusterProviders,
};
use crate::provider::values::FingerprintKey;

/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(2);
/// How often the log tells that it is waited for.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// An API server that has just begun to answer refuses rights and kinds that it has not read yet: a refusal this soon
/// after it could not be reached is asked for again.
const SETTLES_WITHIN: Duration = Duration::from_secs(20);

/// What is asked of the API server.
pub struct Wanted<'a> {
    pub client: &'a Client,
    /// For messages.
    pub url: &'a str,
    /// Empty: all.
    pub namespaces: &'a [String],
    pub cluster_providers: ClusterProviders,
    /// Where the key is.
    pub own_namespace: &'a str,
}

/// Why the operator cannot start.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum StartError {
    Preflight(#[from] PreflightError),
    Key(#[from] KeyError),
}

impl StartError {
    const fn is_unreachable(&self) -> bool {
        match self {
            Self::Preflight(error) => error.is_unreachable(),
            Self::Key(error) => error.is_unreachable(),
        }
    }
}

impl Wanted<'_> {
    /// Waits until all of it is there, and returns the key. Meanwhile `/readyz` says what is waited for.
    ///
    /// # Errors
    /// The first thing that is missing or forbidden.
    pub async fn arrive(&self, health: &Health) -> Result<FingerprintKey, StartError> {
        let mut unreachable_at: Option<Instant> = None;
        let mut told_at: Option<Instant> = None;
        loop {
            let error = match self.ask().await {
                Ok(key) => {
                    health.set_ready(false, "starting");
                    return Ok(key);
                }
                Err(error) => error,
            };
            if error.is_unreachable() {
                unreachable_at = Some(Instant::now());
            } else if unreachable_at.is_none_or(|at| at.elapsed() > SETTLES_WITHIN) {
                return Err(error);
            }
            health.set_ready(false, format!("waiting for the API server: {error}"));
            if told_at.is_none_or(|at| at.elapsed() >= TOLD_EVERY) {
                tracing::warn!(problem = %error, "waiting for the API server; it is asked again every few seconds");
                told_at = Some(Instant::now());
            }
            sleep(PAUSE).await;
        }
    }

    async fn ask(&self) -> Result<FingerprintKey, StartError> {
        preflight::check(self.client, self.url, self.namespaces, self.cluster_providers).await?;
        Ok(key::obtain(self.client, self.own_namespace).await?)
    }
}
