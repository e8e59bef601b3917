//! The door: the command line.

pub mod cli;
pub mod crd;
pub mod preset;
