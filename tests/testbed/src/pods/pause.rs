//! The pause container: it holds the namespaces of a pod, and takes in the processes whose parents have ended.

use std::io;

use rustix::process::{WaitOptions, wait};
use tokio::signal::unix::{SignalKind, signal};

/// Waits for SIGTERM or SIGINT, and meanwhile for the end of every child.
pub async fn run() -> io::Result<()> {
    let mut children = signal(SignalKind::child())?;
    let reaping = async {
        loop {
            children.recv().await;
            // One signal may stand for many children.
            while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        }
    };
    tokio::select! {
        () = reaping => Ok(()),
        ended = super::until_terminated() => ended,
    }
}
