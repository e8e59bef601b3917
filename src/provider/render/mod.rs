//! From a definition and values to a request.

use http::{HeaderName, Method};
use secrecy::{SecretSlice, SecretString};

use super::{definition::Definition, grant::Failure, values::Values};
use crate::api::http::Operation;

/// A request that is ready to be sent. Nothing secret of it can be printed.
#[derive(Debug)]
pub struct Request {
    pub method: Method,
    /// Absolute.
    pub url: SecretString,
    /// All of them but Host, User-Agent and the length of a body that is not empty.
    pub headers: Vec<(HeaderName, SecretString)>,
    pub body: Option<SecretSlice<u8>>,
}

/// Why no request can be made of these values. Names keys, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unrenderable {}

impl From<Unrenderable> for Failure {
    fn from(error: Unrenderable) -> Self {
        match error {}
    }
}

/// Puts values into the request of an operation. `boundary` separates the fields of a multipart body: random, 1 to
/// 70 letters and digits.
///
/// # Errors
/// If a value cannot stand at its place, a value that the request cannot do without is missing, or there is no refresh.
pub fn render(
    _definition: &Definition,
    _operation: Operation,
    _values: &Values<'_>,
    _boundary: &str,
) -> Result<Request, Unrenderable> {
    todo!()
}
