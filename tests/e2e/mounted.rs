//! Pods that mount a token never see an expired one.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use testbed::eventually::await_until;

use crate::{
    figures::spread,
    stage::Stage,
    team::{self, TOKENS, Token},
    vendors,
};

/// Renewed after 13 s: what is left then is several times what the kubelet takes when it looks each second.
const SHORT_LIFE: u64 = 20;
const RENEWALS: usize = 10;
/// A minute and a half by its own settings, and as long again.
const KUBELET: Duration = Duration::from_secs(180);

pub async fn a_renewed_token_reaches_the_pods_in_the_kubelets_own_time(stage: &Stage) -> Result<()> {
    team::at_work(stage).await?;
    team::renewed_once(stage).await?;
    let mut late = Vec::new();
    for token in &TOKENS {
        await_until("the kubelet to show the last renewal", KUBELET, async || {
            let (shown, given) = (shown(stage, token).await?, team::given(stage, token).await?);
            let (newest, _) = given.last().context("no token was given")?;
            let count = given.len();
            ensure!(newest.iter().any(|id| shown.contains_key(id)), "{count} given, {} shown", shown.len());
            anyhow::Ok(())
        })
        .await;
        late.extend(propagation(stage, token, Timestamp::MIN).await?);
    }
    stage.figures.note("renewal -> file in the pod, a kubelet by default", spread(&mut late));
    team::assert_undisturbed(stage).await
}

pub async fn no_call_is_refused_through_ten_renewals_of_each_vendor(stage: &Stage) -> Result<()> {
    team::at_work(stage).await?;
    team::renewed_once(stage).await?;
    stage.node.look_at_pods_each(Duration::from_secs(1)).await?;
    for token in &TOKENS {
        vendors::set_up(stage, token.vendor, &vendors::lifetime(SHORT_LIFE)).await?;
    }
    let before = calls(stage).await?;
    let (begun, since) = (Instant::now(), Timestamp::now());
    for token in &TOKENS {
        team::ask_for_refresh(stage, token.name, "to be renewed often").await?;
    }
    for token in &TOKENS {
        let patience = Duration::from_secs(SHORT_LIFE * (RENEWALS as u64 + 5));
        await_until("ten renewals that a pod has used", patience, async || {
            let report = team::consumer(stage, token).await?;
            assert!(report.counts.refused.is_empty(), "{}: {:?}", token.vendor, report.counts.refused);
            let seen = report.changes.iter().filter(|change| change.seen > since).count();
            ensure!(seen > RENEWALS, "{}: {seen} renewals were seen", token.vendor);
            anyhow::Ok(())
        })
        .await;
    }
    stage.figures.seconds("ten renewals of each of three vendors", begun.elapsed());
    let calls = calls(stage).await?;
    // Ten a second are wanted of each; a busy machine may be late, and a pod that hardly calls proves nothing.
    let least = begun.elapsed().as_secs() * 5 * TOKENS.len() as u64;
    assert!(calls - before > least, "{} calls, and {least} were the least", calls - before);
    let mut late = Vec::new();
    for token in &TOKENS {
        late.extend(propagation(stage, token, since).await?);
    }
    stage.figures.note("renewal -> file in the pod, a kubelet that looks each second", spread(&mut late));
    stage.figures.note("calls of the pods, all accepted", calls.to_string());
    let outcome = team::assert_undisturbed(stage).await;
    for token in &TOKENS {
        vendors::set_up(stage, token.vendor, &vendors::lifetime(1800)).await?;
    }
    outcome
}

/// What the vendors have accepted of the pods.
async fn calls(stage: &Stage) -> Result<u64> {
    let mut calls = 0;
    for token in &TOKENS {
        calls += team::consumer(stage, token).await?.counts.accepted;
    }
    Ok(calls)
}

/// When the pod saw each token first, but for the one that was there at its start.
async fn shown(stage: &Stage, token: &Token) -> Result<BTreeMap<String, Timestamp>> {
    let changes = team::consumer(stage, token).await?.changes;
    Ok(changes.into_iter().skip(1).filter_map(|change| Some((change.token_id?, change.seen))).collect())
}

/// How long after a vendor's answer its token was in the pod's file.
async fn propagation(stage: &Stage, token: &Token, since: Timestamp) -> Result<Vec<Duration>> {
    let given: BTreeMap<String, Timestamp> = team::given(stage, token)
        .await?
        .into_iter()
        .flat_map(|(ids, at)| ids.into_iter().map(move |id| (id, at)))
        .collect();
    let shown = shown(stage, token).await?.into_iter().filter(|(_, seen)| *seen > since);
    let late = shown.filter_map(|(id, seen)| Some(seen.duration_since(*given.get(&id)?)));
    Ok(late.filter_map(|late| Duration::try_from(late).ok()).collect())
}
