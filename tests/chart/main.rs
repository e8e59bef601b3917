//! The Helm chart: what stands in it is true, what it renders is taken by a real API server, and what it installs gives
//! the operator all that it needs and nothing else.
//!
//! After a change of values, CRDs or templates: `UPDATE_CHART=1 cargo test --test chart`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at what it cannot go on with")]

mod admission;
mod helm;
mod installation;

mod admission_others;
mod admission_own;
mod admission_providers;
mod files;
mod readme;
mod rendering;
mod rights;
mod running;
