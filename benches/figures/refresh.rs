//! What a steady refresh costs: requests to the API server and to the provider, CPU time, connections.

use std::{path::Path, time::Duration};

use anyhow::{Result, ensure};
use serde_json::json;
use testbed::vendors::Operation;

use crate::{
    asked, machine,
    table::{Figure, each, mebibytes},
    world::World,
};

const TOKENS: usize = 200;
/// Of each token; it is renewed at about 12.5 s.
const LIFETIME: Duration = Duration::from_secs(20);
/// Spread over one round, so that renewals come evenly.
const BETWEEN_CREATIONS: Duration = Duration::from_millis(60);
const WARM_UP: Duration = Duration::from_secs(15);
const WINDOW: Duration = Duration::from_secs(60);

pub async fn measure(binary: &Path) -> Result<Vec<Figure>> {
    let mut world = World::start(binary, json!({})).await?;
    world.vendor.script(|script| script.lifetime = LIFETIME);
    world.start_operator().await?;
    let wanted = world.prepare(1, TOKENS, 1).await?;
    for one in &wanted {
        world.create(one).await?;
        tokio::time::sleep(BETWEEN_CREATIONS).await;
    }
    world.outputs(TOKENS).await?;
    tokio::time::sleep(WARM_UP).await;

    world.vendor.clear();
    let mark = world.cluster.audit().mark()?;
    let (cpu, busy) = (world.operator()?.cpu_time()?, machine::busy()?);
    tokio::time::sleep(WINDOW).await;
    let cpu = world.operator()?.cpu_time()?.saturating_sub(cpu);
    let busy = machine::busy()?.saturating_sub(busy);
    let calls = world.vendor.history();
    let asked = world.asked(mark)?;
    let rss = world.operator()?.rss_kib()?;

    ensure!(calls.iter().all(|call| call.operation == Operation::Refresh), "not every call was a refresh");
    let refreshed =
        asked.iter().filter(|event| event.verb == "patch" && event.resource == "secrets" && event.code == 200).count();
    ensure!(refreshed >= 300, "only {refreshed} refreshes in the window");
    let writes = asked.iter().filter(|event| !is_read(&event.verb)).count();
    let reads = asked.iter().filter(|event| event.verb == "get").count();
    let lists = asked.iter().filter(|event| event.verb == "list").count();
    let how = format!("{refreshed} refreshes of {TOKENS} tokens in {} s; Tenovos preset over HTTPS", WINDOW.as_secs());
    let share = 100.0 * busy.as_secs_f64() / (WINDOW.as_secs_f64() * each(machine::cores(), 1));
    let load = format!("/proc/PID/stat over {how}; the machine's cores were {share:.0} % busy");
    Ok(vec![
        Figure::new("API writes for a refresh", each(writes, refreshed), "", asked::by_verb(&asked, refreshed))
            .at_most(3.05),
        Figure::new("API reads (named) for a refresh", each(reads, refreshed), "", format!("audit log; {how}"))
            .at_most(2.05),
        Figure::new("API lists in the window", each(lists, 1), "", "audit log, operator's user").at_most(0.0),
        Figure::new(
            "provider calls for a refresh",
            each(calls.len(), refreshed),
            "",
            "the vendor's record / patches of outputs",
        )
        .at_most(1.01),
        Figure::new("CPU time for a refresh", cpu.as_secs_f64() * 1e3 / each(refreshed, 1), "ms", load).at_most(1.2),
        Figure::new(
            "connections to the provider",
            each(usize::try_from(world.vendor.connections_accepted())?, 1),
            "",
            "accepted by the vendor since the operator's start; idle ones kept: 16",
        ),
        Figure::new("RSS while refreshing", mebibytes(rss), "MiB", how),
    ])
}

fn is_read(verb: &str) -> bool {
    matches!(verb, "get" | "list" | "watch")
}
