//! The providers that are built in: data in the `http` form, nothing else.

use std::sync::{Arc, LazyLock};

use super::{definition::Definition, form, nearest::nearest};
use crate::api::{TokenProviderSpec, http::Http};

#[cfg(test)]
mod tests;

/// A preset, read once.
struct Preset {
    name: &'static str,
    source: &'static str,
    spec: TokenProviderSpec,
    definition: Arc<Definition>,
}

const SOURCES: &[(&str, &str)] = &[
    ("Palette", include_str!("palette.yaml")),
    ("Tenovos", include_str!("tenovos.yaml")),
    ("Virtana", include_str!("virtana.yaml")),
];

static PRESETS: LazyLock<Vec<Preset>> = LazyLock::new(|| {
    let preset = |&(name, source): &(&'static str, &'static str)| {
        let spec: TokenProviderSpec = serde_saphyr::from_str(source).expect("invariant: a test reads every preset");
        let definition = form::compile(&spec, http(&spec)).expect("invariant: a test compiles every preset");
        Preset { name, source, spec, definition: Arc::new(definition) }
    };
    SOURCES.iter().map(preset).collect()
});

/// Names of the presets, in the order in which they are listed.
#[must_use]
pub fn names() -> Vec<&'static str> {
    SOURCES.iter().map(|(name, _)| *name).collect()
}

/// What is said of a name that no preset has.
#[must_use]
pub fn unknown(name: &str) -> String {
    let known = match nearest(name, names()) {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("there are {}", names().join(", ")),
    };
    format!("{name:?} is not known: {known}")
}

/// The preset as it is written: the YAML of a provider's spec.
#[must_use]
pub fn source(name: &str) -> Option<&'static str> {
    find(name).map(|preset| preset.source)
}

/// The preset as a provider's spec, with `http`.
#[must_use]
pub fn spec(name: &str) -> Option<&'static TokenProviderSpec> {
    find(name).map(|preset| &preset.spec)
}

/// The preset with its vendor's own URL.
#[must_use]
pub fn definition(name: &str) -> Option<Arc<Definition>> {
    find(name).map(|preset| Arc::clone(&preset.definition))
}

fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

fn http(spec: &TokenProviderSpec) -> &Http {
    spec.http.as_ref().expect("invariant: a test reads every preset")
}
