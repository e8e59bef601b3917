//! From an ApiToken to the token in its Secret, one at a time.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{ListParams, WatchEvent, WatchParams},
};
use serde_json::json;
use tokio::sync::mpsc;

use crate::{
    table::{Figure, percentile},
    world::World,
};

const SAMPLES: usize = 200;
/// Not counted: the first login with new credentials writes its intent, and the first request opens connections.
const WARM_UP: usize = 10;
/// After a sample the operator still writes a status and an Event.
const PAUSE: Duration = Duration::from_millis(100);
/// Watches end after some minutes; this one is opened again in between.
const WATCH: u32 = 290;

pub async fn measure(binary: &Path) -> Result<Vec<Figure>> {
    let mut world = World::start(binary, json!({})).await?;
    world.start_operator().await?;
    let wanted = world.prepare(1, 1, SAMPLES + WARM_UP).await?;
    let namespace = wanted.first().context("nothing to create")?.namespace.clone();
    let mut arrivals = watch(&world, &namespace).await?;
    let (mut sent, mut answered) = (Vec::new(), Vec::new());
    for (number, one) in wanted.iter().enumerate() {
        tokio::time::sleep(PAUSE).await;
        let before = Instant::now();
        world.create(one).await?;
        let after = Instant::now();
        let there = loop {
            let (name, at) = arrivals.recv().await.context("the watch ended")?;
            if name == one.name {
                break at;
            }
        };
        if number >= WARM_UP {
            sent.push(there - before);
            answered.push(there.saturating_duration_since(after));
        }
    }
    world.prove(&namespace).await?;
    let how = "200 samples by a watch, HTTPS provider, latency 0, one credentials Secret";
    let of = |what, samples: &[Duration], share| Figure::new(what, percentile(samples, share), "ms", how);
    Ok(vec![
        of("create sent -> Secret with token seen, p50", &sent, 0.5).at_most(7.0),
        of("create sent -> Secret with token seen, p99", &sent, 0.99).at_most(30.0),
        of("create answered -> Secret with token seen, p50", &answered, 0.5),
        of("create answered -> Secret with token seen, p99", &answered, 0.99),
    ])
}

/// Names of outputs, and when they were first seen with data.
async fn watch(world: &World, namespace: &str) -> Result<mpsc::UnboundedReceiver<(String, Instant)>> {
    let api: Api<Secret> = Api::namespaced(world.client.clone(), namespace);
    let version = api.list(&ListParams::default().limit(1)).await?.metadata.resource_version.unwrap_or_default();
    let params = WatchParams::default().labels("apitoken.dev/role=output").timeout(WATCH);
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut events = api.watch(&params, &version).await?.boxed();
    tokio::spawn(async move {
        while let Some(event) = events.try_next().await? {
            let at = Instant::now();
            match event {
                WatchEvent::Added(secret) | WatchEvent::Modified(secret) => {
                    let name = secret.metadata.name.filter(|_| secret.data.is_some_and(|data| !data.is_empty()));
                    name.map(|name| sender.send((name, at))).transpose()?;
                }
                WatchEvent::Error(status) => bail!("the watch failed with {}", status.code),
                WatchEvent::Deleted(_) | WatchEvent::Bookmark(_) => {}
            }
        }
        Ok(())
    });
    Ok(receiver)
}
