//! The keys of the credentials that go into no request, but into the connection that it takes.

use std::collections::BTreeSet;

use super::Definition;

/// The client's certificate and those of its issuers, as PEM: a key of a Secret of type `kubernetes.io/tls`.
pub const CHAIN: &str = "tls.crt";
/// The private key of that certificate, as PEM.
pub const KEY: &str = "tls.key";

/// Both of them.
#[must_use]
pub fn keys() -> BTreeSet<String> {
    [CHAIN, KEY].map(str::to_owned).into()
}

impl Definition {
    /// The keys of the credentials that are shown in each handshake; none where no certificate stands for the client.
    pub(super) fn shown_keys(&self) -> BTreeSet<String> {
        if self.by_certificate { keys() } else { BTreeSet::new() }
    }
}
