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
    /// `None` where each customer has a URL of his own.
    definition: Option<Arc<Definition>>,
}

/// The three that have a vendor of their own in the tests come first; the others by name.
const SOURCES: &[(&str, &str)] = &[
    ("Palette", include_str!("palette.yaml")),
    ("Tenovos", include_str!("tenovos.yaml")),
    ("Virtana", include_str!("virtana.yaml")),
    ("ArgoCD", include_str!("argocd.yaml")),
    ("Auth0", include_str!("auth0.yaml")),
    ("CrowdStrike", include_str!("crowdstrike.yaml")),
    ("Databricks", include_str!("databricks.yaml")),
    ("Entra", include_str!("entra.yaml")),
    ("Jamf", include_str!("jamf.yaml")),
    ("JamfClient", include_str!("jamfclient.yaml")),
    ("Keycloak", include_str!("keycloak.yaml")),
    ("Keystone", include_str!("keystone.yaml")),
    ("Okta", include_str!("okta.yaml")),
    ("Proxmox", include_str!("proxmox.yaml")),
    ("Salesforce", include_str!("salesforce.yaml")),
    ("VCenter", include_str!("vcenter.yaml")),
    ("Vault", include_str!("vault.yaml")),
    ("Zoom", include_str!("zoom.yaml")),
];

static PRESETS: LazyLock<Vec<Preset>> = LazyLock::new(|| {
    let preset = |&(name, source): &(&'static str, &'static str)| {
        let spec: TokenProviderSpec = serde_saphyr::from_str(source).expect("invariant: a test reads every preset");
        let compiled = || form::compile(&spec, http(&spec)).expect("invariant: a test compiles every preset");
        let definition = spec.url.is_some().then(|| Arc::new(compiled()));
        Preset { name, source, spec, definition }
    };
    SOURCES.iter().map(preset).collect()
});

/// Names of the presets, in the order in which they are listed.
#[must_use]
pub fn names() -> Vec<&'static str> {
    SOURCES.iter().map(|(name, _)| *name).collect()
}

/// What is said of a preset that cannot be used by its name alone.
#[must_use]
pub fn unusable(name: &str) -> String {
    if find(name).is_some() {
        return needs_url(name);
    }
    unknown(name)
}

/// What is said where a URL lacks that only the customer knows.
#[must_use]
pub fn needs_url(name: &str) -> String {
    format!(
        "preset {name} has no URL of its own, since each customer has another: make a ClusterTokenProvider with \
         `preset: {name}` and `url`"
    )
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

/// The preset with its vendor's own URL; `None` where there is no such preset, or each customer has a URL of his own.
#[must_use]
pub fn definition(name: &str) -> Option<Arc<Definition>> {
    find(name).and_then(|preset| preset.definition.clone())
}

fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

fn http(spec: &TokenProviderSpec) -> &Http {
    spec.http.as_ref().expect("invariant: a test reads every preset")
}
