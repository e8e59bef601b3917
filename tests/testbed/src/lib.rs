//! What tests, the demo and the benchmarks share: a real control plane, and the vendors.

pub mod ca;
pub mod proxy;
pub mod vendors;
