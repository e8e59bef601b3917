//! `apitoken-operator preset [NAME]`: which presets there are, and one of them as a provider of one's own.
//!
//! A preset has no switches: who needs a variant prints it, edits it and applies it.

use crate::provider::presets;

/// A name that no preset has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no preset of this name: {}", presets::unknown(name))]
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
    let url = presets::spec(name)?.url.as_deref().unwrap_or("(yours)");
    let about = presets::source(name)?.lines().next()?.split_once(": ").map_or("", |(_, about)| about);
    Some(format!("{name:<13}{url:<36}{about}\n"))
}

fn manifest(name: &str) -> Option<String> {
    let spec = presets::source(name)?.trim_end().replace('\n', "\n  ");
    let lower = name.to_lowercase();
    Some(format!(
        "# The preset {name} as a provider of your own: edit it, then `kubectl apply -f` it.\n\
         apiVersion: apitoken.dev/v1alpha1\n\
         kind: ClusterTokenProvider\n\
         metadata:\n  name: {lower}\n\
         spec:\n  {spec}\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{ClusterTokenProvider, TokenProviderSpec},
        provider::validate,
    };

    #[test]
    fn the_list_has_a_line_for_each_preset() {
        let list = run(None).unwrap();
        assert_eq!(list.lines().count(), presets::names().len());
        assert!(list.starts_with("Palette      https://api.spectrocloud.com        e-mail and password"), "{list}");
        assert!(list.contains("\nVault        (yours)  "), "{list}");
    }

    #[test]
    fn a_printed_preset_is_the_preset() {
        for name in presets::names() {
            let manifest = run(Some(name)).unwrap();
            let mut provider: ClusterTokenProvider = serde_saphyr::from_str(&manifest).unwrap();
            assert_eq!(provider.metadata.name, Some(name.to_lowercase()));
            let spec = &mut provider.spec.definition;
            assert_eq!(spec, presets::spec(name).unwrap());
            spec.url.get_or_insert_with(|| "https://own.example.com".to_owned());
            let printed = validate::compile(spec).unwrap();
            let by_name = TokenProviderSpec { preset: Some(name.to_owned()), url: spec.url.clone(), ..no_spec() };
            assert_eq!(printed, validate::compile(&by_name).unwrap());
        }
    }

    fn no_spec() -> TokenProviderSpec {
        serde_saphyr::from_str("{}").unwrap()
    }

    #[test]
    fn an_unknown_preset_is_answered_with_the_known_ones() {
        let error = run(Some("palette")).unwrap_err().to_string();
        assert_eq!(error, "there is no preset of this name: \"palette\" is not known: did you mean Palette?");
    }
}
