//! The grant whose credentials hold a refresh token: logging in is presenting that.

use super::Definition;
use crate::api::http::Reuse;

/// A refresh token that somebody obtained by consent and put into the credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// Its key in the credentials Secret.
    pub key: String,
    /// May it be presented twice?
    pub reuse: Reuse,
}

impl Definition {
    /// The key of the credentials whose value may be presented once, by one ApiToken, and never again.
    #[must_use]
    pub fn one_time_seed(&self) -> Option<&str> {
        self.seed.as_ref().filter(|seed| seed.reuse == Reuse::OneTime).map(|seed| seed.key.as_str())
    }
}
