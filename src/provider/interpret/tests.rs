//! What replies mean: the vendors' own, and everything that servers have been seen to answer.

mod documented;
mod expiry;
mod explained;
mod failures;
mod headers;
mod oauth2;
mod proof;
mod properties;

use super::*;
use crate::provider::{
    fixtures::{Session, at, definition, jwt, minimal, reply},
    presets,
};

pub(super) const TOKEN: &str = "accessToken: { json: /token }";
pub(super) const AFTER: &str = "[ { after: 1h } ]";

/// What a login with these values, in the place of the minimal provider's, makes of a reply.
pub(super) fn login(values: &str, reply: &Reply) -> Result<Grant, Failure> {
    interpret(&definition(&minimal(TOKEN, values)), Operation::Login, reply, None)
}

/// The same for a refresh of a session that has a refresh token and an output `id`.
pub(super) fn refresh(values: &str, reply: &Reply) -> Result<Grant, Failure> {
    let session = Session::new("old", Some("old-refresh"), &[("id", "old-id")]);
    interpret(&definition(&minimal(TOKEN, values)), Operation::Refresh, reply, Some(session.values()))
}

pub(super) fn outcome(result: &Result<Grant, Failure>) -> Result<&str, FailureClass> {
    result.as_ref().map(|grant| grant.access_token.expose_secret()).map_err(|failure| failure.class)
}

const ALL: &str = "accessToken: { json: /token }
      refreshToken: { json: /refresh }
      outputs: { id: { json: /id }, extra: { json: /extra, optional: true } }";

fn exposed(value: Option<&SecretString>) -> Option<&str> {
    value.map(ExposeSecret::expose_secret)
}

#[test]
fn palettes_login_is_read_and_a_second_factor_is_a_rejection() {
    let palette = presets::definition("Palette").unwrap();
    let token = jwt(r#"{"exp":1795177800}"#);
    let body = |mfa: bool| format!(r#"{{"Authorization":"{token}","isMfa":{mfa}}}"#);
    let grant = interpret(&palette, Operation::Login, &reply(200, &[], &body(false)), None).unwrap();
    assert_eq!((grant.access_token.expose_secret(), grant.expires_at), (&*token, at("2026-11-20T12:30:00Z")));
    assert_eq!(grant.issued_at, at("2026-11-20T12:00:00Z"));
    let failure = interpret(&palette, Operation::Login, &reply(200, &[], &body(true)), None).unwrap_err();
    assert_eq!((failure.class, failure.reason.as_deref()), (FailureClass::Rejected, Some("MfaRequired")));
    let opaque = reply(200, &[], r#"{"Authorization":"opaque","isMfa":false}"#);
    let grant = interpret(&palette, Operation::Login, &opaque, None).unwrap();
    assert_eq!(grant.expires_at, at("2026-11-20T12:15:00Z"));
}

#[test]
fn tenovos_two_tokens_are_read_and_the_earliest_expiry_wins() {
    let tenovos = presets::definition("Tenovos").unwrap();
    let (access, id) = (jwt(r#"{"exp":1795179600}"#), jwt(r#"{"exp":1795179000}"#));
    let body = |epoch: &str| {
        format!(
            r#"{{"username":"u","password":"p","session":{{"authorization":"{id}","accessToken":"{access}",
               "refreshToken":"r","expireEpoch":{epoch}}}}}"#
        )
    };
    let expires = |epoch: &str| {
        let grant = interpret(&tenovos, Operation::Login, &reply(200, &[], &body(epoch)), None).unwrap();
        assert_eq!(exposed(grant.outputs.get("authorization")), Some(&*id));
        assert_eq!(exposed(grant.refresh_token.as_ref()), Some("r"));
        grant.expires_at
    };
    assert_eq!(expires("1795178400000"), at("2026-11-20T12:40:00Z"));
    assert_eq!(expires("1795178400000.5"), at("2026-11-20T12:40:00Z"));
    assert_eq!(expires("1795178400"), at("2026-11-20T12:40:00Z"));
    assert_eq!(expires("1795190000000"), at("2026-11-20T12:50:00Z"));
    assert_eq!(expires("null"), at("2026-11-20T12:50:00Z"));
    let error = reply(200, &[], r#"{"status":"error","message":"canary"}"#);
    let failure = interpret(&tenovos, Operation::Login, &error, None).unwrap_err();
    assert_eq!(failure.class, FailureClass::Rejected);
    assert_eq!(failure.message, "the login was answered with HTTP 200, which errors[0] calls Rejected");
}

#[test]
fn a_value_can_stand_in_json_a_header_a_cookie_or_the_text() {
    let cookies =
        [("set-cookie", "sid=first; Path=/"), ("set-cookie", "other=x"), ("set-cookie", " sid = a+b/c== ;Secure")];
    let table = [
        ("accessToken: { json: /a~1b/1 }", reply(200, &[], r#"{"a/b":["x","tok"]}"#), "tok"),
        ("accessToken: { json: \"\" }", reply(200, &[], "\"tok\""), "tok"),
        ("accessToken: { json: /n }", reply(200, &[], r#"{"n":1234567890123456789}"#), "1234567890123456789"),
        ("accessToken: { json: /n }", reply(200, &[], r#"{"n":true}"#), "true"),
        ("accessToken: { json: /token }", reply(200, &[], "\u{feff}{\"token\":\"tok\"}"), "tok"),
        ("accessToken: { json: /token }", reply(200, &[], r#"{"token":"one","token":"two"}"#), "two"),
        ("accessToken: { header: X-Token }", reply(204, &[("X-Token", "tok"), ("x-token", "no")], ""), "tok"),
        ("accessToken: { cookie: sid }", reply(200, &cookies, "<html>"), "a+b/c=="),
        ("accessToken: { text: {} }", reply(200, &[], "tok\r\n\n"), "tok"),
    ];
    for (values, reply, expected) in table {
        assert_eq!(outcome(&login(values, &reply)), Ok(expected), "{values}");
    }
}

#[test]
fn a_login_that_lacks_what_is_wanted_is_misconfigured_and_says_where() {
    let table = [
        (ALL, "{}", "accessToken (JSON pointer /token) is not there"),
        (ALL, r#"{"token":null}"#, "accessToken (JSON pointer /token) is not there"),
        (ALL, r#"{"token":""}"#, "accessToken (JSON pointer /token) is not there"),
        (ALL, r#"{"token":["canary"]}"#, "accessToken (JSON pointer /token) is a list"),
        (ALL, r#"{"token":{"canary":1}}"#, "accessToken (JSON pointer /token) is an object"),
        (ALL, r#"{"token":123456789012345678901234}"#, "is a number too large"),
        (ALL, r#"{"token":"t"}"#, "refreshToken (JSON pointer /refresh) is not there"),
        (ALL, r#"{"token":"t","refresh":"r"}"#, "id (JSON pointer /id) is not there"),
        ("accessToken: { header: X-Token }", "{}", "accessToken (header x-token) is not there"),
        ("accessToken: { cookie: sid }", "{}", "accessToken (cookie sid) is not there"),
        ("accessToken: { text: {} }", "\r\n", "accessToken (the whole body) is not there"),
        ("accessToken: { json: \"\" }", "{}", "accessToken (the whole JSON document) is an object"),
    ];
    for (values, body, expected) in table {
        let failure = login(values, &reply(200, &[], body)).unwrap_err();
        assert_eq!(failure.class, FailureClass::Misconfigured, "{body}");
        assert!(failure.message.contains(expected) && !failure.message.contains("canary"), "{}", failure.message);
    }
    let grant = login(ALL, &reply(200, &[], r#"{"token":"t","refresh":"r","id":"i"}"#)).unwrap();
    assert_eq!(grant.outputs.keys().collect::<Vec<_>>(), ["id"]);
}

#[test]
fn a_refresh_that_lacks_the_token_is_over_and_one_that_lacks_the_rest_keeps_it() {
    assert_eq!(outcome(&refresh(ALL, &reply(200, &[], "{}"))), Err(FailureClass::SessionOver));
    assert_eq!(outcome(&refresh(ALL, &reply(200, &[], r#"{"token":["t"]}"#))), Err(FailureClass::SessionOver));
    for body in [r#"{"token":"t"}"#, r#"{"token":"t","refresh":null,"id":""}"#, r#"{"token":"t","refresh":""}"#] {
        let grant = refresh(ALL, &reply(200, &[], body)).unwrap();
        assert!(grant.refresh_token.is_none() && grant.outputs.is_empty(), "{body}");
    }
    let grant = refresh(ALL, &reply(200, &[], r#"{"token":"t","refresh":"r","id":"i","extra":"e"}"#)).unwrap();
    assert_eq!((exposed(grant.refresh_token.as_ref()), grant.outputs.len()), (Some("r"), 2));
}

#[test]
fn a_token_is_visible_ascii_of_16_kib_at_most() {
    let of = |token: &str| serde_json::json!({ "token": token, "id": "i", "refresh": "r" }).to_string();
    let long = "x".repeat(16 * 1024 + 1);
    for token in ["a\r\nb", "a\n", "a\0", "a b", " a", "ä", "a\u{7f}", &long] {
        let reply = reply(200, &[], &of(token));
        assert_eq!(outcome(&login(ALL, &reply)), Err(FailureClass::Misconfigured), "{token:?}");
        assert_eq!(outcome(&refresh(ALL, &reply)), Err(FailureClass::SessionOver), "{token:?}");
    }
    assert_eq!(outcome(&login(ALL, &reply(200, &[], &of(&long[1..])))), Ok(&long[1..]));
}

#[test]
fn a_refresh_token_is_held_to_the_same_and_an_output_may_have_blanks() {
    let of = |refresh: &str, id: &str| {
        reply(200, &[], &serde_json::json!({ "token": "t", "refresh": refresh, "id": id }).to_string())
    };
    assert_eq!(outcome(&login(ALL, &of("a\nb", "i"))), Err(FailureClass::Misconfigured));
    assert_eq!(outcome(&login(ALL, &of("r", "a\nb"))), Err(FailureClass::Misconfigured));
    assert_eq!(exposed(login(ALL, &of("r", "Jürgen B")).unwrap().outputs.get("id")), Some("Jürgen B"));
}

#[test]
fn a_refused_reply_never_yields_a_token() {
    let body = r#"{"token":"t","refresh":"r","id":"i"}"#;
    for status in [301, 400, 401, 404, 429, 500, 503] {
        assert!(login(ALL, &reply(status, &[("set-cookie", "sid=x")], body)).is_err(), "{status}");
    }
}
