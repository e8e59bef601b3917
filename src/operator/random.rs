//! Random bytes of the system, and names made of them.

use aws_lc_rs::rand;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

/// As many random bytes as are asked for.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("invariant: the system's random source works");
    bytes
}

/// 128 random bits: names of grants and intents, boundaries of multipart bodies.
#[must_use]
pub fn id() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes::<16>())
}
