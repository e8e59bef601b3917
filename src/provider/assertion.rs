//! Signs a statement of OAuth 2.0 (RFC 7523): a JWT that lives for a minute.
//!
//! Time and `jti` are arguments. What a signature needs of chance (PSS, ECDSA) the library takes for itself; it decides
//! nothing that a server could see.

use aws_lc_rs::{
    digest::{SHA256, digest},
    rsa::KeyPair as RsaKeyPair,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value as Json};

use crate::api::oauth2::Algorithm;

/// How long an assertion can be used, in seconds. Servers refuse those that live for long.
const LIFETIME: i64 = 60;
/// How far back it says that it was made, in seconds: a server whose clock is behind refuses what comes from the
/// future.
const BACKDATED: i64 = 10;

/// What an assertion says.
pub struct Claims<'a> {
    pub issuer: &'a str,
    pub subject: &'a str,
    pub audience: &'a str,
    pub key_id: Option<&'a str>,
    /// `jti`: never the same twice.
    pub id: &'a str,
    pub now: Timestamp,
}

/// Why a key cannot sign. Names no byte of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableKey {
    #[error("holds no PEM private key: it must be PKCS#8, PKCS#1 or SEC1, and not encrypted")]
    NoKey,
    #[error("is no RSA key of 2048 to 8192 bits, which algorithm {0:?} signs with")]
    NotRsa(Algorithm),
    #[error("is no EC key on the curve P-256, which algorithm ES256 signs with")]
    NotP256,
    #[error("does not sign: is the key damaged?")]
    Unsigned,
}

/// The assertion as it is sent.
///
/// # Errors
/// If the PEM text holds no key that signs with this algorithm.
pub fn sign(algorithm: Algorithm, pem: &SecretString, claims: &Claims<'_>) -> Result<SecretString, UnusableKey> {
    let header = header(algorithm, claims.key_id);
    let mut token =
        [header, claims.json()].map(|part| URL_SAFE_NO_PAD.encode(Json::Object(part).to_string())).join(".");
    let signature = signature(algorithm, pem, token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token.into())
}

impl Claims<'_> {
    fn json(&self) -> Map<String, Json> {
        let now = self.now.as_second();
        [
            ("iss", Json::from(self.issuer)),
            ("sub", Json::from(self.subject)),
            ("aud", Json::from(self.audience)),
            ("jti", Json::from(self.id)),
            ("iat", Json::from(now - BACKDATED)),
            ("exp", Json::from(now + LIFETIME)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
    }
}

fn header(algorithm: Algorithm, key_id: Option<&str>) -> Map<String, Json> {
    let pairs = [("alg", Some(format!("{algorithm:?}"))), ("typ", Some("JWT".into())), ("kid", key_id.map(Into::into))];
    pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Json::from(value?)))).collect()
}

fn signature(algorithm: Algorithm, pem: &SecretString, message: &[u8]) -> Result<Vec<u8>, UnusableKey> {
    let key = PrivateKeyDer::from_pem_slice(pem.expose_secret().as_bytes()).map_err(|_| UnusableKey::NoKey)?;
    match algorithm {
        Algorithm::RS256 => by_rsa(&RSA_PKCS1_SHA256, &key, message, algorithm),
        Algorithm::PS256 => by_rsa(&RSA_PSS_SHA256, &key, message, algorithm),
        Algorithm::ES256 => by_p256(&key, message),
    }
}

fn by_rsa(
    encoding: &'static dyn RsaEncoding,
    key: &PrivateKeyDer<'_>,
    message: &[u8],
    algorithm: Algorithm,
) -> Result<Vec<u8>, UnusableKey> {
    let pair = match key {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err(UnusableKey::NotRsa(algorithm)),
    };
    let pair = pair.map_err(|_| UnusableKey::NotRsa(algorithm))?;
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign_digest(encoding, &digest(&SHA256, message), &mut signature).map_err(|_| UnusableKey::Unsigned)?;
    Ok(signature)
}

fn by_p256(key: &PrivateKeyDer<'_>, message: &[u8]) -> Result<Vec<u8>, UnusableKey> {
    let pair = match key {
        PrivateKeyDer::Pkcs8(der) => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der()),
        PrivateKeyDer::Sec1(der) => {
            EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_sec1_der())
        }
        _ => return Err(UnusableKey::NotP256),
    };
    let pair = pair.map_err(|_| UnusableKey::NotP256)?;
    let signature = pair.sign_digest(&digest(&SHA256, message)).map_err(|_| UnusableKey::Unsigned)?;
    Ok(signature.as_ref().to_vec())
}

#[cfg(test)]
mod tests;
