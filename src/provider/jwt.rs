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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::provider::fixtures::{at, jwt};

    #[test]
    fn the_expiry_of_a_jwt_is_read_and_of_all_else_is_not() {
        let table = [
            (jwt(r#"{"exp":1760000000}"#), Some("2025-10-09T08:53:20Z")),
            (jwt(r#"{"exp":1760000000.9}"#), Some("2025-10-09T08:53:20Z")),
            (format!("{}==", jwt(r#"{"exp":1760000000}"#)), Some("2025-10-09T08:53:20Z")),
            (jwt(r#"{"exp":0}"#), Some("1970-01-01T00:00:00Z")),
            (jwt(r#"{"exp":1e300}"#), None),
            (jwt(r#"{"exp":"1760000000"}"#), None),
            (jwt(r#"{"exp":null}"#), None),
            (jwt(r#"{"iat":1760000000}"#), None),
            (jwt("[]"), None),
            (jwt(r#"{"exp":1,"exp":2}"#), None),
            (format!("{}.x.y", jwt(r#"{"exp":1760000000}"#)), None),
            ("opaque".to_owned(), None),
            ("a.b".to_owned(), None),
            ("..".to_owned(), None),
            (String::new(), None),
        ];
        for (token, expected) in table {
            assert_eq!(expiry(&token), expected.map(at), "{token}");
        }
    }

    #[test]
    fn padding_that_some_issuers_write_is_no_obstacle() {
        use base64::engine::general_purpose::URL_SAFE;
        let token = format!("e30.{}.", URL_SAFE.encode(r#"{"exp":1760000000 }"#));
        assert!(token.contains('='));
        assert_eq!(expiry(&token), Some(at("2025-10-09T08:53:20Z")));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), claims in any::<String>(), exp in any::<f64>()) {
            let _ = expiry(&text);
            let _ = expiry(&jwt(&claims));
            let _ = expiry(&jwt(&format!("{{\"exp\":{exp}}}")));
        }

        #[test]
        fn what_the_claims_say_is_read_to_the_second(second in -62_000_000_000..253_000_000_000_i64, tenth in 0..10_u8, sub: String) {
            let claims = serde_json::json!({ "sub": sub, "aud": [sub], "act": { "exp": 1 } }).to_string();
            let claims = claims.replacen('{', &format!("{{\"exp\":{second}.{tenth},"), 1);
            // The fraction of a negative number points away from the epoch.
            let expected = if second < 0 && tenth > 0 { second - 1 } else { second };
            prop_assert_eq!(expiry(&jwt(&claims)).map(Timestamp::as_second), Some(expected));
            prop_assert_eq!(expiry(&format!("x{}", &jwt(&claims).replace('.', ""))), None);
        }
    }
}
