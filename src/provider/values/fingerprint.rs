//! The keyed hash that tells whether credentials changed, without keeping them.

use std::fmt;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

/// Says what is hashed, so that no other use of the key can ever yield the same bytes.
const DOMAIN: &[u8] = b"apitoken.dev/credentials/v1";
/// Bytes of the hash that are kept: 128 bits.
const KEPT: usize = 16;

/// The operator's own key, 32 random bytes. Cannot be printed.
#[derive(Clone)]
pub struct FingerprintKey(hmac::Key);

impl FingerprintKey {
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// Each field has its length before it, so that no two sets of values are the same bytes.
    pub(super) fn hash<'v>(&self, values: impl Iterator<Item = (&'v String, &'v SecretString)>) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        let mut field = |bytes: &[u8]| {
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        };
        field(DOMAIN);
        for (key, value) in values {
            field(key.as_bytes());
            field(value.expose_secret().as_bytes());
        }
        URL_SAFE_NO_PAD.encode(&context.sign().as_ref()[..KEPT])
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintKey")
    }
}
