//! How a client shows who it is: what it is registered with, what it presents, and whether the two agree.

use std::collections::BTreeMap;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::{
    inspect::Inspection,
    message::{Request, percent_decode},
    oauth::{OAuthQuirks, TOKEN_PATH},
    vendor::Counter,
};

const CLIENT_ASSERTION_JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// No assertion may be good for longer, in seconds.
const LONGEST: i64 = 300;

/// How the clients of a server authenticate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registered {
    /// HTTP basic authentication, both halves form-urlencoded (RFC 6749, 2.3.1).
    Basic,
    /// The same by a server that does not decode them.
    RawBasic,
    /// `client_id` and `client_secret` as form fields.
    Body,
    /// Assertions signed with ES256; the public key as a point on P-256 (RFC 7523).
    Key(Vec<u8>),
    /// The certificate that a client shows, as DER, and its id (RFC 8705).
    Certificate(Vec<u8>),
    /// A certificate of its own for each client, by its id.
    Certificates(BTreeMap<String, Vec<u8>>),
    /// Public clients: an id and nothing else.
    Public,
}

/// What a request presents.
pub enum Presented {
    /// `written`: both as they stand in the header.
    Basic {
        id: String,
        secret: String,
        written: (String, String),
    },
    Body {
        id: String,
        secret: String,
    },
    Assertion {
        jwt: String,
    },
    IdOnly {
        id: String,
        certificate: Option<Bytes>,
    },
    Nothing,
}

impl Presented {
    /// Takes what belongs to it out of the fields. `None`: more than one way at once, or a broken one.
    pub(super) fn take(
        request: &Request,
        fields: &mut BTreeMap<String, String>,
        inspection: &mut Inspection,
    ) -> Option<Self> {
        let id = fields.remove("client_id");
        let secret = fields.remove("client_secret");
        let jwt = fields.remove("client_assertion");
        let kind = fields.remove("client_assertion_type");
        if jwt.is_some() != (kind.as_deref() == Some(CLIENT_ASSERTION_JWT_BEARER)) {
            return inspection.give_up("client_assertion and client_assertion_type do not belong together");
        }
        match (request.header("authorization"), id, secret, jwt) {
            (Some(header), None, None, None) => basic(header).or_else(|| inspection.give_up("a broken Basic header")),
            (None, Some(id), Some(secret), None) => Some(Self::Body { id, secret }),
            (None, None, None, Some(jwt)) => Some(Self::Assertion { jwt }),
            (None, Some(id), None, None) => Some(Self::IdOnly { id, certificate: request.client_certificate.clone() }),
            (None, None, None, None) => Some(Self::Nothing),
            _ => inspection.give_up("a client authenticates in more than one way at once"),
        }
    }

    pub(super) fn id(&self) -> Option<String> {
        match self {
            Self::Basic { id, .. } | Self::Body { id, .. } | Self::IdOnly { id, .. } => Some(id.clone()),
            Self::Assertion { jwt } => Some(claims(jwt)?["sub"].as_str()?.to_owned()),
            Self::Nothing => None,
        }
    }

    /// The client's id, or why it is none of ours.
    pub(super) fn admit(&self, counter: &mut Counter<'_, OAuthQuirks>) -> Result<String, &'static str> {
        let lockout = counter.script.lockout_after;
        match (self, &counter.script.quirks.registered) {
            (Self::Basic { id, secret, .. }, Registered::Basic)
            | (Self::Basic { written: (id, secret), .. }, Registered::RawBasic)
            | (Self::Body { id, secret }, Registered::Body) => {
                counter.accounts.admit(id, secret, lockout).map(|()| id.clone())
            }
            (Self::Assertion { jwt }, Registered::Key(public)) => {
                let id = verified(jwt, public, counter.now)?;
                counter.accounts.get(&id).map(|_| id).ok_or("no such client")
            }
            (Self::IdOnly { id, certificate: Some(shown) }, Registered::Certificate(registered)) => {
                if shown != registered {
                    return Err("the certificate is another's");
                }
                counter.accounts.get(id).map(|_| id.clone()).ok_or("no such client")
            }
            (Self::IdOnly { id, certificate: Some(shown) }, Registered::Certificates(registered)) => {
                if registered.get(id).is_none_or(|own| shown != own) {
                    return Err("the certificate is another's");
                }
                counter.accounts.get(id).map(|_| id.clone()).ok_or("no such client")
            }
            (Self::IdOnly { id, .. }, Registered::Public) => {
                counter.accounts.get(id).map(|_| id.clone()).ok_or("no such client")
            }
            _ => Err("the client authenticates in another way than it is registered with"),
        }
    }
}

/// The subject of an assertion that this key has signed for this server, of this minute.
pub(super) fn verified(jwt: &str, public: &[u8], now: Timestamp) -> Result<String, &'static str> {
    let (signed, signature) = jwt.rsplit_once('.').ok_or("not a JWT")?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "not a JWT")?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public)
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| "the signature is another's")?;
    let claims = claims(jwt).ok_or("not a JWT")?;
    let number = |name: &str| claims[name].as_i64().ok_or("a time is missing");
    let (issued, expires, now) = (number("iat")?, number("exp")?, now.as_second());
    if issued > now || expires <= now || expires > now + LONGEST {
        return Err("the assertion is of another time");
    }
    if !claims["aud"].as_str().is_some_and(|audience| audience.ends_with(TOKEN_PATH)) {
        return Err("the assertion is for somebody else");
    }
    if claims["jti"].as_str().is_none_or(str::is_empty) {
        return Err("the assertion has no jti");
    }
    claims["sub"].as_str().map(str::to_owned).ok_or("the assertion has no subject")
}

fn claims(jwt: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1)?).ok()?).ok()
}

fn basic(header: &str) -> Option<Presented> {
    let joined = STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
    let joined = String::from_utf8(joined).ok()?;
    let (id, secret) = joined.split_once(':')?;
    let written = (id.to_owned(), secret.to_owned());
    Some(Presented::Basic { id: percent_decode(id, true)?, secret: percent_decode(secret, true)?, written })
}
