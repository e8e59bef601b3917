//! Takes a reply in, up to a bound.

use http::{HeaderMap, header::CONTENT_ENCODING};
use reqwest::Response;
use secrecy::{SecretSlice, zeroize::Zeroizing};

use super::{MAX_BYTES, diagnose::cause_of, unanswered::Cause};

/// Refuses a head that is larger than the bound. (HTTP's reader stops at some 400 kB and 100 headers by itself.)
pub(super) fn check_head(headers: &HeaderMap) -> Result<(), Cause> {
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if size > MAX_BYTES { Err(Cause::HeadTooLarge) } else { Ok(()) }
}

/// Reads the body, chunk by chunk, and gives up as soon as it is too large.
pub(super) async fn body(response: &mut Response, proxied: bool) -> Result<SecretSlice<u8>, Cause> {
    let mut encodings = response.headers().get_all(CONTENT_ENCODING).into_iter();
    if encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Cause::Encoded);
    }
    let announced = response.content_length().unwrap_or(0);
    if announced > MAX_BYTES as u64 {
        return Err(Cause::BodyTooLarge);
    }
    let mut read = Zeroizing::new(Vec::with_capacity(usize::try_from(announced).unwrap_or(0)));
    while let Some(chunk) = response.chunk().await.map_err(|error| cause_of(&error, proxied))? {
        if read.len() + chunk.len() > MAX_BYTES {
            return Err(Cause::BodyTooLarge);
        }
        read.extend_from_slice(&chunk);
    }
    Ok(std::mem::take(&mut *read).into())
}
