//! The figures of `docs/performance.md`: the operator as it is released, against a real API server and a provider on
//! loopback.
//!
//! `cargo bench --bench figures` measures all of them, `-- --only latency,refresh` some, `-- --operator PATH` those of
//! another build. It measures and prints; it fails only when something cannot be measured, never over a target.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what it is for")]

mod asked;
mod crowd;
mod idle;
mod latency;
mod machine;
mod refresh;
mod slow;
mod table;
mod world;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use crate::table::Figure;

const NAMES: [&str; 6] = ["idle", "latency", "refresh", "slow", "crowd", "large"];

/// What the command line asks for.
struct Wanted {
    only: Vec<String>,
    operator: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let wanted = wanted(std::env::args().skip(1))?;
    let operator = match wanted.operator {
        Some(path) => path,
        None => release()?,
    };
    let size = std::fs::metadata(&operator).with_context(|| operator.display().to_string())?.len();
    println!("{}; the operator's binary: {:.1} MB\n", machine::description(), megabytes(size));
    let mut figures = Vec::new();
    for name in wanted.only {
        eprintln!("measuring {name} (load {})", machine::load());
        let measured = measure(&name, &operator).await.with_context(|| name.clone())?;
        println!("{}", table::rows(&measured));
        figures.extend(measured);
    }
    println!("{}\n{}", table::HEAD, table::rows(&figures));
    Ok(())
}

async fn measure(name: &str, operator: &Path) -> Result<Vec<Figure>> {
    match name {
        "idle" => idle::measure(operator).await,
        "latency" => latency::measure(operator).await,
        "refresh" => refresh::measure(operator).await,
        "slow" => slow::measure(operator).await,
        "crowd" => crowd::thousand(operator).await,
        "large" => crowd::ten_thousand(operator).await,
        other => bail!("there is no figure {other:?}; there are {}", NAMES.join(", ")),
    }
}

fn wanted(mut args: impl Iterator<Item = String>) -> Result<Wanted> {
    let mut wanted = Wanted { only: NAMES.map(str::to_owned).into(), operator: None };
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} wants a value"));
        match arg.as_str() {
            // cargo bench says so to every benchmark.
            "--bench" => {}
            "--only" => wanted.only = value()?.split(',').map(str::to_owned).collect(),
            "--operator" => wanted.operator = Some(value()?.into()),
            _ => bail!("{arg} is not known; there are --only {} and --operator PATH", NAMES.join(",")),
        }
    }
    Ok(wanted)
}

/// Builds the operator as it is released: the benchmark's own profile and features are not the product's.
fn release() -> Result<PathBuf> {
    eprintln!("building the release binary (some minutes when it is not there yet)");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "-p", "apitoken-operator", "--bin", "apitoken-operator"])
        .current_dir(root)
        .status()?;
    ensure!(built.success(), "cargo build --release: {built}");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("release/apitoken-operator"))
}

#[expect(clippy::cast_precision_loss, reason = "sizes of files are far below 2^52")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
