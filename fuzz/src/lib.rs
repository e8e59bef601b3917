//! The pure rooms of the operator, compiled for the fuzzer: the product's own files, without the rest of its crate,
//! which would more than double the build.
//!
//! `tests/layout.rs` holds that these rooms import from each other alone. The targets are in `fuzz_targets/`; here is
//! what several of them start from.

#[path = "../../src/api/mod.rs"]
pub mod api;
#[path = "../../src/provider/mod.rs"]
pub mod provider;
#[path = "../../src/token/mod.rs"]
pub mod token;

/// How a reply is written in a corpus file.
pub mod wire;
/// That a value stays where it was put.
pub mod places;

/// Stands in the corpus wherever something secret may stand, and must never be shown.
pub const CANARY: &str = "c4n4ry";
