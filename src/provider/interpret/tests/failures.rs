//! Classes: by rule, by status, by what a good status lacks; and how long to wait.

use std::time::Duration;

use FailureClass::{Misconfigured, RateLimited, Rejected, SessionOver, Transient};

use super::*;

/// A number that no f64 holds: 4 with 320 digits behind it.
const BEYOND_F64: &str = concat!(
    "40000000000000000000000000000000000000000000000000000000000000000000000000000000",
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000",
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000",
    "000000000000000000000000000000000000000000000000000000000000000000000000000000000",
);

type Headers<'a> = &'a [(&'a str, &'a str)];

fn with_rules(rules: &str) -> Definition {
    definition(&minimal("  login:", &format!("  errors: [ {rules} ]\n  login:")))
}

fn class(definition: &Definition, operation: Operation, reply: &Reply) -> Option<FailureClass> {
    interpret(definition, operation, reply, None).err().map(|failure| failure.class)
}

#[test]
fn a_status_has_a_class_for_each_operation() {
    let minimal = with_rules("");
    let table = [
        (200, None, None),
        (204, Some(Transient), Some(Transient)),
        (301, Some(Transient), Some(Transient)),
        (304, Some(Transient), Some(Transient)),
        (400, Some(Rejected), Some(SessionOver)),
        (401, Some(Rejected), Some(SessionOver)),
        (402, Some(Misconfigured), Some(SessionOver)),
        (403, Some(Rejected), Some(SessionOver)),
        (404, Some(Misconfigured), Some(SessionOver)),
        (408, Some(Transient), Some(Transient)),
        (422, Some(Rejected), Some(SessionOver)),
        (425, Some(Transient), Some(Transient)),
        (429, Some(RateLimited), Some(RateLimited)),
        (499, Some(Misconfigured), Some(SessionOver)),
        (500, Some(Transient), Some(Transient)),
        (503, Some(Transient), Some(Transient)),
        (599, Some(Transient), Some(Transient)),
        (999, Some(Transient), Some(Transient)),
    ];
    for (status, login, refresh) in table {
        let reply = reply(status, &[], if status == 200 { r#"{"token":"t"}"# } else { "" });
        assert_eq!(class(&minimal, Operation::Login, &reply), login, "{status}");
        assert_eq!(class(&minimal, Operation::Refresh, &reply), refresh, "{status}");
    }
    let wait = reply(503, &[("retry-after", "5")], "");
    assert_eq!(class(&minimal, Operation::Login, &wait), Some(RateLimited));
}

#[test]
fn a_good_status_without_json_is_transient_where_json_is_wanted() {
    let utf16: Vec<u8> = "{\"token\":\"t\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let deep = "[".repeat(60_000);
    for body in ["<html>", "", "{\"token\":\"t\"", "{\"token\":\"t\"} x", &deep] {
        assert_eq!(outcome(&login(TOKEN, &reply(200, &[], body))), Err(Transient), "{body:.20}");
        assert_eq!(outcome(&refresh(TOKEN, &reply(200, &[], body))), Err(Transient), "{body:.20}");
    }
    let reply = Reply { body: utf16.into(), ..reply(200, &[], "") };
    assert_eq!(outcome(&login(TOKEN, &reply)), Err(Transient));
}

#[test]
fn the_first_rule_that_matches_decides() {
    let errors = r#"{ json: /code, equals: ["7", "true"], class: Rejected, reason: Locked }, { status: [200, 418], json: /code, class: Transient },
        { header: X-Error, equals: [no], class: RateLimited }, { operation: Refresh, text: {}, equals: [expired], class: SessionOver },
        { status: [401], class: Misconfigured }"#;
    let definition = with_rules(errors);
    let table = [
        (reply(200, &[], r#"{"code":7,"token":"t"}"#), Some(Rejected), Some(Rejected)),
        (reply(500, &[], r#"{"code":"7"}"#), Some(Rejected), Some(Rejected)),
        (reply(200, &[], r#"{"code":true,"token":"t"}"#), Some(Rejected), Some(Rejected)),
        (reply(200, &[], r#"{"code":8,"token":"t"}"#), Some(Transient), Some(Transient)),
        (reply(418, &[], r#"{"code":{}}"#), Some(Transient), Some(Transient)),
        (reply(200, &[], r#"{"code":"","token":"t"}"#), Some(Transient), Some(Transient)),
        (reply(200, &[], r#"{"code":null,"token":"t"}"#), None, None),
        (reply(422, &[], "code 7"), Some(Rejected), Some(SessionOver)),
        (reply(200, &[("x-error", "no")], r#"{"token":"t"}"#), Some(RateLimited), Some(RateLimited)),
        (reply(200, &[("x-error", "yes")], r#"{"token":"t"}"#), None, None),
        (reply(500, &[], "expired\n"), Some(Transient), Some(SessionOver)),
        (reply(401, &[], ""), Some(Misconfigured), Some(Misconfigured)),
    ];
    for (index, (reply, login, refresh)) in table.iter().enumerate() {
        assert_eq!(class(&definition, Operation::Login, reply), *login, "row {index}");
        assert_eq!(class(&definition, Operation::Refresh, reply), *refresh, "row {index}");
    }
    let failure = interpret(&definition, Operation::Login, &table[0].0, None).unwrap_err();
    assert_eq!(failure.reason.as_deref(), Some("Locked"));
    assert_eq!(failure.message, "the login was answered with HTTP 200, which errors[0] calls Rejected (Locked)");
}

#[test]
fn a_time_to_wait_is_read_in_both_forms_and_bounded() {
    let date = ("date", "Fri, 20 Nov 2026 11:00:00 GMT");
    let table: [(Headers<'_>, Option<u64>); 16] = [
        (&[], None),
        (&[("retry-after", "30")], Some(30)),
        (&[("retry-after", " 0 ")], Some(0)),
        (&[("retry-after", "1.2")], Some(2)),
        (&[("retry-after", "-5")], None),
        (&[("retry-after", "1e9")], Some(86_400)),
        (&[("retry-after", "1000000000")], Some(86_400)),
        (&[("retry-after", "99999999999999999999999999999999")], Some(86_400)),
        (&[("retry-after", BEYOND_F64)], Some(86_400)),
        (&[("retry-after", "NaN")], None),
        (&[("retry-after", "inf")], None),
        (&[("retry-after", "soon")], None),
        (&[("retry-after", "Fri, 20 Nov 2026 12:01:01 GMT")], Some(60)),
        (&[("retry-after", "Fri, 20 Nov 2026 11:00:10 GMT"), date], Some(10)),
        (&[("retry-after", "Thu, 19 Nov 2026 11:00:10 GMT")], Some(0)),
        (&[("retry-after", "Fri, 20 Nov 2099 11:00:10 GMT")], Some(86_400)),
    ];
    for (headers, seconds) in table {
        let failure = login(TOKEN, &reply(429, headers, "")).unwrap_err();
        let expected = seconds.map(Duration::from_secs);
        assert_eq!(failure.retry_after, expected, "{headers:?}");
    }
}

#[test]
fn a_redirect_is_named_by_its_host_alone() {
    let table = [
        ("https://other.example:8443/canary?canary=1#canary", "to https://other.example:8443;"),
        ("https://canary:canary@other.example/", "to https://other.example;"),
        ("//other.example/canary", "to https://other.example;"),
        ("/canary?canary", "to another path of the same host;"),
        ("http://api.example.com/v1", "to http://api.example.com;"),
        ("javascript:canary", "to elsewhere;"),
        ("https://[canary", "to elsewhere;"),
    ];
    for (location, expected) in table {
        let failure = login(TOKEN, &reply(302, &[("location", location)], "canary")).unwrap_err();
        assert_eq!((failure.class, failure.status), (Transient, Some(302)));
        assert!(failure.message.contains(expected) && !failure.message.contains("canary"), "{}", failure.message);
    }
    let long = format!("https://{}.example/", "canary".repeat(40));
    let failure = login(TOKEN, &reply(302, &[("location", &long)], "")).unwrap_err();
    assert!(!failure.message.contains("canary"));
}

#[test]
fn no_message_holds_a_byte_of_the_reply() {
    let headers = [("x-canary", "canary"), ("set-cookie", "canary=canary"), ("retry-after", "canary")];
    let body = r#"{"error":"canary","error_description":"canary","canary":["canary"]}"#;
    for status in [200, 302, 400, 401, 404, 429, 500, 503] {
        for operation in [Operation::Login, Operation::Refresh] {
            let definition = with_rules("{ status: [404], json: /error, class: Transient }");
            let failure = interpret(&definition, operation, &reply(status, &headers, body), None).unwrap_err();
            assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
        }
    }
}
