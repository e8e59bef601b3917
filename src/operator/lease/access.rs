//! The Lease at the API server: read, made, written. Each call has a deadline, is counted, and is made once.
//!
//! Not by way of the calls of passes: a renewal must not wait behind them.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Client, api::PostParams};
use tokio::time::{error::Elapsed, timeout};

use crate::{
    api::names::FIELD_MANAGER,
    operator::{cluster, metrics::Metrics},
};

/// One Lease.
pub struct Access {
    leases: Api<Lease>,
    namespace: String,
    name: String,
    deadline: Duration,
    metrics: Arc<Metrics>,
}

/// Why a call brought no Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is none.
    Missing,
    /// Somebody else wrote first.
    Raced,
    /// Nobody knows whether it was written.
    Failed(String),
}

impl Access {
    pub fn new(client: &Client, namespace: &str, name: &str, deadline: Duration, metrics: Arc<Metrics>) -> Self {
        let leases = Api::namespaced(client.clone(), namespace);
        Self { leases, namespace: namespace.to_owned(), name: name.to_owned(), deadline, metrics }
    }

    /// Whether all of this may be done, which is asked with dry runs.
    ///
    /// # Errors
    /// What is forbidden. Any other trouble may pass.
    pub async fn permitted(&self) -> Result<(), String> {
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
        let lease = Lease { metadata, spec: None };
        self.judge("get", timeout(self.deadline, self.leases.get(&self.name)).await)?;
        self.judge("create", timeout(self.deadline, self.leases.create(&dry, &lease)).await)?;
        self.judge("update", timeout(self.deadline, self.leases.replace(&self.name, &dry, &lease)).await)
    }

    fn judge(&self, verb: &'static str, answer: Result<kube::Result<Lease>, Elapsed>) -> Result<(), String> {
        match answer {
            Ok(Err(kube::Error::Api(status))) if status.code == 403 => {
                Err(format!("cannot {verb} Lease {self}: {}", cluster::problem(&kube::Error::Api(status))))
            }
            _ => Ok(()),
        }
    }

    pub async fn get(&self) -> Result<Lease, Refusal> {
        self.call("get", self.leases.get(&self.name)).await
    }

    /// Writes the Lease that follows from `before`, in that version; makes it if there is none.
    pub async fn write(&self, before: Option<&Lease>, spec: LeaseSpec) -> Result<Lease, Refusal> {
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let blank = || ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
        let mut metadata = before.map_or_else(blank, |lease| lease.metadata.clone());
        metadata.managed_fields = None;
        let lease = Lease { metadata, spec: Some(spec) };
        match before {
            None => self.call("create", self.leases.create(&params, &lease)).await,
            Some(_) => self.call("update", self.leases.replace(&self.name, &params, &lease)).await,
        }
    }

    async fn call(
        &self,
        verb: &'static str,
        call: impl Future<Output = Result<Lease, kube::Error>>,
    ) -> Result<Lease, Refusal> {
        let (outcome, result) = match timeout(self.deadline, call).await {
            Ok(Ok(lease)) => ("ok", Ok(lease)),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => ("not_found", Err(Refusal::Missing)),
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => ("conflict", Err(Refusal::Raced)),
            Ok(Err(error)) => {
                let problem = format!("cannot {verb} Lease {self}: {}", cluster::problem(&error));
                ("failed", Err(Refusal::Failed(problem)))
            }
            Err(_) => {
                let problem = format!("cannot {verb} Lease {self}: no answer within {:?}", self.deadline);
                ("timeout", Err(Refusal::Failed(problem)))
            }
        };
        self.metrics.api_request(verb, "leases", outcome);
        result
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
