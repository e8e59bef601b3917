//! A signed statement of OAuth 2.0 (RFC 7523), with the values still missing.

use crate::{api::oauth2::Algorithm, provider::template::Template};

/// A JWT that says who asks. Its times and its `jti` are new with each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    pub algorithm: Algorithm,
    /// `iss`
    pub issuer: Template,
    /// `sub`
    pub subject: Template,
    /// `aud`: one text, since some servers refuse a list. `None`: the token endpoint, which is not known yet.
    pub audience: Option<String>,
    /// The private key, PEM.
    pub key: Template,
    /// `kid`; left out where it has no value.
    pub key_id: Template,
}

impl Assertion {
    pub(super) fn templates(&self) -> Vec<&Template> {
        vec![&self.issuer, &self.subject, &self.key, &self.key_id]
    }
}
