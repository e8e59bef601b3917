//! Memory of an operator that has nothing to do.

use std::{path::Path, time::Duration};

use anyhow::Result;
use serde_json::json;

use crate::{
    table::{Figure, mebibytes},
    world::World,
};

const SETTLED: Duration = Duration::from_secs(30);

pub async fn measure(binary: &Path) -> Result<Vec<Figure>> {
    let mut world = World::start(binary, json!({})).await?;
    world.start_operator().await?;
    tokio::time::sleep(SETTLED).await;
    let rss = mebibytes(world.operator()?.rss_kib()?);
    Ok(vec![Figure::new("RSS idle", rss, "MiB", "VmRSS, one provider, no ApiToken, 30 s after ready").at_most(12.0)])
}
