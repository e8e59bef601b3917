//! The operator as an administrator has it: a Helm release with replicas, one of which leads.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{coordination::v1::Lease, core::v1::Pod};
use kube::{Api, ResourceExt, api::ListParams};
use testbed::eventually::await_until;

use crate::{
    images,
    stage::{PATIENCE, Stage, chart},
};

pub const RELEASE: &str = "apitoken-operator";
pub const NAMESPACE: &str = "apitoken-system";
pub const SELECTOR: &str = "app.kubernetes.io/name=apitoken-operator,app.kubernetes.io/component=operator";

/// What differs from the defaults on a node without a registry, with vendors of the test's own.
fn values(tag: &str) -> Vec<String> {
    ["--set".to_owned(), format!("image.repository={},image.tag={tag},image.pullPolicy=Never", images::OPERATOR)].into()
}

/// `helm VERB` with the chart, in the release's namespace; returns when all is ready.
pub async fn helm(stage: &Stage, verb: &[&str], chart: &str, tag: &str, more: &[&str]) -> Result<String> {
    let values = values(tag);
    let mut arguments = verb.to_vec();
    arguments.extend([RELEASE, chart, "--namespace", NAMESPACE, "--wait", "--timeout", "120s"]);
    arguments.extend(values.iter().map(String::as_str));
    arguments.extend(more);
    stage.helm(&arguments).await
}

/// The release as most stories want it; it may be there already.
pub async fn installed(stage: &Stage) -> Result<()> {
    let releases = stage.helm(&["list", "--namespace", NAMESPACE, "--short"]).await?;
    if releases.lines().any(|line| line == RELEASE) {
        return Ok(());
    }
    stage.namespace(NAMESPACE).await?;
    helm(stage, &["install"], chart(), images::TAG, &[]).await.map(drop)
}

/// All pods of the operator, those that are ending too.
pub async fn replicas(stage: &Stage) -> Result<Vec<Pod>> {
    let pods: Api<Pod> = Api::namespaced(stage.client.clone(), NAMESPACE);
    Ok(pods.list(&ListParams::default().labels(SELECTOR)).await?.items)
}

/// The name of the pod that holds the Lease.
pub async fn leader(stage: &Stage) -> Result<String> {
    let leases: Api<Lease> = Api::namespaced(stage.client.clone(), NAMESPACE);
    let lease = leases.get(RELEASE).await?;
    let holder = lease.spec.and_then(|spec| spec.holder_identity).filter(|holder| !holder.is_empty());
    let holder = holder.context("nobody holds the Lease")?;
    let pods = replicas(stage).await?;
    let leader = pods.iter().map(ResourceExt::name_any).find(|name| holder.starts_with(name.as_str()));
    leader.with_context(|| format!("the Lease is held by {holder}, which is none of the pods"))
}

/// Waits until another pod than this one holds the Lease.
pub async fn leader_other_than(stage: &Stage, former: &str) -> String {
    await_until("another leader", PATIENCE, async || {
        let leader = leader(stage).await?;
        ensure!(leader != former, "{former} still leads");
        anyhow::Ok(leader)
    })
    .await
}

/// Waits until that many replicas are ready and no other is there.
pub async fn ready(stage: &Stage, wanted: usize) {
    await_until("all replicas to be ready", PATIENCE, async || {
        let pods = replicas(stage).await?;
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        ensure!(ready == wanted && pods.len() == wanted, "{ready} of {} are ready", pods.len());
        anyhow::Ok(())
    })
    .await;
}

/// Lets that many replicas run, and returns when they do and no others.
pub async fn scale(stage: &Stage, replicas: usize) -> Result<()> {
    let wanted = format!("--replicas={replicas}");
    stage.kubectl(&["-n", NAMESPACE, "scale", "deployment", RELEASE, &wanted]).await?;
    ready(stage, replicas).await;
    if replicas == 0 {
        let wait = ["-n", NAMESPACE, "wait", "--for=delete", "pod", "-l", SELECTOR, "--timeout=60s"];
        stage.kubectl(&wait).await?;
    }
    Ok(())
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}

/// How often containers of the pod have been started again.
pub fn restarts(pod: &Pod) -> i32 {
    let containers = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    containers.map_or(0, |all| all.iter().map(|one| one.restart_count).sum())
}

/// The id of the one container of a pod, if it runs.
pub fn container_id(pod: &Pod) -> Option<String> {
    let containers = pod.status.as_ref()?.container_statuses.as_ref()?;
    containers.iter().find_map(|one| one.container_id.clone())
}

/// What the replicas have cost: memory now, and CPU time over a while.
pub async fn cost(stage: &Stage, over: Duration) -> Result<Vec<String>> {
    let leader = leader(stage).await?;
    let pods = replicas(stage).await?;
    let ids: Vec<(bool, String)> =
        pods.iter().filter_map(|pod| Some((pod.name_any() == leader, container_id(pod)?))).collect();
    let look = || ids.iter().map(|(_, id)| stage.node.container_cost(id)).collect::<Result<Vec<_>>>();
    let before = look()?;
    tokio::time::sleep(over).await;
    let after = look()?;
    let rows = ids.iter().zip(before).zip(after).map(|(((leads, _), before), after)| {
        let who = if *leads { "leader" } else { "standby" };
        let (memory, resident) = (mebibytes(after.memory), mebibytes(after.resident));
        let millicores = after.cpu.saturating_sub(before.cpu).as_secs_f64() / over.as_secs_f64() * 1000.0;
        format!("{who} {memory:.1} MiB ({resident:.1} resident), {millicores:.1} m CPU")
    });
    Ok(rows.collect())
}

#[allow(clippy::cast_precision_loss, reason = "it is printed with one digit")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
