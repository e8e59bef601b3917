//! The door: one file for each subcommand.

/// Prints what is built in.
pub mod preset;
