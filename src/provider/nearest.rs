//! What people meant when they wrote a name that does not exist: the nearest of those that do, or none.

/// The nearest of `known` to what was written, unless it is so far off that naming it would only confuse. The same
/// letters in another case, or with `_` and `-` in between, are nearest of all.
#[must_use]
pub fn nearest<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let plain = plain(written);
    // A third of the letters may be wrong: of `pasword` one, of `usr` one, of `a` none.
    let most = plain.chars().count().div_ceil(3).min(4);
    let distance = |name: &'k str| (strsim::osa_distance(&plain, &self::plain(name)), name);
    let (distance, name) = known.into_iter().filter(|name| *name != written).map(distance).min()?;
    (distance <= most && distance < plain.chars().count()).then_some(name)
}

/// `; did you mean NAME?`, or nothing. `quote` makes the name what a person would type.
#[must_use]
pub fn did_you_mean<'k>(
    written: &str,
    known: impl IntoIterator<Item = &'k str>,
    quote: impl Fn(&str) -> String,
) -> String {
    nearest(written, known).map(|name| format!("; did you mean {}?", quote(name))).unwrap_or_default()
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let known = ["username", "password", "apiKey", "org"];
        for (written, meant) in [
            ("pasword", Some("password")),
            ("user_name", Some("username")),
            ("API-KEY", Some("apiKey")),
            ("orgg", Some("org")),
            ("passwrod", Some("password")),
            ("tenant", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, known), meant, "{written}");
        }
    }

    #[test]
    fn a_name_is_not_suggested_for_itself() {
        assert_eq!(nearest("org", ["org"]), None);
    }
}
