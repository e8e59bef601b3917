//! What a real API server makes of manifests: which it takes, which it refuses and in which words, what it shows.
//!
//! No operator runs here; everything is the API server's own doing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at what it cannot go on with")]

mod accepted;
mod applying;
mod columns;
mod definitions;
mod explained;
mod providers_errands;
mod providers_http;
mod providers_oauth2;
mod providers_settings;
mod tokens;
