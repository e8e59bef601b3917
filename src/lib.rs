//! cert-manager for API tokens.
#![forbid(unsafe_code)]
