//! From a whole provider spec to a definition, or to all that is wrong with it.

use std::collections::BTreeMap;

use super::{definition::Definition, template::Template};
use crate::api::TokenProviderSpec;

pub use super::problem::{Invalid, Problem};

/// A provider's spec, whichever of `preset`, `http` and `oauth2` it uses, as a definition.
///
/// # Errors
/// With everything that is wrong with it. The TLS material is not looked at here.
pub fn compile(_spec: &TokenProviderSpec) -> Result<Definition, Invalid> {
    todo!()
}

/// An ApiToken's own `output.data`: names known at this place, outputs declared by the provider.
///
/// # Errors
/// With every template that is wrong.
pub fn compile_output(
    _data: &BTreeMap<String, String>,
    _definition: &Definition,
) -> Result<BTreeMap<String, Template>, Invalid> {
    todo!()
}
