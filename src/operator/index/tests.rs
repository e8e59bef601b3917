use std::collections::HashSet;

use serde_json::json;

use super::*;
use crate::{
    api::{ApiToken, ProviderKind, names},
    operator::entry::SecretEntry,
    token::{
        facts::{self, User},
        fixtures::{at, now},
    },
};

fn key(name: &str) -> Key {
    Key::new("web", name)
}

fn subjects(names: &[&str]) -> Vec<Subject> {
    names.iter().map(|name| Subject::Token(key(name))).collect()
}

/// An ApiToken of this version and generation, at the provider `vendor`, whose credentials are in the Secret `login`.
#[expect(clippy::needless_pass_by_value, reason = "a literal reads better than its reference")]
fn token(name: &str, uid: &str, version: u64, spec: serde_json::Value) -> TokenEntry {
    let mut whole = json!({ "providerRef": { "name": "vendor" }, "credentialsRef": { "name": "login" } });
    whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    let object = json!({
        "apiVersion": "apitoken.dev/v1alpha1", "kind": "ApiToken", "spec": whole,
        "metadata": { "name": name, "namespace": "web", "uid": uid, "resourceVersion": version.to_string(), "generation": version },
    });
    TokenEntry::read(serde_json::from_value::<ApiToken>(object).unwrap(), now())
}

fn secret(uid: &str, version: u64, role: &str, owner: Option<(&str, &str)>) -> SecretEntry {
    let owner = owner.map(|(name, uid)| {
        json!([{ "apiVersion": "apitoken.dev/v1alpha1", "kind": "ApiToken", "name": name, "uid": uid, "controller": true }])
    });
    let object = json!({ "metadata": {
        "uid": uid, "resourceVersion": version.to_string(), "labels": { names::ROLE_LABEL: role }, "ownerReferences": owner,
    }});
    SecretEntry::read(&serde_json::from_value(object).unwrap()).unwrap()
}

fn credentials(version: u64) -> SecretEntry {
    secret("credentials", version, names::ROLE_CREDENTIALS, None)
}

fn output_of(name: &str, uid: &str, version: u64) -> SecretEntry {
    secret("output", version, names::ROLE_OUTPUT, Some((name, uid)))
}

fn is_there(index: &Index, name: &str) -> bool {
    matches!(index.secret(&key(name), now()), Known::There(_))
}

#[test]
fn an_event_of_a_secret_concerns_those_who_name_it_and_its_owner() {
    let index = Index::default();
    index.apply_token(key("a"), token("a", "uid-a", 1, json!({})));
    index.apply_token(key("b"), token("b", "uid-b", 2, json!({ "output": { "secretName": "out" } })));
    index.apply_token(key("c"), token("c", "uid-c", 3, json!({ "credentialsRef": { "name": "other" } })));
    assert_eq!(index.apply_secret(key("login"), credentials(4)), subjects(&["a", "b"]));
    assert_eq!(index.apply_secret(key("out"), output_of("b", "uid-b", 5)), subjects(&["b"]));
    assert_eq!(index.apply_secret(key("a"), output_of("a", "uid-a", 6)), subjects(&["a"]));
    let session = secret("session", 7, names::ROLE_SESSION, Some(("c", "uid-c")));
    assert_eq!(index.apply_secret(key("apitoken-session-uid-c"), session), subjects(&["c"]));
    assert_eq!(index.apply_secret(key("nobodys"), secret("x", 8, names::ROLE_CREDENTIALS, None)), []);
    assert_eq!(index.apply_secret(Key::new("elsewhere", "login"), credentials(9)), [], "another namespace");
}

#[test]
fn who_names_a_secret_follows_the_spec() {
    let index = Index::default();
    index.apply_token(key("a"), token("a", "uid-a", 1, json!({})));
    index.apply_token(key("a"), token("a", "uid-a", 2, json!({ "credentialsRef": { "name": "new" } })));
    assert_eq!(index.apply_secret(key("login"), credentials(3)), []);
    assert_eq!(index.apply_secret(key("new"), credentials(4)), subjects(&["a"]));
    index.remove_token(&key("a"), "uid-a");
    assert_eq!(index.apply_secret(key("new"), credentials(5)), []);
}

#[test]
fn of_one_object_the_newer_wins() {
    let index = Index::default();
    index.apply_token(key("a"), token("a", "uid-a", 5, json!({ "suspend": true })));
    assert_eq!(index.apply_token(key("a"), token("a", "uid-a", 4, json!({}))), [], "an older event");
    assert_eq!(index.token(&key("a")).unwrap().version, 5);
    assert_eq!(index.apply_secret(key("login"), credentials(10)), subjects(&["a"]));
    assert_eq!(index.apply_secret(key("login"), credentials(10)), [], "our own write, repeated by the watch");
    assert_eq!(index.apply_secret(key("login"), credentials(9)), []);
    let another = secret("made anew", 8, names::ROLE_CREDENTIALS, None);
    assert_eq!(index.apply_secret(key("login"), another), subjects(&["a"]), "another object of that name");
}

#[test]
fn only_the_object_that_is_gone_is_forgotten() {
    let index = Index::default();
    index.apply_token(key("a"), token("a", "uid-2", 2, json!({})));
    index.remove_token(&key("a"), "uid-1");
    assert_eq!(index.token(&key("a")).unwrap().uid, "uid-2", "the event of its predecessor came late");
    index.apply_secret(key("login"), credentials(3));
    assert_eq!(index.remove_secret(&key("login"), "another"), []);
    assert!(is_there(&index, "login"));
    assert_eq!(index.remove_secret(&key("login"), "credentials"), subjects(&["a"]));
    assert!(!is_there(&index, "login"));
}

#[test]
fn what_is_not_in_the_index_is_unknown_and_only_a_get_makes_it_absent_for_a_minute() {
    let index = Index::default();
    assert!(matches!(index.secret(&key("login"), now()), Known::Unknown));
    index.note_absent(key("login"), Absence::Unlabelled, now());
    assert!(matches!(index.secret(&key("login"), at(59)), Known::Absent(Absence::Unlabelled)));
    assert!(matches!(index.secret(&key("login"), at(60)), Known::Unknown), "looked at again");
    index.apply_secret(key("login"), credentials(1));
    index.remove_secret(&key("login"), "credentials");
    assert!(matches!(index.secret(&key("login"), at(1)), Known::Unknown), "it was there since");
}

#[test]
fn a_get_that_saw_nothing_does_not_unsee_what_the_watch_has_brought_since() {
    let index = Index::default();
    index.apply_secret(key("login"), credentials(1));
    index.note_absent(key("login"), Absence::Missing, now());
    assert!(is_there(&index, "login"));
}

#[test]
fn the_outputs_of_an_apitoken_are_found_by_its_uid_whatever_their_names() {
    let index = Index::default();
    index.apply_secret(key("old"), output_of("a", "uid-a", 1));
    index.apply_secret(key("new"), output_of("a", "uid-a", 2));
    index.apply_secret(key("a"), output_of("a", "uid-a", 3));
    index.apply_secret(key("others"), output_of("a", "uid-of-a-predecessor", 4));
    assert_eq!(index.outputs_of(&key("a"), "uid-a"), ["a", "new", "old"].map(key));
    index.apply_secret(key("old"), output_of("b", "uid-b", 5));
    index.remove_secret(&key("new"), "output");
    index.remove_secret(&key("a"), "output");
    assert!(index.outputs_of(&key("a"), "uid-a").is_empty());
}

#[test]
fn after_a_new_list_what_it_did_not_show_is_gone_within_its_scope() {
    let index = Index::default();
    let elsewhere = Key::new("elsewhere", "a");
    for (key, uid) in [(key("a"), "1"), (key("b"), "2"), (elsewhere.clone(), "3")] {
        index.apply_token(key.clone(), token(&key.name, uid, 1, json!({})));
    }
    index.apply_secret(key("login"), credentials(2));
    assert_eq!(index.retain_tokens(Some("web"), &[key("a")].into()), subjects(&["b"]));
    assert!(index.token(&elsewhere).is_some() && index.token(&key("b")).is_none());
    assert_eq!(index.retain_secrets(Some("elsewhere"), &HashSet::new()), []);
    assert_eq!(index.retain_secrets(None, &HashSet::new()), subjects(&["a"]));
    assert!(matches!(index.secret(&key("login"), now()), Known::Unknown));
}

#[test]
fn an_unchanged_generation_keeps_its_spec_and_the_time_at_which_it_came_into_sight() {
    let index = Index::default();
    index.apply_token(key("a"), token("a", "uid-a", 1, json!({})));
    let spec = index.token(&key("a")).unwrap().spec.clone();
    let seen_again = TokenEntry { generation: 1, generation_seen_at: at(100), ..token("a", "uid-a", 2, json!({})) };
    index.apply_token(key("a"), seen_again);
    let entry = index.token(&key("a")).unwrap();
    assert!(Arc::ptr_eq(&entry.spec, &spec));
    assert_eq!(entry.generation_seen_at, now());
    let edited = TokenEntry { generation: 2, generation_seen_at: at(100), ..token("a", "uid-a", 3, json!({})) };
    index.apply_token(key("a"), edited);
    assert_eq!(index.token(&key("a")).unwrap().generation_seen_at, at(100));
}

fn provider(generation: i64) -> ProviderEntry {
    let metadata = json!({ "uid": "provider", "resourceVersion": "1", "generation": generation });
    let spec = json!({ "preset": "Tenovos" });
    let (metadata, spec) = (serde_json::from_value(metadata).unwrap(), serde_json::from_value(spec).unwrap());
    ProviderEntry::read(&metadata, &spec, None, None, at(generation))
}

#[test]
fn an_edited_provider_concerns_itself_and_its_users_and_its_status_only_itself() {
    let index = Index::default();
    let at = ProviderKey { kind: ProviderKind::ClusterTokenProvider, namespace: None, name: "vendor".to_owned() };
    let itself = || Subject::Provider(at.clone());
    index.apply_token(key("a"), token("a", "uid-a", 1, json!({})));
    index.apply_token(key("b"), token("b", "uid-b", 1, json!({ "providerRef": { "name": "other" } })));
    assert_eq!(index.apply_provider(at.clone(), provider(1)), [itself(), Subject::Token(key("a"))]);
    let first = index.provider(&at).unwrap().compiled.clone().unwrap();
    assert_eq!(index.apply_provider(at.clone(), provider(1)), [itself()]);
    assert!(Arc::ptr_eq(&index.provider(&at).unwrap().compiled.clone().unwrap(), &first), "compiled once");
    assert_eq!(index.apply_provider(at.clone(), provider(2)), [itself(), Subject::Token(key("a"))]);
    assert!(index.remove_provider(&at).contains(&Subject::Token(key("a"))));
    assert!(index.provider(&at).is_none());
}

#[test]
fn a_namespace_concerns_its_apitokens_when_its_labels_change() {
    let index = Index::default();
    index.apply_token(key("a"), token("a", "uid-a", 1, json!({})));
    let labels = || BTreeMap::from([("team".to_owned(), "x".to_owned())]);
    assert_eq!(index.namespace_labels("web"), None);
    assert_eq!(index.apply_namespace("web".to_owned(), labels()), subjects(&["a"]));
    assert_eq!(index.apply_namespace("web".to_owned(), labels()), []);
    assert_eq!(index.apply_namespace("elsewhere".to_owned(), labels()), []);
    assert_eq!(index.namespace_labels("web"), Some(labels()));
    index.remove_namespace("web");
    assert_eq!(index.namespace_labels("web"), None);
}

/// A session that the credentials keep, used by an ApiToken, which has spent this.
fn kept_session(user: (&str, &str), spent: &str, version: u64) -> SecretEntry {
    let facts = Facts {
        user: Some(User { name: user.0.to_owned(), uid: user.1.to_owned() }),
        spent: vec![spent.to_owned()],
        ..Facts::default()
    };
    let object = json!({ "metadata": {
        "uid": "session", "resourceVersion": version.to_string(), "labels": { names::ROLE_LABEL: names::ROLE_SESSION },
        "ownerReferences": [{ "apiVersion": "v1", "kind": "Secret", "name": "login", "uid": "credentials" }],
        "annotations": { facts::ANNOTATION: facts.to_annotation() },
    }});
    SecretEntry::read(&serde_json::from_value(object).unwrap()).unwrap()
}

#[test]
fn a_session_that_credentials_keep_concerns_its_user_and_its_heirs_when_that_is_gone_or_changed() {
    let index = Index::default();
    index.apply_token(key("a"), token("a", "uid-a", 1, json!({})));
    index.apply_token(key("b"), token("b", "uid-b", 2, json!({})));
    index.apply_token(key("c"), token("c", "uid-c", 3, json!({ "credentialsRef": { "name": "other" } })));
    let session = key("apitoken-session-credentials");
    assert_eq!(index.apply_secret(session.clone(), kept_session(("a", "uid-a"), "first", 4)), subjects(&["a"]));
    assert_eq!(index.kept_for("uid-a").map(|owner| owner.uid), Some("credentials".to_owned()));
    assert!(index.has_spent("first", &key("elsewhere")) && !index.has_spent("second", &key("elsewhere")));
    assert!(!index.has_spent("first", &session), "that is its own");

    let changed = token("a", "uid-a", 5, json!({ "credentialsRef": { "name": "other" } }));
    assert_eq!(index.apply_token(key("a"), changed), subjects(&["a", "b"]));
    assert_eq!(index.remove_token(&key("a"), "uid-a"), subjects(&["a", "b"]));
    assert_eq!(index.remove_token(&key("c"), "uid-c"), subjects(&["c"]), "it has kept none");

    index.apply_secret(session.clone(), kept_session(("b", "uid-b"), "first", 6));
    assert_eq!(index.kept_for("uid-a"), None);
    assert!(index.kept_for("uid-b").is_some());
    index.remove_secret(&session, "session");
    assert_eq!(index.kept_for("uid-b"), None);
    assert!(!index.has_spent("first", &key("elsewhere")));
}
