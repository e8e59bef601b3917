//! The operator at work, live: a real control plane, three vendors with short-lived tokens, and a consumer of each.
//!
//! Nothing is printed that did not happen: tables come from kubectl, counts from the vendors' own histories and from
//! the consumers. It must not be needed by anything else, and talks to loopback only.

mod product;
mod sample;
mod vendors;
mod pod;
mod screen;
mod panel;
mod feed;
mod promises;
mod stage;
mod chapters;
mod summary;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::{screen::Screen, stage::Stage};

/// Starts a control plane, three vendors and the operator on this machine, breaks things, and shows what follows.
#[derive(Parser)]
#[command(name = "demo")]
struct Arguments {
    /// End after the summary, with exit code 0 only if every promise was kept; without a terminal that is the default
    #[arg(long)]
    exit: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut screen = Screen::new();
    let stays = screen.is_live() && !arguments.exit;
    match run(&mut screen, stays).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            screen.release();
            let _ = screen.line(&format!("\nThe demo could not go on: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether every promise was kept.
async fn run(screen: &mut Screen, stays: bool) -> Result<bool> {
    let title = "The stage";
    screen.chapter(
        title,
        "A Kubernetes control plane, three vendors over HTTPS, and the operator: processes of this machine.",
    )?;
    let mut stage = tokio::select! {
        stage = Stage::set(screen) => stage?,
        () = told_to_end() => return Ok(false),
    };
    let kept = tokio::select! {
        kept = perform(&mut stage) => Some(kept?),
        () = told_to_end() => None,
    };
    if kept.is_some() && stays {
        stage.invite()?;
        told_to_end().await;
    }
    stage.strike().await?;
    Ok(kept.unwrap_or(false))
}

async fn perform(stage: &mut Stage<'_>) -> Result<bool> {
    chapters::play(stage).await?;
    summary::print(stage)
}

/// Ctrl-C, or SIGTERM.
async fn told_to_end() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => (),
        _ = terminate.recv() => (),
    }
}
