//! How a value is written so that it never leaves its place.

use std::fmt::Write as _;

use http::HeaderName;

use super::Unrenderable;
use crate::provider::template::{Name, Place};

/// Part of one segment of a path.
pub(super) struct PathSegment;

/// Part of a header's value.
pub(super) struct HeaderValue<'a>(pub &'a HeaderName);

impl Place for PathSegment {
    type Error = Unrenderable;

    fn value(&self, _: &Name, value: &str, out: &mut String) -> Result<(), Self::Error> {
        percent(value, out);
        Ok(())
    }
}

impl Place for HeaderValue<'_> {
    type Error = Unrenderable;

    fn value(&self, name: &Name, value: &str, out: &mut String) -> Result<(), Self::Error> {
        if !value.bytes().all(|b| matches!(b, b' '..=b'~')) {
            let newline = value.ends_with(['\n', '\r']);
            return Err(Unrenderable::Header {
                header: self.0.clone(),
                name: name.clone(),
                newline,
            });
        }
        out.push_str(value);
        Ok(())
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters: good in a path's segment and in a query alike.
pub(super) fn percent(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// `application/x-www-form-urlencoded`, space as `+`.
pub(super) fn form(text: &str, out: &mut String) {
    out.extend(url::form_urlencoded::byte_serialize(text.as_bytes()));
}
