//! Kubernetes Events: told once for each transition, in the background, and never waited for.
//!
//! An event reports something that has already happened, so failing to file it changes nothing but a metric.

use std::sync::Arc;

use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use kube::{Api, Client, api::PostParams};
use tokio::sync::mpsc;

use super::{
    claim::Claim,
    cluster::{DEADLINE, problem},
    metrics::Metrics,
};
use crate::api::names::FIELD_MANAGER;

/// More than this waiting to be filed means that the API server has other troubles; the rest is dropped.
const WAITING: usize = 256;
/// The API server refuses longer notes (1 kB).
const LONGEST_NOTE: usize = 1000;

/// What is told.
#[derive(Clone, Debug)]
pub struct Told {
    pub about: ObjectReference,
    pub kind: Severity,
    /// UpperCamelCase, stable: people filter by it.
    pub reason: &'static str,
    pub note: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Normal,
    Warning,
}

/// Where events are left to be filed.
#[derive(Clone, Debug)]
pub struct Events(mpsc::Sender<Told>);

impl Events {
    /// Starts the task that files them; it ends with the last copy of this.
    #[must_use]
    pub fn new(client: Client, claim: Claim, metrics: Arc<Metrics>) -> Self {
        let (sender, mut receiver) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            while let Some(told) = receiver.recv().await {
                // What was seen by one who leads no more may not be so.
                if claim.holds() {
                    file(&client, &metrics, told).await;
                }
            }
        });
        Self(sender)
    }

    pub fn tell(&self, told: Told) {
        // Full or closed: dropped, as said above.
        let _ = self.0.try_send(told);
    }
}

async fn file(client: &Client, metrics: &Metrics, told: Told) {
    // A cluster-scoped object's events lie in `default`.
    let namespace = told.about.namespace.clone().unwrap_or_else(|| "default".to_owned());
    let api: Api<Event> = Api::namespaced(client.clone(), &namespace);
    let event = event(told, namespace);
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let outcome = match tokio::time::timeout(DEADLINE, api.create(&params, &event)).await {
        Ok(Ok(_)) => "ok",
        Ok(Err(error)) => {
            tracing::debug!(problem = problem(&error), "an event was not filed");
            "failed"
        }
        Err(_) => "timeout",
    };
    metrics.api_request("create", "events", outcome);
}

fn event(told: Told, namespace: String) -> Event {
    let name = told.about.name.clone().unwrap_or_default();
    Event {
        metadata: ObjectMeta {
            // The prefix alone has to be a name: no dot at its end, nor one before the dash.
            generate_name: Some(format!("{}-", name.chars().take(200).collect::<String>().trim_end_matches('.'))),
            namespace: Some(namespace),
            ..ObjectMeta::default()
        },
        action: Some(told.reason.to_owned()),
        event_time: Some(MicroTime(Timestamp::now())),
        note: Some(told.note.chars().take(LONGEST_NOTE).collect()),
        reason: Some(told.reason.to_owned()),
        regarding: Some(told.about),
        reporting_controller: Some("apitoken.dev/operator".to_owned()),
        reporting_instance: Some(FIELD_MANAGER.to_owned()),
        type_: Some(format!("{:?}", told.kind)),
        ..Event::default()
    }
}
