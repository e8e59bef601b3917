use super::*;
use crate::token::fixtures::{Scene, at, tenovos};

/// Facts in which everything is told.
fn full() -> Facts {
    let scene = Scene::issued(tenovos())
        .failed(Operation::Login, FailureClass::Rejected, 5, 60)
        .failed(Operation::Refresh, FailureClass::Transient, 5, 60)
        .intending(Operation::Login, 5, 2)
        .facts(|facts| {
            facts.handled_request = Some("1763640000".to_owned());
            facts.user = Some(User { name: "assets".to_owned(), uid: "uid".to_owned() });
            facts.spent = vec!["hash of second".to_owned()];
        })
        .grant(|issued| {
            issued.no_progress = true;
            issued.over = true;
            issued.ending = true;
            issued.given_session_expires_at = Some(at(9));
        });
    scene.0.facts().unwrap().clone()
}

#[test]
fn an_annotation_tells_all_the_facts() {
    let facts = full();
    assert_eq!(Facts::from_annotation(Some(&facts.to_annotation())), Some(facts));
}

#[test]
fn what_a_newer_version_has_added_stays() {
    let mut value: Value = serde_json::from_str(&full().to_annotation()).unwrap();
    value["added"] = serde_json::json!({ "in": ["a", "later", "version"] });
    let again = Facts::from_annotation(Some(&value.to_string())).unwrap().to_annotation();
    assert_eq!(serde_json::from_str::<Value>(&again).unwrap(), value);
}

#[test]
fn an_annotation_that_is_not_understood_tells_nothing() {
    for text in [None, Some(""), Some("{"), Some("[]"), Some("null"), Some(r#"{"issued":{"grant":1}}"#), Some("ü")] {
        assert_eq!(Facts::from_annotation(text), None, "{text:?}");
    }
}

#[test]
fn facts_are_small_enough_to_stand_in_metadata() {
    let usual = Scene::issued(tenovos()).0.facts().unwrap().to_annotation();
    assert!(usual.len() < 1000, "{} bytes", usual.len());
    let mut facts = full();
    for operation in [Operation::Login, Operation::Refresh] {
        let mut failure = facts.failure(operation).unwrap().clone();
        failure.message = "m".repeat(300);
        facts.set_failure(operation, Some(failure));
    }
    let worst = facts.to_annotation();
    assert!(worst.len() < 3000, "{} bytes", worst.len());
}

#[test]
fn an_early_login_that_fails_stands_apart_from_a_refresh_that_fails() {
    let mut facts = full();
    facts.set_failure(Operation::Login, None);
    assert_eq!(facts.failure(Operation::Login), None);
    assert_eq!(facts.failure(Operation::Refresh).unwrap().class, FailureClass::Transient);
}

#[test]
fn a_token_is_expired_in_the_second_of_its_expiry() {
    let issued = full().issued.unwrap();
    assert!(!issued.is_expired(issued.expires_at - k8s_openapi::jiff::SignedDuration::from_nanos(1)));
    assert!(issued.is_expired(issued.expires_at));
    assert_eq!(issued.lifetime(), 3600);
}

#[test]
fn what_an_intent_was_to_present_is_spent_unless_it_is_known_not_to_have_been_sent() {
    let mut facts = full();
    assert!(facts.has_spent("hash of first") && facts.has_spent("hash of second") && !facts.has_spent("hash of third"));
    facts.settle_intent();
    assert_eq!((facts.intent.is_none(), facts.spent.len()), (true, 2));
    assert!(facts.has_spent("hash of first"));
    let mut facts = full();
    facts.drop_intent();
    assert!(!facts.has_spent("hash of first"));
}

#[test]
fn no_more_spent_refresh_tokens_are_remembered_than_people_can_have_consented_to() {
    let mut facts = full();
    for number in 0..MOST_SPENT {
        facts.intent = full().intent.map(|intent| Intent { seed: Some(number.to_string()), ..intent });
        facts.settle_intent();
    }
    assert_eq!(facts.spent.len(), MOST_SPENT);
    assert!(!facts.has_spent("hash of second") && facts.has_spent("0") && facts.has_spent("511"));
}
