//! A namespace with ApiTokens goes away at once, whatever the operator or the vendor does: nothing has a finalizer.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testbed::{
    eventually::await_until,
    pods::report::{Failing, How, Setup},
    vendors::{On, Operation},
};

use crate::{
    operator,
    stage::{PATIENCE, Stage},
    team, vendors,
};

/// How much longer than an empty namespace one with ApiTokens may take.
const LONGER: Duration = Duration::from_secs(10);
const ACCOUNT: &str = "leaver@example.com";

pub async fn a_namespace_goes_while_the_operator_is_down(stage: &Stage) -> Result<()> {
    prepared(stage, "leaving-unserved").await?;
    let apply = vendors::palette_request("clusters", ACCOUNT, "change-me");
    stage.apply("leaving-unserved", &apply).await?;
    let wait = ["-n", "leaving-unserved", "wait", "apitoken/clusters", "--for=condition=Ready", "--timeout=60s"];
    stage.kubectl(&wait).await?;
    operator::scale(stage, 0).await?;
    let gone = goes(stage, "leaving-unserved").await;
    operator::scale(stage, 2).await?;
    stage.figures.seconds("a namespace with an ApiToken goes while the operator is down", gone?);
    Ok(())
}

pub async fn a_namespace_goes_while_the_vendor_hangs(stage: &Stage) -> Result<()> {
    prepared(stage, "leaving-waiting").await?;
    let hang = Setup { fail: Some(Failing { on: On::Login, how: How::Hang }), ..Setup::default() };
    vendors::set_up(stage, "palette", &hang).await?;
    let apply = vendors::palette_request("clusters", ACCOUNT, "change-me");
    stage.apply("leaving-waiting", &apply).await?;
    await_until("the vendor to hang", PATIENCE, async || {
        let report = vendors::report(stage, "palette").await?;
        let open = report.exchanges.iter().any(|one| one.operation == Operation::Login && one.answered.is_none());
        ensure!(open, "no login is without an answer");
        anyhow::Ok(())
    })
    .await;
    let gone = goes(stage, "leaving-waiting").await;
    vendors::set_up(stage, "palette", &Setup { heal: true, ..Setup::default() }).await?;
    stage.figures.seconds("a namespace with an ApiToken goes while the vendor hangs", gone?);
    Ok(())
}

async fn prepared(stage: &Stage, namespace: &str) -> Result<()> {
    operator::installed(stage).await?;
    team::prepared(stage).await?;
    stage.apply(team::NAMESPACE, &team::sample(stage)?).await?;
    vendors::set_up(stage, "palette", &vendors::account(ACCOUNT, "change-me", None)).await?;
    stage.namespace(namespace).await
}

/// How long the namespace takes to go; an empty one, deleted at the same time, says how long that is on this machine.
async fn goes(stage: &Stage, namespace: &str) -> Result<Duration> {
    let empty = format!("{namespace}-empty");
    stage.namespace(&empty).await?;
    let delete = async |name: &str| -> Result<Duration> {
        let begun = Instant::now();
        stage.kubectl(&["delete", "namespace", name, "--timeout=60s"]).await?;
        Ok(begun.elapsed())
    };
    let (taken, empty) = tokio::try_join!(delete(namespace), delete(&empty))?;
    assert!(taken < empty + LONGER, "{taken:?}, and {empty:?} for an empty one");
    Ok(taken)
}
