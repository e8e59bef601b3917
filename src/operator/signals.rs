//! SIGTERM and SIGINT. Ends nothing itself at the first; the second ends the process where it stands.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels `stopping` at the first signal. To be called before anything else: for process 1 of a container the kernel
/// drops a signal that has no handler, and the pod would be killed when its grace period is over.
///
/// # Errors
/// When no handler can be installed.
pub fn stop_on_signal(stopping: CancellationToken) -> anyhow::Result<()> {
    let what = "cannot listen for signals";
    let mut terminate = signal(SignalKind::terminate()).context(what)?;
    let mut interrupt = signal(SignalKind::interrupt()).context(what)?;
    tokio::spawn(async move {
        let mut told = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        told().await;
        tracing::info!("told to stop");
        stopping.cancel();
        // Passes in flight can take minutes, and what a crash leaves behind is mended at the next start.
        told().await;
        tracing::warn!("told to stop again: ending at once, without the passes in flight");
        std::process::exit(1);
    });
    Ok(())
}
