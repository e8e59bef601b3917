//! How a provider is described, asked and understood. Pure: no clock, no client, no randomness that is not an argument.
//!
//! A file imports only from files named before it here.

/// What people meant by a name that does not exist.
pub mod nearest;
/// Text with `${...}` in it, split once.
pub mod template;
/// When a token says of itself that it ends.
pub mod jwt;
/// What is wrong with a definition, and where.
pub mod problem;
/// The form of a provider in which nothing is left to check.
pub mod definition;
/// From the `http` form that people write to a definition.
pub mod form;
/// From the `oauth2` form that people write to a definition.
pub mod oauth2;
/// The providers that are built in.
pub mod presets;
/// From a whole provider spec to a definition.
pub mod validate;
/// What a request may use: credentials, parameters, the session.
pub mod values;
/// What a reply gave, or how it failed.
pub mod grant;
/// Signed statements of OAuth 2.0.
pub mod assertion;
/// From a definition and values to a request.
pub mod render;
/// From a reply to a grant or a failure.
pub mod interpret;

#[cfg(test)]
mod fixtures;
