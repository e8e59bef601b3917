//! The leader goes, in one way or another, and the other replica goes on.

use std::time::Instant;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::EvictParams};
use testbed::{eventually::await_until, pods::report::Served, vendors::Operation};

use crate::{
    operator,
    stage::{PATIENCE, Stage},
    team::{self, TOKENS},
    vendors,
};

pub async fn a_leader_deleted_by_force_is_followed_without_a_login(stage: &Stage) -> Result<()> {
    follow(stage, "forced", "leader deleted by force -> next refresh", async |leader| {
        let delete = ["-n", operator::NAMESPACE, "delete", "pod", leader, "--grace-period=0", "--force"];
        stage.kubectl(&delete).await.map(drop)
    })
    .await
}

pub async fn an_evicted_leader_is_followed_without_a_login(stage: &Stage) -> Result<()> {
    follow(stage, "evicted", "leader evicted -> next refresh", async |leader| {
        let pods: Api<Pod> = Api::namespaced(stage.client.clone(), operator::NAMESPACE);
        Ok(pods.evict(leader, &EvictParams::default()).await.map(drop)?)
    })
    .await
}

pub async fn a_leader_that_is_killed_is_followed_without_a_login(stage: &Stage) -> Result<()> {
    follow(stage, "killed", "leader's process killed (SIGKILL) -> next refresh", async |leader| {
        let pods = operator::replicas(stage).await?;
        let pod = pods.iter().find(|pod| pod.name_any() == leader);
        let id = pod.and_then(operator::container_id);
        stage.node.kill_container(&id.unwrap_or_default())
    })
    .await
}

/// The leader goes at a moment when a refresh is wanted; the next refresh is another's, and it is all that is asked.
/// `name` is one of [`team::SPARE`].
async fn follow(stage: &Stage, name: &str, figure: &str, goes: impl AsyncFnOnce(&str) -> Result<()>) -> Result<()> {
    team::at_work(stage).await?;
    team::renewed_once(stage).await?;
    operator::ready(stage, 2).await;
    let account = format!("{name}@example.com");
    let former = operator::leader(stage).await?;
    let logins = logins(stage).await?;

    let gone = Instant::now();
    goes(&former).await?;
    team::ask_for_refresh(stage, name, "at once").await?;
    await_until("the next refresh", PATIENCE, async || {
        let report = vendors::report(stage, "palette").await?;
        ensure!(vendors::successes(&report, Operation::Refresh, &account).len() == 1, "not refreshed yet");
        anyhow::Ok(())
    })
    .await;
    stage.figures.seconds(figure, gone.elapsed());

    operator::leader_other_than(stage, &former).await;
    operator::ready(stage, 2).await;
    assert_eq!(self::logins(stage).await?, logins, "logins were spent");
    let report = vendors::report(stage, "palette").await?;
    let of_account = |served: &&Served| served.account.as_deref() == Some(account.as_str());
    let asked: Vec<_> = report.exchanges.iter().filter(of_account).map(|served| served.operation).collect();
    assert_eq!(asked, [Operation::Login, Operation::Refresh]);
    team::assert_undisturbed(stage).await
}

/// The logins of the sample's accounts so far, at each vendor.
pub async fn logins(stage: &Stage) -> Result<Vec<usize>> {
    let mut counts = Vec::new();
    for token in &TOKENS {
        let report = vendors::report(stage, token.vendor).await?;
        let logins =
            |served: &&Served| served.operation == Operation::Login && served.account.as_deref() == Some(token.account);
        counts.push(report.exchanges.iter().filter(logins).count());
    }
    Ok(counts)
}
