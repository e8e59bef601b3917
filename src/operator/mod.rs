//! The world: Kubernetes, the providers, the clock.
//!
//! A file imports only from files named before it here.

/// How the operator speaks.
pub mod logging;
/// What the operator counts and times.
pub mod metrics;
/// The one place that sends to providers.
pub mod egress;
/// What the operator is told when it starts.
pub mod settings;
/// `/metrics`, `/readyz`, `/livez`.
pub mod server;
/// Composition, and the order of shutdown.
pub mod app;
