//! The token before: what is kept of it, and what is never revoked.

use super::*;
use crate::{
    provider::definition::Revoke,
    token::{fixtures::probed, session::ReplacedToken},
};

fn revoke() -> Revoke {
    *probed().revoke.unwrap()
}

/// A session with an output that the revocation names, and one that it does not.
fn before() -> Session {
    let mut session = session();
    let outputs = [("id".to_owned(), "ID-canary".into()), ("authorization".to_owned(), SECRETS[2].into())];
    session.material.as_mut().unwrap().outputs = outputs.into();
    session
}

fn renewed(before: &Session, operation: Operation, grant: Grant) -> Session {
    before.clone().granted(grant, of(operation)).replacing(before, Some(&revoke()))
}

fn with_id(id: &str) -> Grant {
    Grant { outputs: [("id".to_owned(), id.into())].into(), ..grant(HOUR) }
}

fn shown(session: &Session) -> Option<(&str, Vec<(&str, &str)>)> {
    let values = session.revocable().map(ReplacedToken::values)?;
    assert!(values.refresh_token.is_none(), "a refresh token is never presented to be revoked");
    let outputs = values.outputs.iter().map(|(name, value)| (name.as_str(), value.expose_secret()));
    Some((values.access_token.expose_secret(), outputs.collect()))
}

/// In the facts, and in the material.
fn kept(session: &Session) -> (bool, bool) {
    (session.facts.replaced.is_some(), session.material.as_ref().unwrap().replaced.is_some())
}

#[test]
fn what_the_revocation_names_of_the_token_before_is_kept_with_its_expiry() {
    let before = before();
    for operation in [Operation::Login, Operation::Refresh] {
        let session = renewed(&before, operation, with_id("another"));
        assert_eq!(shown(&session), Some((SECRETS[0], vec![("id", "ID-canary")])), "{operation:?}");
        let replaced = session.facts.replaced.as_ref().unwrap();
        assert_eq!((replaced.expires_at, replaced.tries), (at(50 * MINUTE), 0));
        let read = Session::from_document(Some(&session.to_document())).unwrap();
        assert_eq!(shown(&read), shown(&session));
        assert!(!format!("{session:?}").contains("canary"));
        assert!(!session.facts.to_annotation().contains("canary"));
    }
}

#[test]
fn a_token_that_is_still_in_use_is_never_revoked() {
    let before = before();
    let same = Grant { access_token: SECRETS[0].into(), ..with_id("another") };
    assert_eq!(kept(&renewed(&before, Operation::Refresh, same)), (false, false), "the same token again");
    assert_eq!(kept(&renewed(&before, Operation::Refresh, grant(HOUR))), (false, false), "the session keeps its id");
    let mut later = renewed(&before, Operation::Refresh, with_id("another"));
    assert!(shown(&later).is_some());
    later.material.as_mut().unwrap().access_token = SECRETS[0].into();
    assert_eq!(shown(&later), None, "whoever has put it there");
}

#[test]
fn nothing_is_kept_where_nothing_can_be_revoked() {
    let before = before();
    let off = before.clone().granted(with_id("another"), of(Operation::Refresh)).replacing(&before, None);
    assert_eq!(kept(&off), (false, false), "nobody has asked for it");
    let elsewhere = Circumstances { provider_fingerprint: "another".to_owned(), ..of(Operation::Login) };
    let moved = before.clone().granted(with_id("another"), elsewhere).replacing(&before, Some(&revoke()));
    assert_eq!(kept(&moved), (false, false), "another provider must not be shown it");
    let mut expired = before.clone();
    expired.facts.issued.as_mut().unwrap().expires_at = at(0);
    assert_eq!(kept(&renewed(&expired, Operation::Login, with_id("another"))), (false, false), "dead by itself");
    assert_eq!(kept(&renewed(&Session::default(), Operation::Login, with_id("first"))), (false, false), "the first");
}

#[test]
fn one_token_is_kept_and_not_two() {
    let renewed = renewed(&before(), Operation::Refresh, with_id("another"));
    assert_eq!(kept(&renewed), (true, true));
    assert_eq!(kept(&renewed.clone().revoked()), (false, false));
    let third = Grant { access_token: "third".into(), ..with_id("third") };
    let next = renewed.clone().granted(third, of(Operation::Refresh)).replacing(&renewed, Some(&revoke()));
    assert_eq!(shown(&next), Some(("new", vec![("id", "another")])));
}
