//! A token reply: what is taken from it is what a token may be, an expiry in the past is the reply's own word, and
//! nothing of it gets into a message.
#![no_main]

use std::collections::BTreeMap;

use apitoken_operator_fuzz::{
    CANARY,
    api::http::Operation,
    provider::{
        grant::{Failure, Grant},
        interpret::{DecidedBy, Explanation, Reply, SeenExpiry, explain, interpret},
        values::SessionValues,
    },
    token::session::{Circumstances, Occasion, Session},
    wire,
};
use jiff::Timestamp;
use libfuzzer_sys::{Corpus, fuzz_target};
use secrecy::{ExposeSecret, SecretString};

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some(wire) = wire::read(input) else { return Corpus::Reject };
    let (old_access, old_refresh) = (SecretString::from("old-access"), SecretString::from("old-refresh"));
    let outputs = BTreeMap::new();
    let old = SessionValues { access_token: &old_access, refresh_token: Some(&old_refresh), outputs: &outputs };
    let session = (wire.operation == Operation::Refresh).then_some(old);
    let result = interpret(&wire.definition, wire.operation, &wire.reply, session);
    let seen = explain(&wire.definition, wire.operation, &wire.reply, session, result.as_ref().ok());
    assert!(!format!("{seen:?}").contains(CANARY), "an explanation shows what was answered");
    match result {
        Ok(grant) => {
            assert_eq!(seen.decided_by, DecidedBy::Values);
            good(&grant, &wire.reply, &seen);
            stored(grant, wire.operation, wire.reply.received_at);
        }
        Err(failure) => silent(&failure, &wire.reply),
    }
    Corpus::Keep
});

fn good(grant: &Grant, reply: &Reply, seen: &Explanation) {
    let token = |value: &SecretString| {
        let value = value.expose_secret();
        assert!((1..=16 * 1024).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic()));
    };
    token(&grant.access_token);
    grant.refresh_token.iter().for_each(token);
    assert!(grant.outputs.values().all(|it| !it.expose_secret().contains(char::is_control)));
    assert_eq!(grant.issued_at.as_second(), reply.sent_at.as_second());
    for time in [Some(grant.expires_at), grant.session_expires_at, Some(grant.issued_at)].into_iter().flatten() {
        assert_eq!(time.subsec_nanosecond(), 0);
    }
    assert!(grant.expires_at.as_second() - grant.issued_at.as_second() <= 3653 * 24 * 3600);
    assert_eq!(grant.expires_at, earliest(&seen.expiry).expect("something said when"));
    if grant.expires_at < grant.issued_at {
        let own_word = |entry: &&SeenExpiry| {
            ["epoch", "timestamp", "jwt", "cookie"].iter().any(|kind| entry.entry.starts_with(kind))
        };
        let said = seen.expiry.iter().filter(own_word).filter_map(|entry| entry.yields);
        assert!(said.map(whole).any(|at| at == grant.expires_at), "no entry says that it has expired");
    }
    assert!(!format!("{grant:?}").contains(CANARY), "a grant can be printed");
}

fn earliest(entries: &[SeenExpiry]) -> Option<Timestamp> {
    let of =
        |fallback| entries.iter().filter(move |entry| entry.is_fallback == fallback).filter_map(|it| it.yields).min();
    of(false).or_else(|| of(true)).map(whole)
}

fn whole(at: Timestamp) -> Timestamp {
    Timestamp::new(at.as_second(), 0).expect("a time")
}

/// What is stored says the same, and says of what has expired that it has.
fn stored(grant: Grant, operation: Operation, received_at: Timestamp) {
    let (expires_at, token) = (grant.expires_at, grant.access_token.clone());
    let of = Circumstances {
        id: "grant".to_owned(),
        operation,
        occasion: Occasion::Planned,
        provider_fingerprint: "provider".to_owned(),
        credentials: None,
        session_limit: None,
        suggested_output: BTreeMap::new(),
    };
    let document = Session::default().granted(grant, of).to_document();
    let read = Session::from_document(Some(&document)).expect("what was written can be read");
    let issued = read.facts.issued.expect("a grant");
    assert_eq!(issued.expires_at, expires_at);
    assert_eq!(issued.is_expired(received_at), expires_at <= received_at);
    assert_eq!(read.material.expect("a grant").access_token.expose_secret(), token.expose_secret());
}

/// The host of a redirect is shown on purpose.
fn silent(failure: &Failure, reply: &Reply) {
    let redirect = reply.headers.get("location").is_some_and(|place| {
        place.as_bytes().windows(CANARY.len()).any(|it| it.eq_ignore_ascii_case(CANARY.as_bytes()))
    });
    assert!(redirect || !format!("{failure:?}").contains(CANARY), "a failure shows what was answered");
    assert!(failure.retry_after.is_none_or(|wait| wait.as_secs() <= 24 * 3600 && wait.subsec_nanos() == 0));
}
