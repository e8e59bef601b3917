//! What runs in the pods of a test's node, beside the operator: the vendors, those who use their tokens, and the pause
//! container of the node. All are one program, `testbed-pods`, so that one static binary makes all images.
//!
//! Reports and orders are JSON over plain HTTP, in the types of [`report`]; the tests read and write the same types.

pub mod consumer;
pub mod mount;
pub mod pause;
pub mod report;
pub mod vendors;

use tokio::signal::unix::{SignalKind, signal};

/// Waits for the end that a kubelet asks for. The first process of a container is not ended by a signal it ignores.
pub async fn until_terminated() -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
