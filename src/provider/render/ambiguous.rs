//! Whether a server may have read a client's id and secret otherwise than they were meant.
//!
//! RFC 6749 (2.3.1) has both form-urlencoded inside HTTP basic authentication. Many servers do not decode them; they
//! answer with whatever a wrong secret leads to, or close the connection on a broken escape.

use secrecy::ExposeSecret;

use super::encode;
use crate::{
    api::http::{FailureClass, Operation},
    provider::{
        definition::{Definition, Protocol},
        grant::Failure,
        values::Values,
    },
};

/// The failure; where the encoding may be to blame its message says so. `closed`: the connection was closed instead of
/// an answer.
#[must_use]
pub fn hinted(
    failure: Failure,
    closed: bool,
    definition: &Definition,
    operation: Operation,
    values: &Values<'_>,
) -> Failure {
    let refused = failure.class == FailureClass::Rejected && matches!(failure.status, Some(400..=499));
    match remedy(definition, operation, values).filter(|_| refused || closed) {
        Some(remedy) => Failure { message: format!("{}; {remedy}", failure.message), ..failure },
        None => failure,
    }
}

fn remedy(definition: &Definition, operation: Operation, values: &Values<'_>) -> Option<&'static str> {
    let request = match operation {
        Operation::Login => &definition.login.request,
        Operation::Refresh => &definition.refresh.as_ref()?.request,
    };
    let basic = request.basic_auth.as_ref().filter(|_| definition.protocol == Protocol::OAuth2)?;
    let any = |ambiguous: fn(&str) -> bool| {
        let halves = [&basic.username, &basic.password].into_iter();
        halves.filter_map(|half| half.expand(|name| values.get(name))).any(|half| ambiguous(half.expose_secret()))
    };
    if basic.form_urlencoded {
        any(changes).then_some(
            "if the client's id and secret are right, the server may not decode them: then set \
             oauth2.clientAuth.encoding to Raw",
        )
    } else {
        any(|half| half.contains(['%', '+'])).then_some(
            "if the client's id and secret are right, the server may decode them: then leave out \
             oauth2.clientAuth.encoding, or set it to FormURLEncoded",
        )
    }
}

/// The encoded text is another.
fn changes(text: &str) -> bool {
    let mut encoded = secrecy::zeroize::Zeroizing::new(String::new());
    encode::form(text, &mut encoded);
    *encoded != text
}
