use super::*;
use crate::{api::http::Operation, token::facts::Intent};

#[expect(clippy::unnecessary_wraps, reason = "as it stands in what was read")]
fn version(resource_version: &str) -> Option<Version> {
    Some(Version { uid: "uid".to_owned(), resource_version: resource_version.to_owned() })
}

fn answer(base: Option<Version>) -> Answer {
    let mut session = Session::default();
    session.facts.handled_request = Some("the answer".to_owned());
    Answer { key: Key::new("web", "token"), base, basis: Basis::default(), session }
}

/// A session in which somebody else has dealt with the provider since.
fn read(at: Option<Version>) -> Stored {
    let mut session = Session::default();
    session.facts.intent = Some(intent("somebody else's"));
    Stored { at, session }
}

fn intent(id: &str) -> Intent {
    let at = k8s_openapi::jiff::Timestamp::UNIX_EPOCH;
    let (provider_fingerprint, credentials_fingerprint) = (String::new(), None);
    let operation = Operation::Refresh;
    Intent { id: id.to_owned(), operation, at, count: 1, provider_fingerprint, credentials_fingerprint, seed: None }
}

fn is_answered(unsaved: &Unsaved, at: Option<Version>) -> bool {
    unsaved.answer_to("token", &read(at)).is_some_and(|session| session.facts.handled_request.is_some())
}

#[test]
fn an_answer_is_offered_until_it_is_stored() {
    let unsaved = Unsaved::default();
    unsaved.keep("token", answer(version("7")));
    assert!(unsaved.has("token") && !unsaved.has("other"));
    assert!(is_answered(&unsaved, version("7")));
    assert!(is_answered(&unsaved, version("7")), "asked once more, it is still there");
    unsaved.forget("token");
    assert!(!unsaved.has("token") && !is_answered(&unsaved, version("7")));
}

#[test]
fn an_answer_to_a_first_login_waits_for_a_session_that_is_not_there() {
    let unsaved = Unsaved::default();
    unsaved.keep("token", answer(None));
    assert!(is_answered(&unsaved, None));
}

#[test]
fn an_answer_that_no_longer_follows_from_what_is_stored_is_dropped() {
    for now in [version("8"), None, Some(Version { uid: "another".to_owned(), resource_version: "7".to_owned() })] {
        let unsaved = Unsaved::default();
        unsaved.keep("token", answer(version("7")));
        assert!(!is_answered(&unsaved, now));
        assert!(!unsaved.has("token"));
    }
}

#[test]
fn an_answer_follows_from_a_session_that_somebody_has_only_annotated_and_from_no_other_incarnation() {
    let unsaved = Unsaved::default();
    let mut ours = read(version("8"));
    ours.session.facts.intent = Some(intent("ours"));
    let kept = Answer { basis: Basis::of(&ours.session.facts), ..answer(version("7")) };
    unsaved.keep("token", kept.clone());
    assert!(unsaved.answer_to("token", &ours).is_some());
    ours.at = Some(Version { uid: "another".to_owned(), resource_version: "8".to_owned() });
    assert!(unsaved.answer_to("token", &ours).is_none());
    unsaved.keep("token", kept);
    assert!(!is_answered(&unsaved, version("8")), "an intent of somebody else's was overwritten");
}

#[test]
fn a_newer_answer_takes_the_place_of_an_older_one() {
    let unsaved = Unsaved::default();
    unsaved.keep("token", answer(version("7")));
    unsaved.keep("token", answer(version("8")));
    assert!(is_answered(&unsaved, version("8")));
}

#[test]
fn an_intent_that_was_never_sent_is_taken_away_and_no_other_is() {
    let unsaved = Unsaved::default();
    unsaved.never_sent("token", "ours");
    for (uid, id, stays) in [("token", "ours", false), ("token", "another's", true), ("other", "ours", true)] {
        let mut facts = Facts { intent: Some(intent(id)), ..Facts::default() };
        unsaved.drop_unsent(uid, &mut facts);
        assert_eq!(facts.intent.is_some(), stays, "{uid}: {id}");
    }
    unsaved.forget("token");
    let mut facts = Facts { intent: Some(intent("ours")), ..Facts::default() };
    unsaved.drop_unsent("token", &mut facts);
    assert!(facts.intent.is_some());
}

#[test]
fn what_is_kept_can_be_listed_and_is_gone_once_it_is_forgotten() {
    let unsaved = Unsaved::default();
    assert!(unsaved.is_empty() && unsaved.all().is_empty());
    unsaved.keep("token", answer(version("7")));
    let all = unsaved.all();
    assert_eq!(
        all.iter().map(|(uid, answer)| (uid.as_str(), &answer.base)).collect::<Vec<_>>(),
        [("token", &version("7"))]
    );
    unsaved.forget("token");
    assert!(unsaved.is_empty());
}
