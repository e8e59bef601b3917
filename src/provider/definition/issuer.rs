//! Who names a token endpoint.

/// An issuer of OAuth 2.0, whose metadata name its token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// As it was written: compared byte for byte.
    pub url: String,
    /// The client shows a certificate: metadata may have an endpoint of its own for that (RFC 8705, 5).
    pub by_certificate: bool,
}
