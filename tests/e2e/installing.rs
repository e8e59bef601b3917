//! From an empty node to the first token, with one command.

use std::time::{Duration, Instant};

use anyhow::Result;
use testbed::eventually::await_until;

use crate::{
    images, operator,
    stage::{PATIENCE, Stage, chart},
    team,
};

/// CPU time is counted for this long.
const IDLE: Duration = Duration::from_secs(15);

pub async fn helm_installs_on_an_empty_node_and_the_first_token_comes(stage: &Stage) -> Result<()> {
    team::prepared(stage).await?;
    stage.namespace(operator::NAMESPACE).await?;

    let begun = Instant::now();
    let said = operator::helm(stage, &["install"], chart(), images::TAG, &[]).await?;
    stage.figures.seconds("helm install --wait, until both replicas are ready", begun.elapsed());
    assert!(said.contains("STATUS: deployed"), "{said}");
    stage.apply(team::NAMESPACE, &team::sample(stage)?).await?;
    await_until("the first output", PATIENCE, async || {
        let outputs = [&team::TOKENS[0], &team::TOKENS[2]].map(|token| team::output(stage, token));
        futures::future::select_ok(outputs.map(Box::pin)).await.map(drop).map_err(|e| format!("{e:#}"))
    })
    .await;
    stage.figures.seconds("helm install -> first token, the samples applied in between", begun.elapsed());
    Ok(())
}

pub async fn helm_test_passes(stage: &Stage) -> Result<()> {
    operator::installed(stage).await?;
    let said = stage.helm(&["test", operator::RELEASE, "--namespace", operator::NAMESPACE, "--timeout", "60s"]).await?;
    assert!(said.contains("Phase:          Succeeded"), "{said}");
    Ok(())
}

pub async fn both_replicas_are_ready_and_one_of_them_leads(stage: &Stage) -> Result<()> {
    operator::installed(stage).await?;
    team::at_work(stage).await?;
    operator::ready(stage, 2).await;
    let leader = operator::leader(stage).await?;
    assert!(leader.starts_with(operator::RELEASE), "{leader}");
    stage.figures.note("replicas with six tokens, none due", operator::cost(stage, IDLE).await?.join("; "));
    Ok(())
}
