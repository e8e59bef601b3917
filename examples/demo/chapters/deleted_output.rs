//! Somebody deletes the Secret that pods mount.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use crate::{
    pod::{Asked, data},
    stage::Stage,
};

const PATIENCE: Duration = Duration::from_secs(30);

pub async fn play(stage: &mut Stage<'_>) -> Result<()> {
    stage.screen.chapter(
        "The Secret is deleted",
        "It is made anew from the session that the operator keeps; the vendor is not asked.",
    )?;
    // Right after a renewal none is due, so that every call from here on would be the deletion's fault.
    let renewals = |stage: &Stage<'_>| stage.pod("palette").map(|pod| pod.asked().granted()).unwrap_or_default();
    let before = renewals(stage);
    stage.until("renewal of Palette's token", |stage| renewals(stage) > before).await?;
    stage.linger(1).await?;
    let asked: Asked = stage.pod("palette")?.asked();
    let old = stage.secrets()?.get("clusters").await?;
    let started = Instant::now();
    stage.kubectl(&["delete", "secret", "clusters"]).await?;
    let new = successor(stage, &old).await?;
    let took = started.elapsed();
    stage
        .screen
        .line(&format!("   Secret \"clusters\" was back {:.2} s after kubectl was started", took.as_secs_f64()))?;
    let same = data(new) == data(old);
    stage.promises.check(stage.screen, same, "the Secret was restored with the same token", || {
        "it holds something else".into()
    })?;
    let since = stage.pod("palette")?.asked().since(asked);
    let quiet = since == Asked::default();
    stage.promises.check(stage.screen, quiet, "the vendor was not asked for that", || format!("{since:?}"))?;
    stage.linger(3).await
}

async fn successor(stage: &Stage<'_>, old: &Secret) -> Result<Secret> {
    let (secrets, name) = (stage.secrets()?, old.name_any());
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        if let Some(new) = secrets.get_opt(&name).await?.filter(|new| new.uid() != old.uid()) {
            return Ok(new);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bail!("after {PATIENCE:?} Secret {name:?} is still not back")
}
