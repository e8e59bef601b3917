//! The providers that are built in: data in the `http` form, nothing else.

use std::sync::Arc;

use super::definition::Definition;

/// Names of the presets, in the order in which they are listed.
#[must_use]
pub const fn names() -> [&'static str; 3] {
    ["Palette", "Tenovos", "Virtana"]
}

/// The preset as it is written: the YAML of a provider's spec.
#[must_use]
pub fn source(name: &str) -> Option<&'static str> {
    match name {
        "Palette" => Some(include_str!("palette.yaml")),
        "Tenovos" => Some(include_str!("tenovos.yaml")),
        "Virtana" => Some(include_str!("virtana.yaml")),
        _ => None,
    }
}

/// The preset with its vendor's own URL, parsed once.
#[must_use]
pub fn definition(_name: &str) -> Option<Arc<Definition>> {
    todo!()
}
