//! What a request may use: credentials, parameters, the session. Secret values can be looked up, but never printed.

mod fingerprint;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use secrecy::{ExposeSecret, SecretString};

use super::{definition::Definition, template::Name};

pub use fingerprint::FingerprintKey;

/// How PEM begins (RFC 7468).
const PEM: &str = "-----BEGIN ";

/// The values of the keys that a definition declares, and of no others. Empty values are absent.
#[derive(Clone, Default)]
pub struct Credentials(BTreeMap<String, SecretString>);

/// Why the credentials Secret does not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct Incomplete {
    /// Required keys that are missing or empty.
    pub missing: Vec<String>,
    /// Declared keys whose value is not UTF-8.
    pub not_utf8: Vec<String>,
}

/// What the session holds that a refresh may use.
#[derive(Clone, Copy)]
pub struct SessionValues<'a> {
    pub access_token: &'a SecretString,
    pub refresh_token: Option<&'a SecretString>,
    pub outputs: &'a BTreeMap<String, SecretString>,
}

/// All that a request may use.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    pub credentials: &'a Credentials,
    /// As [`Definition::parameters`] gave them.
    pub parameters: &'a BTreeMap<String, String>,
    /// Of the ApiToken.
    pub uid: &'a str,
    /// `None` for a login.
    pub session: Option<SessionValues<'a>>,
}

impl Credentials {
    /// Takes the declared keys out of a Secret's data.
    ///
    /// # Errors
    /// If a required key is missing or empty, or a declared one is not UTF-8.
    pub fn read<'d>(
        definition: &Definition,
        data: impl IntoIterator<Item = (&'d str, &'d [u8])>,
    ) -> Result<Self, Incomplete> {
        let keys = &definition.credentials;
        let mut values = BTreeMap::new();
        let mut not_utf8 = Vec::new();
        for (key, value) in data {
            if value.is_empty() || !keys.declares(key) {
                continue;
            }
            match std::str::from_utf8(value) {
                Ok(text) => drop(values.insert(key.to_owned(), SecretString::from(text))),
                Err(_) => not_utf8.push(key.to_owned()),
            }
        }
        let missing: Vec<_> =
            keys.required.iter().filter(|key| !values.contains_key(*key) && !not_utf8.contains(key)).cloned().collect();
        if missing.is_empty() && not_utf8.is_empty() { Ok(Self(values)) } else { Err(Incomplete { missing, not_utf8 }) }
    }

    #[must_use]
    pub fn get(&self, key: &str) -> Option<&SecretString> {
        self.0.get(key)
    }

    /// Keys whose value ends in a newline or a blank: the commonest mistake, worth a hint when a login is refused.
    /// PEM ends in a newline as it should.
    #[must_use]
    pub fn trailing_whitespace_keys(&self) -> Vec<&str> {
        let blank = |value: &str| value.ends_with(char::is_whitespace) && !value.starts_with(PEM);
        self.0.iter().filter(|(_, value)| blank(value.expose_secret())).map(|(key, _)| key.as_str()).collect()
    }

    /// Keyed hash over the values of all declared keys.
    #[must_use]
    pub fn fingerprint(&self, key: &FingerprintKey) -> String {
        key.hash(self.0.iter())
    }

    /// Keyed hash over the values of these keys only: has anything changed that a refresh uses?
    #[must_use]
    pub fn fingerprint_of(&self, key: &FingerprintKey, keys: &BTreeSet<String>) -> String {
        key.hash(self.0.iter().filter(|(name, _)| keys.contains(*name)))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Incomplete {
    fn sentence(&self) -> String {
        let list = |keys: &[String]| keys.join(", ");
        let mut parts = Vec::new();
        if !self.missing.is_empty() {
            parts.push(format!("lacks {}: add the key with a value that is not empty", list(&self.missing)));
        }
        if !self.not_utf8.is_empty() {
            parts.push(format!("holds bytes that are not UTF-8 text under {}: write it as text", list(&self.not_utf8)));
        }
        format!("the credentials Secret {}", parts.join("; it "))
    }
}

impl<'a> Values<'a> {
    /// What stands for a name, if anything does. Names of an output have no value in a request.
    #[must_use]
    pub fn get(&self, name: &Name) -> Option<&'a str> {
        let secret = |value: &'a SecretString| value.expose_secret();
        match name {
            Name::Credential(key) => self.credentials.get(key).map(secret),
            Name::Parameter(name) => self.parameters.get(name).map(String::as_str),
            Name::ApiTokenUid => Some(self.uid),
            Name::SessionAccessToken => self.session.map(|session| secret(session.access_token)),
            Name::SessionRefreshToken => self.session.and_then(|session| session.refresh_token).map(secret),
            Name::SessionOutput(name) => self.session.and_then(|session| session.outputs.get(name)).map(secret),
            Name::AccessToken | Name::ExpiresAt | Name::Output(_) => None,
        }
    }
}
