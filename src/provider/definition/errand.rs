//! Requests about a token that bring none.

use std::{collections::BTreeSet, time::Duration};

use super::{BaseUrl, Condition, RequestForm};
use crate::provider::template::Name;

/// A request that shows whether a token is still good.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// With `oauth2` not always the token endpoint's.
    pub base: BaseUrl,
    pub request: RequestForm,
    pub interval: Duration,
    /// Any of these refuses the token; every other reply proves nothing.
    pub refused: Vec<RefusedReply>,
}

/// A reply that refuses a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedReply {
    /// Empty: any.
    pub status: Vec<u16>,
    pub condition: Option<Condition>,
}

/// A request that revokes a token.
#[derive(Clone, Debug, PartialEq)]
pub struct Revoke {
    /// As with a probe.
    pub base: BaseUrl,
    pub request: RequestForm,
}

impl Revoke {
    /// The outputs of the session that it names.
    #[must_use]
    pub fn outputs(&self) -> BTreeSet<&str> {
        let names = self.request.names().into_iter();
        names
            .filter_map(|name| if let Name::SessionOutput(output) = name { Some(output.as_str()) } else { None })
            .collect()
    }
}

impl RequestForm {
    /// Whether it names any key of the credentials.
    #[must_use]
    pub fn uses_credentials(&self) -> bool {
        self.names().iter().any(|name| matches!(name, Name::Credential(_)))
    }
}
