//! The JWT reader, with the input as a whole token and as the claims of one: it yields what `exp` says, or nothing.
#![no_main]

use apitoken_operator_fuzz::provider::jwt::expiry;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|input: &[u8]| {
    if let Ok(token) = std::str::from_utf8(input) {
        agrees(token);
    }
    agrees(&format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(input)));
});

fn agrees(token: &str) {
    let Some(found) = expiry(token) else { return };
    let parts: Vec<_> = token.split('.').collect();
    assert_eq!(parts.len(), 3);
    let claims = URL_SAFE_NO_PAD.decode(parts[1].trim_end_matches('=')).expect("claims");
    // Of other claims' numbers the reader takes those too that no f64 holds.
    let Ok(claims) = serde_json::from_slice::<Value>(&claims) else { return };
    let said = claims.get("exp").and_then(Value::as_f64).or_else(|| claims.get(0)?.as_f64()).expect("a number");
    assert_eq!(found.subsec_nanosecond(), 0);
    assert!((found.as_second() as f64 - said.floor()).abs() < 1.0, "{found} is not {said}");
}
