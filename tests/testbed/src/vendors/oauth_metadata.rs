//! What a server of OAuth 2.0 publishes of itself (OpenID Connect Discovery 1.0, RFC 8414), as truthful as it is told to
//! be.

use http::Method;
use serde_json::json;

use super::{
    history::Operation,
    inspect::Inspection,
    message::{Reply, Request},
    oauth::{Ask, OAuthApi, OAuthQuirks, TOKEN_PATH},
    vendor::{Counter, Misread, Outcome, Vendor},
};

/// The path of the issuer: the two places differ by it.
pub(super) const ISSUER_PATH: &str = "/realms/main";
const OPENID: &str = "/realms/main/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server/realms/main";

/// Where metadata stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Behind the issuer.
    OpenId,
    /// Before its path (RFC 8414, 3.1).
    OAuth,
}

/// What the metadata says.
#[derive(Clone, Debug)]
pub struct Published {
    pub place: Place,
    /// Behind its own address.
    pub issuer_path: String,
    /// Where tokens are given, and where else nothing is.
    pub token_path: String,
    /// That place is named for clients with a certificate only (RFC 8705, 5); for others one where nothing is.
    pub for_certificates: bool,
    /// A URL to be named as the token endpoint, though it is none.
    pub lie: Option<String>,
}

/// A request for metadata.
pub struct AskedFor {
    place: Place,
    /// As the client addresses the server.
    host: String,
}

impl Default for Published {
    fn default() -> Self {
        let (issuer_path, token_path) = (ISSUER_PATH.to_owned(), TOKEN_PATH.to_owned());
        Self { place: Place::OpenId, issuer_path, token_path, for_certificates: false, lie: None }
    }
}

/// `None`: the request is for something else.
pub(super) fn read(request: &Request, inspection: &mut Inspection) -> Option<Result<Ask, Misread>> {
    let place = match request.path.as_str() {
        OPENID => Place::OpenId,
        OAUTH => Place::OAuth,
        _ => return None,
    };
    inspection.headers(request, &[]);
    inspection.query(request, &[]);
    inspection.no_body(request);
    if request.method != Method::GET {
        inspection.note("metadata is read by GET");
        return Some(Err(Misread { operation: Operation::Metadata, reply: OAuthApi::error(405, "invalid_request") }));
    }
    let host = request.header("host").unwrap_or_default().to_owned();
    Some(Ok(Ask::Metadata(AskedFor { place, host })))
}

pub(super) fn answer(asked: &AskedFor, counter: &Counter<'_, OAuthQuirks>) -> Outcome {
    let published = &counter.script.quirks.published;
    if asked.place != published.place {
        return Outcome::refused(Reply::text(404, "not found"), "the metadata stands elsewhere");
    }
    let own = format!("https://{}", asked.host);
    let endpoint = published.lie.clone().unwrap_or_else(|| format!("{own}{}", published.token_path));
    let mut metadata = json!({
        "issuer": format!("{own}{}", published.issuer_path),
        "token_endpoint": endpoint,
        "authorization_endpoint": format!("{own}/oauth2/auth"),
        "response_types_supported": ["code"],
    });
    if published.for_certificates {
        metadata["mtls_endpoint_aliases"] = json!({ "token_endpoint": endpoint });
        metadata["token_endpoint"] = json!(format!("{own}/oauth2/nothing"));
    }
    Outcome::new(Reply::json(200, &metadata))
}
