//! Looks for secrets where none may stand: as they are, and as encodings make them look.
//!
//! A find names the secret by a label and shows where it was, never the secret itself. It decides nothing about what
//! may stand where.

use std::{collections::BTreeMap, fmt};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// Shorter ones would be found in innocent text.
const SHORTEST: usize = 8;

/// The secrets that are looked for.
#[derive(Clone, Debug, Default)]
pub struct Canaries {
    /// What to look for, and what that is.
    needles: BTreeMap<String, Sighting>,
}

/// Which secret, in which form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub label: String,
    pub form: &'static str,
}

/// A secret where it must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// Where it was looked for.
    pub place: String,
    pub what: Sighting,
    /// From 1.
    pub line: usize,
}

// === impl Canaries ===

impl Canaries {
    /// Adds a secret. Of a JWT its claims and its signature are looked for alone, too.
    ///
    /// # Panics
    /// It is so short that it would be found by chance.
    pub fn add(&mut self, label: &str, secret: &str) {
        assert!(secret.len() >= SHORTEST, "the canary {label:?} is too short to be told from other text");
        let mut add = |form, text: String| {
            let found = Sighting { label: label.to_owned(), form };
            if text.len() >= SHORTEST {
                self.needles.entry(text).or_insert(found);
            }
        };
        let bytes = secret.as_bytes();
        add("as it is", secret.to_owned());
        add("JSON", escaped(secret));
        add("debug", format!("{secret:?}").trim_matches('"').to_owned());
        add("bytes", bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", "));
        add("hex", bytes.iter().map(|byte| format!("{byte:02x}")).collect());
        add("HEX", bytes.iter().map(|byte| format!("{byte:02X}")).collect());
        add("percent", percent(secret, "-._~", "%20"));
        add("form", percent(secret, "-._*", "+"));
        add("query", percent(secret, "-._~!$'()*,;:@/?", "%20"));
        for offset in 0..3 {
            add("base64", inner_base64(&STANDARD_NO_PAD, secret, offset));
            add("base64url", inner_base64(&URL_SAFE_NO_PAD, secret, offset));
        }
        let parts: Vec<_> = secret.split('.').collect();
        if parts.len() == 3 && secret.starts_with("eyJ") {
            add("claims", parts[1].to_owned());
            add("signature", parts[2].to_owned());
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// All secrets in the text, each form once.
    #[must_use]
    pub fn find(&self, place: &str, text: &str) -> Vec<Leak> {
        let found = self.needles.iter().filter_map(|(needle, what)| {
            let at = text.find(needle.as_str())?;
            let line = text[..at].matches('\n').count() + 1;
            Some(Leak { place: place.to_owned(), what: what.clone(), line })
        });
        found.collect()
    }
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sighting { label, form } = &self.what;
        write!(f, "{label} ({form}) in {}, line {}", self.place, self.line)
    }
}

fn escaped(text: &str) -> String {
    serde_json::Value::from(text).to_string().trim_matches('"').to_owned()
}

fn percent(text: &str, plain: &str, space: &str) -> String {
    let encode = |byte: u8| match byte {
        b' ' => space.to_owned(),
        _ if byte.is_ascii_alphanumeric() || plain.as_bytes().contains(&byte) => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// The characters that depend on the secret alone when it stands `offset` bytes behind a boundary of three.
fn inner_base64(engine: &impl Engine, secret: &str, offset: usize) -> String {
    let encoded = engine.encode([&vec![0; offset], secret.as_bytes()].concat());
    let whole = (offset + secret.len()) * 8 / 6;
    encoded[(offset * 8).div_ceil(6)..whole].to_owned()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const SECRET: &str = "c4n4ry/Zq=&% \"ä\"+1";

    fn canaries() -> Canaries {
        let mut canaries = Canaries::default();
        canaries.add("the password", SECRET);
        canaries
    }

    #[test]
    fn a_planted_secret_is_found_however_it_was_encoded() {
        let url = reqwest::Url::parse_with_params("https://vendor.example/", [("password", SECRET)]).unwrap();
        let plants = [
            format!("login with {SECRET} failed"),
            serde_json::json!({ "password": SECRET }).to_string(),
            format!("{:?}", Some(SECRET)),
            format!("{:?}", SECRET.as_bytes()),
            url.to_string(),
            STANDARD.encode(SECRET),
            STANDARD.encode(format!("user:{SECRET}")),
            STANDARD.encode(format!("a:{SECRET}:b")),
            URL_SAFE_NO_PAD.encode(format!("ab:{SECRET}:b")),
            SECRET.bytes().map(|byte| format!("{byte:02x}")).collect(),
        ];
        for plant in plants {
            assert!(!canaries().find("a log", &format!("first line\n{plant}\n")).is_empty(), "{plant}");
        }
    }

    #[test]
    fn the_claims_of_a_token_are_found_without_the_rest_of_it() {
        let mut canaries = Canaries::default();
        canaries.add("the token", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2lnbmF0dXJl");
        assert_eq!(canaries.find("a log", "header eyJhbGciOiJub25lIn0 only"), []);
        assert_eq!(canaries.find("a log", "\n{eyJzdWIiOiJhIn0}").len(), 1);
    }

    #[test]
    fn innocent_text_holds_nothing_and_a_find_does_not_tell_the_secret() {
        assert_eq!(canaries().find("a log", "login failed: the provider refused the login with HTTP 401"), []);
        let leak = canaries().find("a log", &format!("\n\n{SECRET}")).remove(0);
        assert_eq!((leak.line, leak.to_string().contains("c4n4ry")), (3, false));
    }
}
