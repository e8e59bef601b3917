//! When a refusal names the encoding of client authentication.

use std::collections::BTreeMap;

use crate::{
    api::http::{FailureClass, Operation},
    provider::{
        fixtures::{credentials, definition},
        grant::Failure,
        render::{Once, Unrenderable, hinted, render},
        values::Values,
    },
};

/// What is said of a login with this secret that ended so.
fn said(oauth2: &str, secret: &str, class: FailureClass, status: Option<u16>) -> String {
    let definition = definition(&format!("oauth2: {{ tokenURL: \"https://idp.example.com/token\"{oauth2} }}"));
    let credentials = credentials(&definition, &[("clientId", "reporting"), ("clientSecret", secret)]);
    let values = Values { credentials: &credentials, parameters: &BTreeMap::new(), uid: "u", session: None };
    let failure = Failure { class, reason: None, status, message: "refused".to_owned(), retry_after: None };
    hinted(failure, status.is_none(), &definition, Operation::Login, &values).message
}

#[test]
fn a_refused_secret_that_encoding_changes_names_the_encoding() {
    let raw = ", clientAuth: { encoding: Raw }";
    let table = [
        ("", "a%41b", Some("encoding to Raw")),
        ("", "a+b", Some("encoding to Raw")),
        ("", "a~b", Some("encoding to Raw")),
        ("", "a-b", None),
        (raw, "a%41b", Some("FormURLEncoded")),
        (raw, "a+b", Some("FormURLEncoded")),
        (raw, "a~b", None),
        (", clientAuth: { method: Body }", "a%41b", None),
    ];
    for (oauth2, secret, expected) in table {
        for (class, status) in
            [(FailureClass::Rejected, Some(401)), (FailureClass::Rejected, Some(400)), (FailureClass::Transient, None)]
        {
            let message = said(oauth2, secret, class, status);
            match expected {
                None => assert_eq!(message, "refused", "{oauth2} {secret}"),
                Some(expected) => assert!(message.contains(expected) && !message.contains(secret), "{message}"),
            }
        }
    }
}

#[test]
fn what_is_no_refusal_of_the_client_says_nothing_of_the_encoding() {
    for (class, status) in [
        (FailureClass::Misconfigured, 400),
        (FailureClass::RateLimited, 429),
        (FailureClass::Transient, 503),
        (FailureClass::SessionOver, 400),
    ] {
        assert_eq!(said("", "a%41b", class, Some(status)), "refused");
    }
}

#[test]
fn nothing_is_sent_to_an_issuer_instead_of_its_token_endpoint() {
    let definition = definition("oauth2: { issuer: \"https://idp.example.com\" }");
    let credentials = credentials(&definition, &[("clientId", "reporting"), ("clientSecret", "secret")]);
    let values = Values { credentials: &credentials, parameters: &BTreeMap::new(), uid: "u", session: None };
    let once = Once { random: "a", at: jiff::Timestamp::UNIX_EPOCH, shown: false };
    assert_eq!(render(&definition, Operation::Login, &values, &once).err(), Some(Unrenderable::NoEndpoint));
}
