//! How a provider is described, asked and understood. Pure: no clock, no client, no randomness that is not an argument.

pub mod template;
pub mod jwt;
pub mod definition;
pub mod validate;
pub mod presets;
pub mod values;
pub mod grant;
pub mod render;
pub mod interpret;
