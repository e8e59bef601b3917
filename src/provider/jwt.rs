//! The `exp` of a JWT. Read, never verified: it only says when to come back, and who lies about it harms himself.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use secrecy::zeroize::Zeroizing;

/// Longest token that is looked into, in bytes.
const LONGEST: usize = 64 * 1024;

/// When the token says that it expires: `exp` of a JWT, whole seconds, rounded down.
///
/// `None` for everything that is not a JWT, has no `exp`, or an `exp` that is no number or no time.
#[must_use]
pub fn expiry(token: &str) -> Option<Timestamp> {
    if token.len() > LONGEST {
        return None;
    }
    let mut parts = token.split('.');
    let (_header, claims, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    // RFC 7515 has no padding; some issuers pad all the same.
    let claims = Zeroizing::new(URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?);
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    let seconds = claims.exp?.floor();
    // A cast saturates, and what lies outside of the calendar is refused by the next line.
    #[expect(clippy::cast_possible_truncation)]
    Timestamp::from_second(seconds as i64).ok()
}

/// The one claim that is of use. RFC 7519 allows a fraction in a NumericDate.
#[derive(serde::Deserialize)]
struct Claims {
    exp: Option<f64>,
}
