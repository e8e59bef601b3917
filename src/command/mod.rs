//! The door: the command line.
//!
//! A file imports only from files named before it here.

/// The CustomResourceDefinitions as YAML.
pub mod crd;
/// The presets as manifests to copy.
pub mod preset;
/// Whether a running operator is ready.
pub mod ready;
/// YAML files whose every value knows its line.
pub mod document;
/// What is wrong with a manifest.
pub mod finding;
/// Rules of a schema, as far as they can be judged without CEL.
pub mod schema_rule;
/// A manifest held against the schema of its kind.
pub mod structure;
/// Documents as the objects they are.
pub mod manifest;
/// What a provider's TLS refers to, among files.
pub mod tls_files;
/// How objects of some files fit together.
pub mod cross_check;
/// How a subcommand ends.
pub mod exit;
/// All that can be said of manifests without a cluster.
pub mod validate;
/// The flags of `try`.
pub mod try_args;
/// The TLS of `try`.
pub mod try_tls;
/// What `try` is given.
pub mod try_input;
/// Requests that may be shown.
pub mod try_mask;
/// Replies that may be shown.
pub mod try_reply;
/// What `try` does with an issuer.
pub mod try_discovery;
/// What `try` says.
pub mod try_text;
/// A definition against the provider itself.
pub mod try_provider;
/// Subcommands, flags and environment variables.
pub mod cli;
