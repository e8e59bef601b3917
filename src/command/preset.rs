//! `apitoken-operator preset [NAME]`: which presets there are, and one of them as a provider of one's own.
//!
//! A preset has no switches: who needs a variant prints it, edits it and applies it.

use crate::provider::presets;

/// A name that no preset has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no preset {name:?}: there are {}", presets::names().join(", "))]
pub struct UnknownPreset {
    name: String,
}

/// Without a name, a line for each preset; with one, the manifest of a `ClusterTokenProvider` with the preset's `http`.
///
/// # Errors
/// If no preset has this name.
pub fn run(name: Option<&str>) -> Result<String, UnknownPreset> {
    match name {
        None => Ok(presets::names().iter().filter_map(|name| line(name)).collect()),
        Some(name) => manifest(name).ok_or_else(|| UnknownPreset { name: name.to_owned() }),
    }
}

/// Name, URL, and what the preset's own first line says.
fn line(name: &str) -> Option<String> {
    let url = presets::spec(name)?.url.as_deref().unwrap_or_default();
    let about = presets::source(name)?
        .lines()
        .next()?
        .split_once(": ")
        .map_or("", |(_, about)| about);
    Some(format!("{name:<9}{url:<36}{about}\n"))
}

fn manifest(name: &str) -> Option<String> {
    let spec: String = presets::source(name)?
        .lines()
        .map(|line| format!("  {line}\n"))
        .collect();
    let lower = name.to_lowercase();
    Some(format!(
        "# The preset {name} as a provider of your own: edit it, then `kubectl apply -f` it.\n\
         apiVersion: apitoken.dev/v1alpha1\n\
         kind: ClusterTokenProvider\n\
         metadata:\n  name: {lower}\n\
         spec:\n{spec}"
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{api::ClusterTokenProvider, provider::validate};

    #[test]
    fn the_list_has_a_line_for_each_preset() {
        let list = run(None).unwrap();
        assert_eq!(list.lines().count(), 3);
        assert!(
            list.starts_with("Palette  https://api.spectrocloud.com        e-mail and password"),
            "{list}"
        );
    }

    #[test]
    fn a_printed_preset_is_the_preset() {
        for name in presets::names() {
            let manifest = run(Some(name)).unwrap();
            let provider: ClusterTokenProvider = serde_saphyr::from_str(&manifest).unwrap();
            assert_eq!(provider.metadata.name, Some(name.to_lowercase()));
            let printed = validate::compile(&provider.spec.definition).unwrap();
            let preset = presets::definition(name).unwrap();
            assert_eq!(printed, *preset);
            assert_eq!(
                printed.fingerprint(&BTreeMap::new()),
                preset.fingerprint(&BTreeMap::new())
            );
        }
    }

    #[test]
    fn an_unknown_preset_is_answered_with_the_known_ones() {
        let error = run(Some("palette")).unwrap_err().to_string();
        assert_eq!(
            error,
            "there is no preset \"palette\": there are Palette, Tenovos, Virtana"
        );
    }
}
