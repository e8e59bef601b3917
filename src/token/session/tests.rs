mod replaced;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    api::http::FailureClass,
    token::fixtures::{HOUR, MINUTE, Scene, at, now, tenovos},
};

const SECRETS: [&str; 3] = ["ACCESS-canary", "REFRESH-canary", "OUTPUT-canary"];

/// A session as its login left it ten minutes ago, good for an hour.
fn session() -> Session {
    let facts = Scene::issued(tenovos()).0.facts().unwrap().clone();
    let [access_token, refresh_token, output] = SECRETS.map(SecretString::from);
    let material = Material {
        access_token,
        refresh_token: Some(refresh_token),
        outputs: [("authorization".to_owned(), output)].into(),
        suggested_output: [("token".to_owned(), "${accessToken}".to_owned())].into(),
        replaced: None,
        unknown: Map::new(),
    };
    Session { facts, material: Some(material), ..Session::default() }
}

fn grant(lifetime: i64) -> Grant {
    Grant {
        access_token: "new".into(),
        refresh_token: None,
        outputs: BTreeMap::new(),
        issued_at: now(),
        expires_at: at(lifetime),
        session_expires_at: None,
        clock_offset: None,
    }
}

fn of(operation: Operation) -> Circumstances {
    Circumstances {
        id: "grant-2".to_owned(),
        operation,
        occasion: Occasion::Planned,
        provider_fingerprint: Scene::new(tenovos()).provider().fingerprint.clone(),
        credentials: Scene::new(tenovos()).0.credentials_content().cloned(),
        session_limit: None,
        suggested_output: BTreeMap::new(),
    }
}

fn refreshed(lifetime: i64) -> Issued {
    session().granted(grant(lifetime), of(Operation::Refresh)).facts.issued.unwrap()
}

fn logged_in(lifetime: i64) -> Issued {
    session().granted(grant(lifetime), of(Operation::Login)).facts.issued.unwrap()
}

fn intent(operation: Operation) -> Intent {
    Scene::new(tenovos()).intending(operation, 5, 2).0.facts().unwrap().intent.clone().unwrap()
}

fn failure() -> FailureRecord {
    Scene::new(tenovos()).failure(FailureClass::Transient, 0, 60)
}

fn text(secret: Option<&SecretString>) -> Option<&str> {
    secret.map(ExposeSecret::expose_secret)
}

#[test]
fn a_document_is_read_as_it_was_written() {
    let document = session().to_document();
    let again = Session::from_document(Some(&document)).unwrap();
    assert_eq!(again.facts, session().facts);
    let material = again.material.as_ref().unwrap();
    assert_eq!(material.access_token.expose_secret(), SECRETS[0]);
    assert_eq!(text(material.refresh_token.as_ref()), Some(SECRETS[1]));
    assert_eq!(text(material.outputs.get("authorization")), Some(SECRETS[2]));
    assert_eq!(again.to_document(), document);
}

#[test]
fn what_a_newer_version_has_added_survives_a_renewal_by_an_older_one() {
    let mut document: Value = serde_json::from_slice(&session().to_document()).unwrap();
    document["version"] = json!(7);
    document["added"] = json!({ "a": [1] });
    document["facts"]["added"] = json!("b");
    document["material"]["added"] = json!({ "c": "secret" });
    let read = Session::from_document(Some(document.to_string().as_bytes())).unwrap();
    let renewed = read.granted(grant(HOUR), of(Operation::Refresh)).to_document();
    let renewed: Value = serde_json::from_slice(&renewed).unwrap();
    for place in ["/version", "/added", "/facts/added", "/material/added"] {
        assert_eq!(renewed.pointer(place), document.pointer(place), "{place}");
    }
}

#[test]
fn a_document_that_lacks_half_of_a_grant_has_none() {
    for half in ["facts", "material"] {
        let mut document: Value = serde_json::from_slice(&session().to_document()).unwrap();
        document[half] = if half == "facts" { json!({}) } else { Value::Null };
        let read = Session::from_document(Some(document.to_string().as_bytes())).unwrap();
        assert!(read.facts.issued.is_none() && read.material.is_none(), "without {half}");
    }
}

#[test]
fn a_missing_document_names_its_key() {
    assert_eq!(Session::from_document(None).unwrap_err().to_string(), "it has no key \"session.json\"");
}

#[test]
fn nothing_secret_can_be_printed() {
    let mut session = session();
    session.material.as_mut().unwrap().unknown.insert("added".to_owned(), json!({ "by": ["NEWER-canary"] }));
    let printed = format!("{session:?} {session:#?}");
    for secret in SECRETS.into_iter().chain(["NEWER-canary"]) {
        assert!(!printed.contains(secret), "{secret}");
    }
}

#[test]
fn a_refresh_keeps_what_its_reply_lacks_and_a_login_does_not() {
    let refreshed = session().granted(grant(HOUR), of(Operation::Refresh)).material.unwrap();
    assert_eq!(text(refreshed.refresh_token.as_ref()), Some(SECRETS[1]));
    assert_eq!(text(refreshed.outputs.get("authorization")), Some(SECRETS[2]));
    let logged_in = session().granted(grant(HOUR), of(Operation::Login));
    assert!(!logged_in.facts.issued.as_ref().unwrap().has_refresh_token);
    let material = logged_in.material.unwrap();
    assert!(material.refresh_token.is_none() && material.outputs.is_empty());
    assert_eq!(material.access_token.expose_secret(), "new");
}

#[test]
fn a_refresh_takes_over_what_its_reply_brings() {
    let outputs = [("authorization".to_owned(), "az".into()), ("more".to_owned(), "m".into())].into();
    let grant = Grant { refresh_token: Some("rotated".into()), outputs, ..grant(HOUR) };
    let material = session().granted(grant, of(Operation::Refresh)).material.unwrap();
    assert_eq!(text(material.refresh_token.as_ref()), Some("rotated"));
    assert_eq!(text(material.outputs.get("authorization")), Some("az"));
    assert_eq!(text(material.outputs.get("more")), Some("m"));
}

#[test]
fn a_refresh_continues_the_session_and_a_login_begins_one() {
    let before = session().facts.issued.unwrap();
    let (refreshed, logged_in) = (refreshed(HOUR), logged_in(2 * HOUR));
    assert_eq!((refreshed.started_at, refreshed.first_lifetime), (before.started_at, HOUR));
    assert_eq!((logged_in.started_at, logged_in.first_lifetime), (now(), 2 * HOUR));
    assert_eq!((refreshed.issued_at, refreshed.expires_at, refreshed.grant.as_str()), (now(), at(HOUR), "grant-2"));
    assert_eq!((refreshed.operation, logged_in.operation), (Operation::Refresh, Operation::Login));
}

#[test]
fn a_session_ends_at_its_limit_or_when_the_provider_says_whichever_is_earlier() {
    let began = -10 * MINUTE;
    // The definition's limit, what this reply says, what an earlier one said; the end.
    for (limit, given, earlier, end) in [
        (None, None, None, None),
        (Some(HOUR), None, None, Some(began + HOUR)),
        (None, Some(900), None, Some(900)),
        (Some(HOUR), Some(900), None, Some(900)),
        (Some(HOUR), Some(2 * HOUR), None, Some(began + HOUR)),
        (None, None, Some(700), Some(700)),
        (None, Some(900), Some(700), Some(900)),
        (Some(HOUR), None, Some(5 * HOUR), Some(began + HOUR)),
    ] {
        let mut session = session();
        session.facts.issued.as_mut().unwrap().given_session_expires_at = earlier.map(at);
        let limit = limit.map(|limit: i64| Duration::from_secs(limit.unsigned_abs()));
        let grant = Grant { session_expires_at: given.map(at), ..grant(HOUR) };
        let issued =
            session.granted(grant, Circumstances { session_limit: limit, ..of(Operation::Refresh) }).facts.issued;
        assert_eq!(issued.unwrap().session_expires_at, end.map(at), "{limit:?} {given:?} {earlier:?}");
    }
}

#[test]
fn a_token_that_is_the_same_or_expires_no_later_is_no_progress() {
    assert!(!refreshed(51 * MINUTE).no_progress);
    assert!(refreshed(50 * MINUTE).no_progress, "no later than the one before");
    assert!(logged_in(50 * MINUTE).no_progress);
    let same = Grant { access_token: SECRETS[0].into(), ..grant(2 * HOUR) };
    assert!(session().granted(same, of(Operation::Login)).facts.issued.unwrap().no_progress, "the same token");
    let elsewhere = Circumstances { provider_fingerprint: "another".to_owned(), ..of(Operation::Login) };
    assert!(!session().granted(grant(MINUTE), elsewhere).facts.issued.unwrap().no_progress, "another provider's");
    let mut expired = session();
    expired.facts.issued.as_mut().unwrap().expires_at = at(0);
    assert!(!expired.granted(grant(-1), of(Operation::Login)).facts.issued.unwrap().no_progress, "after a dead one");
}

#[test]
fn a_refresh_that_was_due_and_adds_almost_no_life_tells_that_the_session_is_ending() {
    assert!(refreshed(359).ending);
    assert!(!refreshed(360).ending, "a tenth of the first lifetime");
    assert!(!logged_in(1).ending, "a login has just begun one");
    let asked = Circumstances { occasion: Occasion::Unplanned, ..of(Operation::Refresh) };
    assert!(
        !session().granted(grant(1), asked).facts.issued.unwrap().ending,
        "not due: the server may count from before"
    );
}

#[test]
fn a_token_remembers_whether_it_was_issued_when_that_was_planned() {
    for (occasion, unplanned) in [(Occasion::Planned, false), (Occasion::Overdue, true), (Occasion::Unplanned, true)] {
        for operation in [Operation::Login, Operation::Refresh] {
            let circumstances = Circumstances { occasion, ..of(operation) };
            let issued = session().granted(grant(HOUR), circumstances).facts.issued.unwrap();
            assert_eq!(issued.unplanned, unplanned, "{operation:?}, {occasion:?}");
        }
    }
}

#[test]
fn a_first_lifetime_that_no_clock_has_seen_is_survived() {
    for (first_lifetime, ending) in [(i64::MAX, true), (i64::MIN, false)] {
        let mut session = session();
        session.facts.issued.as_mut().unwrap().first_lifetime = first_lifetime;
        let issued = session.granted(grant(HOUR), of(Operation::Refresh)).facts.issued.unwrap();
        assert_eq!((issued.ending, issued.first_lifetime), (ending, first_lifetime));
    }
}

#[test]
fn a_failure_takes_nothing_away_and_stands_until_its_operation_succeeds() {
    let failed = session().failed(Operation::Login, failure(), None);
    assert_eq!(failed.facts.issued, session().facts.issued);
    assert_eq!(failed.material.as_ref().unwrap().access_token.expose_secret(), SECRETS[0]);
    let failed = failed.failed(Operation::Refresh, failure(), None);
    let refreshed = failed.clone().granted(grant(HOUR), of(Operation::Refresh)).facts;
    assert!(refreshed.failure(Operation::Refresh).is_none() && refreshed.failure(Operation::Login).is_some());
    let logged_in = failed.granted(grant(HOUR), of(Operation::Login)).facts;
    assert!(logged_in.failure(Operation::Refresh).is_none() && logged_in.failure(Operation::Login).is_none());
}

#[test]
fn a_session_that_was_refused_is_over_but_its_token_stays() {
    let failed = session().failed(Operation::Refresh, failure(), None);
    let ended = failed.intending(intent(Operation::Refresh)).ended();
    assert!(ended.facts.issued.as_ref().unwrap().over);
    assert!(ended.facts.intent.is_none() && ended.facts.failure(Operation::Refresh).is_none());
    assert_eq!(ended.material.unwrap().access_token.expose_secret(), SECRETS[0]);
}

#[test]
fn an_intent_is_settled_by_the_answer_that_it_waited_for() {
    use Operation::{Login, Refresh};
    let outcome = |intended, answer: fn(Session) -> Session| {
        let facts = answer(session().intending(intent(intended))).facts;
        (facts.intent.is_some(), facts.issued.unwrap().over)
    };
    let granted = |operation: Operation| match operation {
        Login => |session: Session| session.granted(grant(HOUR), of(Login)),
        Refresh => |session: Session| session.granted(grant(HOUR), of(Refresh)),
    };
    let failed = |operation: Operation| match operation {
        Login => |session: Session| session.failed(Login, failure(), None),
        Refresh => |session: Session| session.failed(Refresh, failure(), None),
    };
    // Whether the intent stands, and whether the session is over.
    assert_eq!(outcome(Login, granted(Login)), (false, false));
    assert_eq!(outcome(Login, failed(Login)), (false, false));
    assert_eq!(outcome(Refresh, granted(Refresh)), (false, false));
    assert_eq!(outcome(Refresh, failed(Refresh)), (false, false));
    assert_eq!(outcome(Refresh, granted(Login)), (false, false), "a new session has nothing of the old");
    assert_eq!(outcome(Refresh, failed(Login)), (false, true), "what may be spent stays spent");
    assert_eq!(outcome(Login, granted(Refresh)), (true, false), "a refresh says nothing of a login");
    assert_eq!(outcome(Login, failed(Refresh)), (true, false), "a refresh says nothing of a login");
    assert_eq!(outcome(Login, Session::ended), (true, true), "a refresh says nothing of a login");
}

proptest! {
    #[test]
    fn what_is_no_document_is_refused_without_a_word_of_it(
        kept in 0usize..1200,
        noise in proptest::collection::vec(any::<u8>(), 0..12),
        at in 0usize..1200,
    ) {
        let mut document = session().to_document();
        document.truncate(kept.max(1));
        let at = at.min(document.len());
        document.splice(at..at, noise);
        if let Err(error) = Session::from_document(Some(&document)) {
            let said = format!("{error} {error:?}");
            prop_assert!(!said.contains("canary"));
            prop_assert!(error.to_string().starts_with("its document is not understood at line "), "{error}");
        }
    }
}

#[test]
fn a_value_of_the_wrong_type_is_not_quoted() {
    let document = String::from_utf8(session().to_document()).unwrap();
    let document = document.replace("{\"authorization\":\"OUTPUT-canary\"}", "\"OUTPUT-canary\"");
    let error = Session::from_document(Some(document.as_bytes())).unwrap_err();
    assert!(error.to_string().starts_with("its document is not understood at line 1, column "), "{error}");
    assert!(!format!("{error:?}").contains("canary"));
}
