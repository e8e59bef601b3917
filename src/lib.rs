//! cert-manager for API tokens: a Kubernetes operator that keeps short-lived API tokens fresh in Secrets.
//!
//! Four rooms and a door. A room imports only from the rooms above it here; `tests/layout.rs` holds that.
#![forbid(unsafe_code)]

/// What users write: the kinds, their status, conditions and reasons.
pub mod api;
/// Pure: how a provider is described, asked and understood.
pub mod provider;
/// Pure: the life of a token, decided from what was observed and the time.
pub mod token;
/// The world: Kubernetes, the providers, the clock.
pub mod operator;
/// The door: the command line.
pub mod command;
