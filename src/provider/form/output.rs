//! `output.data`, a provider's or an ApiToken's own.

use std::collections::BTreeMap;

use super::scope::Scope;
use crate::provider::{problem::Problems, template::Template};

/// Longest key of a Secret.
const LONGEST_KEY: usize = 253;

/// What an output holds when nobody says otherwise.
pub(super) fn default_data() -> BTreeMap<String, String> {
    BTreeMap::from([("token".to_owned(), "${accessToken}".to_owned())])
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
