use std::{
    future::pending,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures::FutureExt;
use kube::Config;
use serde_json::json;

use super::*;
use crate::operator::index::Index;

const SECRET: Target<'_> = Target { verb: "get", resource: "secrets", namespace: "web", name: "infra" };

fn cluster() -> Cluster {
    let nowhere = Config::new("http://127.0.0.1:9".parse().expect("a URI"));
    let metrics = Metrics::new(Arc::new(Index::default()), false);
    Cluster::new(Client::try_from(nowhere).expect("a client"), Claim::unopposed(), Arc::new(metrics))
}

/// How many of these calls have begun, where none is ever answered.
fn begun(cluster: &Cluster, urgencies: &[Urgency]) -> usize {
    let begun = AtomicUsize::new(0);
    let never = async || {
        begun.fetch_add(1, Ordering::SeqCst);
        pending::<Result<(), kube::Error>>().await
    };
    let mut calls: Vec<_> = urgencies.iter().map(|&urgency| Box::pin(cluster.call(urgency, SECRET, never))).collect();
    assert!(calls.iter_mut().all(|call| call.now_or_never().is_none()));
    begun.load(Ordering::SeqCst)
}

#[tokio::test]
async fn first_issues_leave_places_to_renewals() {
    let cluster = cluster();
    let many = [Urgency::FirstIssue; 100];
    assert_eq!(begun(&cluster, &many), IN_FLIGHT - KEPT_FOR_RENEWALS);
    let with_renewals = [&many[..], &[Urgency::Renewal; KEPT_FOR_RENEWALS + 1]].concat();
    assert_eq!(begun(&cluster, &with_renewals), IN_FLIGHT);
}

#[tokio::test]
async fn reports_leave_places_to_all_others() {
    assert_eq!(begun(&cluster(), &[Urgency::Report; 100]), REPORTS_IN_FLIGHT);
}

#[test]
fn a_busy_api_server_is_left_alone_for_as_long_as_it_says() {
    let answer = |code, details| {
        let status = json!({ "code": code, "details": details });
        wanted_wait(&serde_json::from_value(status).expect("a Status"))
    };
    assert_eq!(answer(429, json!({ "retryAfterSeconds": 7 })), 7);
    // Priority and fairness says it in a header alone.
    assert_eq!(answer(429, json!(null)), 1);
    assert_eq!(answer(503, json!({ "retryAfterSeconds": 3 })), 3);
    assert_eq!(answer(500, json!(null)), 0);
}
