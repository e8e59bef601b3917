//! The explanation of a reply says what `interpret` does, and no value.

use super::*;

const VALUES: &str = "accessToken: { json: /token }
      refreshToken: { json: /refresh, optional: true }
      outputs: { id: { header: X-Id, optional: true } }";
const ENTRIES: &str =
    "[ { seconds: { json: /ttl } }, { jwt: accessToken }, { timestamp: { json: /at } }, { after: 1h } ]";

fn explained(reply: &Reply) -> (Explanation, Result<Grant, Failure>) {
    let definition = definition(&minimal(TOKEN, VALUES).replace(AFTER, ENTRIES));
    let outcome = interpret(&definition, Operation::Login, reply, None);
    (explain(&definition, Operation::Login, reply, None, outcome.as_ref().ok()), outcome)
}

#[test]
fn the_entry_that_counts_is_the_expiry_of_the_grant() {
    for (body, counting) in [
        (r#"{"token":"x","ttl":60,"at":"2026-11-20T13:30:00Z"}"#, "seconds: { json: /ttl }"),
        (r#"{"token":"x","ttl":7200,"at":"2026-11-20T12:30:00Z"}"#, "timestamp: { json: /at }"),
        (r#"{"token":"x","ttl":0}"#, "after: 1h"),
    ] {
        let (explanation, outcome) = explained(&reply(200, &[], body));
        let earliest = |fallback: bool| {
            let entries = explanation.expiry.iter().filter(move |entry| entry.is_fallback == fallback);
            entries.filter(|entry| entry.yields.is_some()).min_by_key(|entry| entry.yields)
        };
        let counts = earliest(false).or_else(|| earliest(true)).unwrap();
        assert_eq!(counts.entry, counting);
        assert_eq!(whole_seconds(counts.yields.unwrap()), outcome.unwrap().expires_at);
    }
}

#[test]
fn what_decided_is_what_interpret_decided_by() {
    for (status, body, decided_by, good) in [
        (200, r#"{"token":"x"}"#, DecidedBy::Values, true),
        (200, r#"{"other":"x"}"#, DecidedBy::Values, false),
        (401, r#"{"token":"x"}"#, DecidedBy::Status, false),
        (503, "", DecidedBy::Status, false),
    ] {
        let (explanation, outcome) = explained(&reply(status, &[], body));
        assert_eq!((explanation.decided_by, outcome.is_ok()), (decided_by, good), "{status} {body}");
    }
    let palette = presets::definition("Palette").unwrap();
    let refused = reply(200, &[], r#"{"Authorization":"x","isMfa":true}"#);
    assert_eq!(explain(&palette, Operation::Login, &refused, None, None).decided_by, DecidedBy::Rule(0));
}

#[test]
fn values_are_told_by_place_and_length_alone() {
    let reply = reply(200, &[("X-Id", "canary-id")], r#"{"token":"canary-token","refresh":""}"#);
    let (explanation, _) = explained(&reply);
    let seen: Vec<_> =
        explanation.values.iter().map(|value| (value.name.as_str(), value.place.as_str(), value.found)).collect();
    let text = |characters| SeenText::Text { characters, is_jwt: false };
    assert_eq!(
        seen,
        [
            ("accessToken", "json: /token", text(12)),
            ("refreshToken", "json: /refresh", SeenText::Absent),
            ("id", "header: x-id", text(9)),
        ]
    );
    assert!(!format!("{explanation:?}").contains("canary"));
}
