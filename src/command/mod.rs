//! The door: the command line.

/// Subcommands, flags and environment variables.
pub mod cli;
/// The CustomResourceDefinitions as YAML.
pub mod crd;
/// The presets as manifests to copy.
pub mod preset;
/// Whether a running operator is ready.
pub mod ready;
