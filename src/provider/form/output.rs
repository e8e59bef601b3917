//! `output.data`, a provider's or an ApiToken's own.

use std::collections::BTreeMap;

use super::scope::{Scope, Stage};
use crate::{
    api::provider::ProviderOutput,
    provider::{problem::Problems, template::Template},
};

/// Longest key of a Secret.
const LONGEST_KEY: usize = 253;

/// What an output of this provider holds when its ApiToken does not say.
pub(in crate::provider) fn of_provider(
    problems: &mut Problems,
    scope: Scope<'_>,
    form: Option<&ProviderOutput>,
) -> BTreeMap<String, Template> {
    let default = || BTreeMap::from([("token".to_owned(), "${accessToken}".to_owned())]);
    let texts = form.map_or_else(default, |output| output.data.clone());
    data(problems, Scope { stage: Stage::Output, ..scope }, "spec.output.data", &texts)
}

pub(in crate::provider) fn data(
    problems: &mut Problems,
    scope: Scope<'_>,
    at: &str,
    data: &BTreeMap<String, String>,
) -> BTreeMap<String, Template> {
    let mut templates = BTreeMap::new();
    for (key, text) in data {
        let at = format!("{at}.{key}");
        if !is_secret_key(key) {
            problems.add(at, "is not a key of a Secret: letters, digits, `-`, `_` and `.`, at most 253");
        } else if let Some(template) = scope.template(problems, &at, text) {
            templates.insert(key.clone(), template);
        }
    }
    templates
}

/// What the API server takes as a key of a Secret's data.
pub(super) fn is_secret_key(key: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(good) && key != "." && !key.starts_with("..")
}
