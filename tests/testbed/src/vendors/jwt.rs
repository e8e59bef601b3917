//! JSON Web Tokens (RFC 7519) as the fakes sign and check them.
//!
//! The signature is always HMAC-SHA256, whatever the header says: nobody but the fake that signed checks it.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// The key with which one fake signs; a new fake has a new key.
pub struct SigningKey(hmac::Key);

/// What a token's header looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `{"alg":"HS256","typ":"JWT"}`.
    Hs256,
    /// As a user pool signs: `kid` and `alg: RS256`.
    Rs256,
    /// As `Hs256`, with `+/=` at the end of the signature: in a URL path such a token must be percent-encoded.
    UrlUnsafe,
}

const UNSAFE_TAIL: &str = "+/=";

impl SigningKey {
    pub(super) fn generate() -> Self {
        let generated = hmac::Key::generate(hmac::HMAC_SHA256, &aws_lc_rs::rand::SystemRandom::new());
        Self(generated.expect("invariant: the system has randomness"))
    }

    /// `claims` as a signed token.
    pub fn sign(&self, shape: Shape, claims: &Value) -> String {
        let header = match shape {
            Shape::Hs256 | Shape::UrlUnsafe => json!({"alg": "HS256", "typ": "JWT"}),
            Shape::Rs256 => json!({"kid": "testbed", "alg": "RS256"}),
        };
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = encode(hmac::sign(&self.0, signed.as_bytes()));
        let tail = if shape == Shape::UrlUnsafe { UNSAFE_TAIL } else { "" };
        format!("{signed}.{signature}{tail}")
    }

    /// The claims of a token that this key signed, expired or not.
    pub fn verify(&self, token: &str) -> Result<Value, &'static str> {
        let token = token.strip_suffix(UNSAFE_TAIL).unwrap_or(token);
        let (signed, signature) = token.rsplit_once('.').ok_or("not a JWT")?;
        let (_, claims) = signed.split_once('.').ok_or("not a JWT")?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "not a JWT")?;
        hmac::verify(&self.0, signed.as_bytes(), &signature).map_err(|_| "the signature is not ours")?;
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| "not a JWT")?;
        serde_json::from_slice(&claims).map_err(|_| "not a JWT")
    }
}

/// A token that tells nothing: five parts, as an encrypted token (JWE, RFC 7516) has.
pub(super) fn opaque(serial: u64) -> String {
    let header = encode(r#"{"cty":"JWT","enc":"A256GCM","alg":"RSA-OAEP"}"#);
    let part = |length: usize| encode(random(length));
    format!("{header}.{}.{}.{}.{}", part(64), part(12), encode(format!("{serial:0>64}")), part(16))
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    aws_lc_rs::rand::fill(&mut bytes).expect("invariant: the system has randomness");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_a_changed_one_is_refused() {
        let key = SigningKey::generate();
        for shape in [Shape::Hs256, Shape::Rs256, Shape::UrlUnsafe] {
            let token = key.sign(shape, &json!({"sub": "a"}));
            assert_eq!(key.verify(&token).unwrap()["sub"], "a");
            let forged = token.replacen(&encode(r#"{"sub":"a"}"#), &encode(r#"{"sub":"b"}"#), 1);
            assert_eq!(key.verify(&forged), Err("the signature is not ours"));
        }
    }

    #[test]
    fn a_token_of_another_key_is_refused() {
        let token = SigningKey::generate().sign(Shape::Hs256, &json!({}));
        assert_eq!(SigningKey::generate().verify(&token), Err("the signature is not ours"));
    }

    #[test]
    fn an_opaque_token_has_five_parts_and_is_never_the_same() {
        assert_eq!(opaque(1).split('.').count(), 5);
        assert_ne!(opaque(1), opaque(1));
    }
}
