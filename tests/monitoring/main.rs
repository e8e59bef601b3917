//! What watches the operator: alerts that fire when they should, a dashboard that shows what exists, monitors that find
//! the pods. Rendered by the real helm, judged by the real promtool.
#![allow(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::panic,
    reason = "a test ends at what it cannot go on with"
)]

mod chart;
mod promtool;
mod served;

mod alerts;
mod dashboard;
mod guarding;
mod metrics;
mod monitors;
mod picture;
