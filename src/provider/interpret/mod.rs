//! From a reply to a grant or a failure.

use http::HeaderMap;
use jiff::Timestamp;
use secrecy::SecretSlice;

use super::{
    definition::Definition,
    grant::{Failure, Grant},
    values::SessionValues,
};
use crate::api::http::Operation;

/// What came back. Cannot be printed.
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    /// Bounded by who received it.
    pub body: SecretSlice<u8>,
    /// Just before the request was sent.
    pub sent_at: Timestamp,
    /// When the last byte was there.
    pub received_at: Timestamp,
}

/// Reads the reply to an operation. `session` is what a refresh continues.
///
/// # Errors
/// With the class of the failure: a rule's, else the status's, else that of a reply that lacks what is wanted.
pub fn interpret(
    _definition: &Definition,
    _operation: Operation,
    _reply: &Reply,
    _session: Option<SessionValues<'_>>,
) -> Result<Grant, Failure> {
    todo!()
}
