//! What an issuer says of itself (OpenID Connect Discovery 1.0, RFC 8414): where it stands, and which part counts.

use serde::Deserialize;

use super::EndpointFault;
use crate::provider::definition::{BaseUrl, Issuer};

const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";

/// Why metadata cannot be used. Repeats no text of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataFault {
    #[error("is no JSON object with an issuer: is this the issuer's address?")]
    NotMetadata,
    #[error("names another issuer: write oauth2.issuer byte for byte as the server does, a final slash included")]
    OtherIssuer,
    #[error("names no token_endpoint: write oauth2.tokenURL in place of the issuer")]
    NoEndpoint,
    #[error("names a token_endpoint that {0}")]
    Endpoint(#[from] EndpointFault),
}

/// The members that count. Made of a reply, which says what it likes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Metadata {
    pub issuer: String,
    pub token_endpoint: Option<String>,
    pub mtls_endpoint_aliases: Option<Aliases>,
}

/// Endpoints for clients that show a certificate, where they are others (RFC 8705, 5).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Aliases {
    pub token_endpoint: Option<String>,
}

/// Where metadata may stand, in the order in which it is asked for; the second only where the first is not found.
///
/// Discovery appends to the issuer's path; RFC 8414 (3.1) puts its own part before it. Both leave a final slash out.
#[must_use]
pub fn places(issuer: &BaseUrl) -> [String; 2] {
    [format!("{issuer}{OPENID}"), format!("{}{OAUTH}{}", issuer.origin(), issuer.prefix())]
}

impl Metadata {
    /// # Errors
    /// If it is none.
    pub fn read(body: &[u8]) -> Result<Self, MetadataFault> {
        serde_json::from_slice(body).map_err(|_| MetadataFault::NotMetadata)
    }

    /// The token endpoint, if this is the metadata of that very issuer: of another's nothing may be used (RFC 8414, 3.3).
    ///
    /// # Errors
    /// If it is another's, or names no token endpoint.
    pub fn token_endpoint(self, issuer: &Issuer) -> Result<String, MetadataFault> {
        if self.issuer != issuer.url {
            return Err(MetadataFault::OtherIssuer);
        }
        let alias = self.mtls_endpoint_aliases.and_then(|aliases| aliases.token_endpoint);
        alias.filter(|_| issuer.by_certificate).or(self.token_endpoint).ok_or(MetadataFault::NoEndpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_stands_behind_the_issuer_or_before_its_path() {
        let table = [
            ("https://a.example", "https://a.example", ""),
            ("https://a.example/", "https://a.example", ""),
            ("https://a.example:8443/realms/main/", "https://a.example:8443", "/realms/main"),
        ];
        for (issuer, origin, path) in table {
            let expected = [format!("{origin}{path}{OPENID}"), format!("{origin}{OAUTH}{path}")];
            assert_eq!(places(&issuer.parse().unwrap()), expected, "{issuer}");
        }
    }

    #[test]
    fn metadata_counts_only_if_it_names_the_very_issuer() {
        let issuer = Issuer { url: "https://a.example/".to_owned(), by_certificate: false };
        let told = "https://b.example/t";
        let table = [
            (r#"{"issuer":"https://a.example/","token_endpoint":"https://b.example/t"}"#, Ok(told.to_owned())),
            (
                r#"{"issuer":"https://a.example","token_endpoint":"https://b.example/t"}"#,
                Err(MetadataFault::OtherIssuer),
            ),
            (
                r#"{"issuer":"https://A.example/","token_endpoint":"https://b.example/t"}"#,
                Err(MetadataFault::OtherIssuer),
            ),
            (r#"{"issuer":"https://a.example/"}"#, Err(MetadataFault::NoEndpoint)),
            (r#"{"issuer":"https://a.example/","token_endpoint":null}"#, Err(MetadataFault::NoEndpoint)),
            (r#"{"token_endpoint":"https://b.example/t"}"#, Err(MetadataFault::NotMetadata)),
            (r#"{"issuer":"https://a.example/","token_endpoint":7}"#, Err(MetadataFault::NotMetadata)),
            ("<html>", Err(MetadataFault::NotMetadata)),
        ];
        for (metadata, expected) in table {
            let found = Metadata::read(metadata.as_bytes()).and_then(|it| it.token_endpoint(&issuer));
            assert_eq!(found, expected, "{metadata}");
        }
    }
    #[test]
    fn a_client_that_shows_a_certificate_goes_where_the_metadata_want_that() {
        let both = r#"{"issuer":"https://a.example","token_endpoint":"https://a.example/t",
            "mtls_endpoint_aliases":{"token_endpoint":"https://mtls.a.example/t"}}"#;
        let one = r#"{"issuer":"https://a.example","token_endpoint":"https://a.example/t","mtls_endpoint_aliases":{}}"#;
        let endpoint = |metadata: &str, by_certificate| {
            let issuer = Issuer { url: "https://a.example".to_owned(), by_certificate };
            Metadata::read(metadata.as_bytes()).unwrap().token_endpoint(&issuer).unwrap()
        };
        assert_eq!(endpoint(both, true), "https://mtls.a.example/t");
        assert_eq!(endpoint(both, false), "https://a.example/t");
        assert_eq!(endpoint(one, true), "https://a.example/t");
    }
}
