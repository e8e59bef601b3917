//! A crowd at a provider whose login takes long, with the limits that everybody has by default.

use std::{path::Path, time::Instant};

use anyhow::Result;
use serde_json::json;
use testbed::vendors::tenovos::DOCUMENTED_LOGIN_LATENCY;

use crate::{table::Figure, world::World};

const TOKENS: usize = 100;

pub async fn measure(binary: &Path) -> Result<Vec<Figure>> {
    let mut world = World::start(binary, json!({})).await?;
    world.vendor.script(|script| script.login_latency = DOCUMENTED_LOGIN_LATENCY);
    world.start_operator().await?;
    let wanted = world.prepare(1, TOKENS, 1).await?;
    let began = Instant::now();
    let (created, there) = tokio::join!(world.create_all(&wanted), world.outputs(TOKENS));
    let took = began.elapsed();
    created.and(there)?;
    let how = format!(
        "a login takes 3671 ms; own credentials each; at most {} logins at once (limit 32: four rounds are 14.7 s)",
        world.vendor.peak_in_flight()
    );
    Ok(vec![Figure::new("100 ApiTokens at a slow provider", took.as_secs_f64(), "s", how).at_most(16.0)])
}
