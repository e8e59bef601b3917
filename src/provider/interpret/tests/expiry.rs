//! When a token ends. The request was sent at 12:00:00.7, the reply was there at 12:00:01.7.

use super::*;

/// Expiry of a login with these entries, as the time of day, or with the date where it is another.
fn expires(entries: &str, reply: &Reply) -> Result<String, FailureClass> {
    let values = format!("{TOKEN}\n      outputs: {{ id: {{ json: /id, optional: true }} }}");
    let yaml = minimal(TOKEN, &values).replace(AFTER, entries);
    let grant = interpret(&definition(&yaml), Operation::Login, reply, None).map_err(|failure| failure.class)?;
    let text = grant.expires_at.to_string();
    Ok(text.strip_prefix("2026-11-20T").unwrap_or(&text).to_owned())
}

/// The same of one JSON value, with 15 minutes where it does not yield.
fn of_json(entry: &str, json: &str) -> String {
    let entries = format!("[ {{ {entry}: {{ json: /e }} }}, {{ after: 15m }} ]");
    expires(&entries, &reply(200, &[], &format!(r#"{{"token":"t","e":{json}}}"#))).unwrap()
}

const NOT: &str = "12:15:00Z";

#[test]
fn a_relative_expiry_counts_from_when_the_request_was_sent() {
    let table = [
        ("seconds", "3600", "13:00:00Z"),
        ("seconds", "\"3600\"", "13:00:00Z"),
        ("seconds", "\" 3600 \"", "13:00:00Z"),
        ("seconds", "59.9", "12:01:00Z"),
        ("seconds", "60.1", "12:01:00Z"),
        ("milliseconds", "60000", "12:01:00Z"),
        ("minutes", "1.5", "12:01:30Z"),
        ("seconds", "0", NOT),
        ("seconds", "-1", NOT),
        ("seconds", "null", NOT),
        ("seconds", "\"\"", NOT),
        ("seconds", "\"soon\"", NOT),
        ("seconds", "\"NaN\"", NOT),
        ("seconds", "\"inf\"", NOT),
        ("seconds", "true", NOT),
        ("seconds", "[60]", NOT),
        ("seconds", "{}", NOT),
        ("seconds", "1e18", NOT),
        ("seconds", "1e300", NOT),
        ("seconds", "315619201", NOT),
        ("seconds", "315619199", "2036-11-20T11:59:59Z"),
    ];
    for (entry, json, expected) in table {
        assert_eq!(of_json(entry, json), expected, "{entry} {json}");
    }
}

#[test]
fn an_absolute_expiry_may_lie_in_the_past_but_not_ten_years_ahead() {
    let table = [
        ("epochSeconds", "1795177800", "12:30:00Z"),
        ("epochSeconds", "\"1795177800\"", "12:30:00Z"),
        ("epochSeconds", "1795177800.9", "12:30:00Z"),
        ("epochMilliseconds", "1795177800000", "12:30:00Z"),
        ("epochMilliseconds", "1795177800999.9", "12:30:00Z"),
        ("epochMilliseconds", "1795177800", "12:30:00Z"),
        ("epochMicroseconds", "1795177800000000", "12:30:00Z"),
        ("epochSeconds", "1795100000", "2026-11-19T14:53:20Z"),
        ("epochSeconds", "0", "1970-01-01T00:00:00Z"),
        ("epochSeconds", "-1e300", "1970-01-01T00:00:00Z"),
        ("epochSeconds", "1795177800000", NOT),
        ("epochSeconds", "1e300", NOT),
        ("epochSeconds", "null", NOT),
        ("timestamp", "\"2026-11-20T12:30:00Z\"", "12:30:00Z"),
        ("timestamp", "\"2026-11-20T12:30:00.999Z\"", "12:30:00Z"),
        ("timestamp", "\"2026-11-20t13:30:00.5+01:00\"", "12:30:00Z"),
        ("timestamp", "\"2026-11-20 12:30:00\"", "12:30:00Z"),
        ("timestamp", "\"2026-11-20 12:30:00Z\"", "12:30:00Z"),
        ("timestamp", "\"2026-11-20T11:30:00-01:00\"", "12:30:00Z"),
        ("timestamp", "\"Fri, 20 Nov 2026 12:30:00 GMT\"", "12:30:00Z"),
        ("timestamp", "\"2020-01-01T00:00:00Z\"", "2020-01-01T00:00:00Z"),
        ("timestamp", "\"2099-01-01T00:00:00Z\"", NOT),
        ("timestamp", "\"2026-11-20\"", NOT),
        ("timestamp", "\"2026-11-20T25:00:00Z\"", NOT),
        ("timestamp", "\"tomorrow\"", NOT),
        ("timestamp", "1795177800", NOT),
    ];
    for (entry, json, expected) in table {
        assert_eq!(of_json(entry, json), expected, "{entry} {json}");
    }
}

#[test]
fn the_earliest_wins_and_after_only_where_nothing_else_yields() {
    let reply = reply(200, &[], r#"{"token":"t","a":600,"b":300}"#);
    let all = "{ seconds: { json: /a } }, { seconds: { json: /b } }, { seconds: { json: /c } }";
    assert_eq!(expires(&format!("[ {{ after: 1m }}, {all} ]"), &reply), Ok("12:05:00Z".to_owned()));
    assert_eq!(
        expires("[ { after: 2h }, { after: 1h }, { seconds: { json: /c } } ]", &reply),
        Ok("13:00:00Z".to_owned())
    );
    assert_eq!(expires("[ { seconds: { json: /c } } ]", &reply), Err(FailureClass::Misconfigured));
}

#[test]
fn a_refresh_that_says_no_end_is_over() {
    let yaml = minimal(AFTER, "[ { seconds: { json: /e } } ]");
    let refreshed = |body: &str| {
        let result = interpret(&definition(&yaml), Operation::Refresh, &reply(200, &[], body), None);
        outcome(&result).map(str::to_owned)
    };
    assert_eq!(refreshed(r#"{"token":"t"}"#), Err(FailureClass::SessionOver));
    assert_eq!(refreshed(r#"{"token":"t","e":60}"#), Ok("t".to_owned()));
}

#[test]
fn an_end_that_only_json_says_is_awaited_where_the_reply_is_none() {
    let yaml = minimal(TOKEN, "accessToken: { header: x-token }").replace(AFTER, "[ { seconds: { json: /e } } ]");
    let result = interpret(&definition(&yaml), Operation::Login, &reply(200, &[("x-token", "t")], "<html>"), None);
    assert_eq!(outcome(&result), Err(FailureClass::Transient));
}

#[test]
fn a_jwt_is_read_as_it_is_after_the_reply() {
    let body = |token: &str, id: &str| reply(200, &[], &format!(r#"{{"token":"{token}","id":"{id}"}}"#));
    let (soon, late) = (jwt(r#"{"exp":1795177800}"#), jwt(r#"{"exp":1795181400}"#));
    let both = "[ { jwt: accessToken }, { jwt: id }, { after: 15m } ]";
    assert_eq!(expires(both, &body(&late, &soon)), Ok("12:30:00Z".to_owned()));
    assert_eq!(expires(both, &body(&late, "")), Ok("13:30:00Z".to_owned()));
    assert_eq!(expires(both, &body("opaque", "opaque")), Ok(NOT.to_owned()));
    let values = format!("{TOKEN}\n      outputs: {{ id: {{ json: /id }} }}");
    let yaml = minimal(TOKEN, &values).replace(AFTER, "[ { jwt: id } ]");
    let session = Session::new("old", None, &[("id", &soon)]);
    let kept = interpret(&definition(&yaml), Operation::Refresh, &body("t", ""), Some(session.values())).unwrap();
    assert_eq!(kept.expires_at, at("2026-11-20T12:30:00Z"));
}

#[test]
fn a_cookie_ends_by_max_age_or_else_by_its_date() {
    let of = |cookie: &str| {
        let headers = [("set-cookie", "sid=old; Max-Age=5"), ("set-cookie", cookie)];
        expires("[ { cookie: sid }, { after: 15m } ]", &reply(200, &headers, r#"{"token":"t"}"#)).unwrap()
    };
    let table = [
        ("sid=x; Max-Age=60", "12:01:00Z"),
        ("sid=x; Expires=Fri, 20 Nov 2026 12:30:00 GMT; max-age=60; Path=/", "12:01:00Z"),
        ("sid=x; Max-Age=5; Max-Age=60", "12:01:00Z"),
        ("sid=x; expires=Fri, 20-Nov-2026 12:30:00 GMT", "12:30:00Z"),
        ("sid=x; Max-Age=soon; Expires=Fri, 20 Nov 2026 12:30:00 GMT", "12:30:00Z"),
        ("sid=x; Max-Age=0", NOT),
        ("sid=x", NOT),
    ];
    for (cookie, expected) in table {
        assert_eq!(of(cookie), expected, "{cookie}");
    }
}

#[test]
fn a_session_end_is_read_beside_the_tokens() {
    let values = format!("{TOKEN}\n      sessionExpiry: [ {{ seconds: {{ json: /session }} }} ]");
    let end = |body: &str| login(&values, &reply(200, &[], body)).unwrap().session_expires_at;
    assert_eq!(end(r#"{"token":"t","session":7200}"#), Some(at("2026-11-20T14:00:00Z")));
    assert_eq!(end(r#"{"token":"t"}"#), None);
}

#[test]
fn absolute_times_are_moved_by_the_offset_of_the_date_header() {
    let entries = "[ { epochSeconds: { json: /e } } ]";
    let of = |date: &str| {
        let date = format!("Fri, 20 Nov 2026 {date} GMT");
        expires(entries, &reply(200, &[("date", &date)], r#"{"token":"t","e":1795177800}"#)).unwrap()
    };
    let table = [
        ("12:00:01", "12:30:00Z"),
        ("12:00:06", "12:30:00Z"),
        ("11:59:56", "12:30:00Z"),
        ("12:01:01", "12:29:00Z"),
        ("11:59:00", "12:31:00Z"),
    ];
    for (date, expected) in table {
        assert_eq!(of(date), expected, "{date}");
    }
    let other = |date: &str, entries: &str| {
        let values = minimal(AFTER, entries);
        let reply = reply(200, &[("date", date)], r#"{"token":"t","e":1795177800,"s":60}"#);
        interpret(&definition(&values), Operation::Login, &reply, None).unwrap()
    };
    let ahead = other("Fri, 20 Nov 2026 13:00:01 GMT", "[ { seconds: { json: /s } } ]");
    assert_eq!(ahead.expires_at, at("2026-11-20T12:01:00Z"), "a relative time needs no correction");
    assert_eq!(ahead.clock_offset.map(|it| it.as_secs()), Some(3599));
    let absurd = other("Fri, 20 Nov 2020 13:00:01 GMT", entries);
    assert_eq!((absurd.expires_at, absurd.clock_offset), (at("2026-11-20T12:30:00Z"), None));
}
