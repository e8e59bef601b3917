//! Many ApiTokens: created at once, and found valid by an operator that starts anew.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde_json::json;

use crate::{
    asked, machine,
    table::{Figure, each, mebibytes},
    world::{Wanted, World},
};

/// Out of the way: the provider's and the origin's.
const RAISED: [&str; 4] = ["--origin-requests-per-second", "10000", "--origin-concurrency", "1000"];
/// After which memory is looked at.
const SETTLED: Duration = Duration::from_secs(60);
/// What is created before the outputs are waited for, where only the result counts.
const BATCH: usize = 500;

/// What a restart showed.
struct Restart {
    ready: Duration,
    reads_of_objects: usize,
    writes: usize,
    provider_calls: usize,
    rss_kib: u64,
    peak_kib: u64,
}

/// 1,000 at once, then a restart.
pub async fn thousand(binary: &Path) -> Result<Vec<Figure>> {
    let mut world = raised(binary).await?;
    world.start_operator().await?;
    let wanted = world.prepare(10, 10, 10).await?;
    let idle = mebibytes(world.operator()?.rss_kib()?);
    let cpu = world.operator()?.cpu_time()?;
    let mark = world.cluster.audit().mark()?;
    let began = Instant::now();
    let (created, there) =
        tokio::join!(async { world.create_all(&wanted).await.map(|()| began.elapsed()) }, world.outputs(wanted.len()));
    let took = began.elapsed();
    let created = created?;
    there?;
    tokio::time::sleep(SETTLED).await;
    prove(&world, &wanted).await?;
    let requests = world.asked(mark)?;
    let operator = world.operator()?;
    let cpu = operator.cpu_time()?.saturating_sub(cpu);
    let (rss, peak) = (operator.rss_kib()?, machine::peak_rss_kib(operator.pid())?);
    let how = format!(
        "limits raised, ten share a credentials Secret; the creations alone took {:.1} s",
        created.as_secs_f64()
    );
    let memory = format!("VmRSS 60 s after; {idle:.1} MiB before");
    let mut figures = vec![
        Figure::new("1,000 ApiTokens at once, all have their Secret", took.as_secs_f64(), "s", how).at_most(4.0),
        Figure::new("RSS after a burst of 1,000 creations", mebibytes(rss), "MiB", memory).at_most(40.0),
        Figure::new("peak RSS of that burst", mebibytes(peak), "MiB", "VmHWM"),
        Figure::new(
            "API requests of that burst, each",
            each(requests.len(), wanted.len()),
            "",
            asked::by_verb(&requests, wanted.len()),
        ),
        Figure::new("CPU time of that burst, each", cpu.as_secs_f64(), "ms", "/proc/PID/stat, until 60 s after"),
    ];
    let restart = restart(&mut world).await?;
    figures.extend([Figure::new(
        "restart with 1,000 valid tokens: ready",
        restart.ready.as_secs_f64(),
        "s",
        "from the start of the process to /readyz 200",
    )
    .at_most(2.0)]);
    figures.extend(asked_by(&restart));
    figures.extend([
        Figure::new(
            "the same: RSS",
            mebibytes(restart.rss_kib),
            "MiB",
            "VmRSS, 60 s after; 100 credentials Secrets too",
        )
        .at_most(20.0),
        Figure::new("the same: peak RSS", mebibytes(restart.peak_kib), "MiB", "VmHWM"),
    ]);
    Ok(figures)
}

/// A restart with 10,000.
pub async fn ten_thousand(binary: &Path) -> Result<Vec<Figure>> {
    let mut world = raised(binary).await?;
    world.start_operator().await?;
    let wanted = world.prepare(100, 10, 10).await?;
    for (number, batch) in wanted.chunks(BATCH).enumerate() {
        world.create_all(batch).await?;
        world.outputs((number + 1) * BATCH).await?;
        // The fake looks through its record at each request.
        world.vendor.clear();
    }
    prove(&world, &wanted).await?;
    let restart = restart(&mut world).await?;
    let mut figures = vec![
        Figure::new(
            "restart with 10,000 valid tokens: RSS",
            mebibytes(restart.rss_kib),
            "MiB",
            "VmRSS, 60 s after; 1,000 credentials Secrets too",
        )
        .at_most(60.0),
        Figure::new("the same: peak RSS", mebibytes(restart.peak_kib), "MiB", "VmHWM"),
        Figure::new(
            "the same: ready",
            restart.ready.as_secs_f64(),
            "s",
            "from the start of the process to /readyz 200",
        ),
    ];
    figures.extend(asked_by(&restart));
    Ok(figures)
}

/// What a restart with valid tokens has no need to ask for.
fn asked_by(restart: &Restart) -> [Figure; 3] {
    [
        Figure::new("the same: provider calls", each(restart.provider_calls, 1), "", "the vendor's record, 60 s")
            .at_most(0.0),
        Figure::new("the same: API writes", each(restart.writes, 1), "", "audit log, operator's user, 60 s")
            .at_most(0.0),
        Figure::new(
            "the same: reads of single objects",
            each(restart.reads_of_objects, 1),
            "",
            "audit log; the operator's key is one",
        )
        .at_most(1.0),
    ]
}

async fn raised(binary: &Path) -> Result<World> {
    let limits = json!({ "requestsPerSecond": 1000, "burst": 1000, "concurrency": 1000 });
    let mut world = World::start(binary, limits).await?;
    world.flags(&RAISED);
    Ok(world)
}

async fn restart(world: &mut World) -> Result<Restart> {
    world.stop_operator().await?;
    world.vendor.clear();
    let mark = world.cluster.audit().mark()?;
    let began = Instant::now();
    world.start_operator().await?;
    let ready = began.elapsed();
    tokio::time::sleep(SETTLED).await;
    let asked = world.asked(mark)?;
    let count = |verbs: &[&str]| {
        asked.iter().filter(|event| verbs.contains(&event.verb.as_str()) && !event.resource.is_empty()).count()
    };
    let operator = world.operator()?;
    Ok(Restart {
        ready,
        reads_of_objects: count(&["get"]),
        writes: count(&["create", "update", "patch", "delete"]),
        provider_calls: world.vendor.history().len(),
        rss_kib: operator.rss_kib()?,
        peak_kib: machine::peak_rss_kib(operator.pid())?,
    })
}

async fn prove(world: &World, wanted: &[Wanted]) -> Result<()> {
    let mut namespaces: Vec<&str> = wanted.iter().map(|one| one.namespace.as_str()).collect();
    namespaces.dedup();
    for namespace in namespaces {
        world.prove(namespace).await?;
    }
    Ok(())
}
