//! What users write and read: three kinds, their status, and the fixed names they are marked with.
//!
//! Types, and the rules by which the API server refuses what cannot be meant. Nothing here decides, and nothing here
//! talks to anything.

pub mod names;
pub mod reasons;
mod schema;
pub mod duration;
pub mod reference;
pub mod response;
pub mod failure;
pub mod request;
pub mod errand;
pub mod http;
pub mod oauth2;
pub mod status;
pub mod tls;
pub mod provider;
pub mod token;

pub use provider::{ClusterTokenProvider, ClusterTokenProviderSpec, TokenProvider, TokenProviderSpec};
pub use status::{ApiTokenStatus, ProviderStatus};
pub use token::{ApiToken, ApiTokenSpec, ProviderKind};
