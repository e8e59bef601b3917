//! What users write and read: three kinds, their status, and the fixed names they are marked with.
//!
//! Types only. Nothing here decides, and nothing here talks to anything.

pub mod duration;
pub mod http;
pub mod names;
pub mod oauth2;
pub mod provider;
pub mod reasons;
pub mod status;
pub mod token;

pub use provider::{ClusterTokenProvider, ClusterTokenProviderSpec, TokenProvider, TokenProviderSpec};
pub use status::{ApiTokenStatus, ProviderStatus};
pub use token::{ApiToken, ApiTokenSpec, ProviderKind};
