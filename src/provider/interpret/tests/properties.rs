//! Foreign bytes: nothing makes reading panic, and what is taken for a token is one.

use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

const EVERYTHING: &str = "accessToken: { json: /token }
      refreshToken: { json: /refresh, optional: true }
      outputs: { id: { cookie: id, optional: true }, text: { text: {}, optional: true } }
      sessionExpiry: [ { minutes: { json: /e } }, { timestamp: { header: x-end } } ]";
const ENTRIES: &str = "[ { seconds: { json: /e } }, { epochMilliseconds: { json: /e } }, { epochMicroseconds: { header: x-end } },
        { timestamp: { json: /e } }, { timestamp: { header: x-end } }, { cookie: id }, { jwt: accessToken }, { jwt: text }, { after: 1m } ]";

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        "\"[!-~]{0,40}\"",
        Just("null".to_owned()),
        Just("[{}]".to_owned()),
        Just("1e999".to_owned()),
    ];
    (leaf.clone(), leaf.clone(), leaf)
        .prop_map(|(token, refresh, e)| format!(r#"{{"token":{token},"refresh":{refresh},"e":{e}}}"#))
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![2 => json().prop_map(String::into_bytes), 1 => any::<Vec<u8>>()]
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    let names = ["set-cookie", "date", "retry-after", "location", "x-end"];
    let value = prop_oneof![
        any::<String>(),
        any::<f64>().prop_map(|number| number.to_string()),
        "id=[ -~]{0,20}; (Max-Age|Expires)=[ -~]{0,30}",
        "(Fri, )?[0-9]{1,2}[ -](Nov|Feb)[ -][0-9]{2,5} [0-9]{1,3}:[0-9]{1,2}:[0-9]{1,2}( GMT)?",
        "[0-9]{4}-[0-9]{2}-[0-9]{2}[ Tt][0-9:.]{1,12}([Zz]|[+-][0-9:]{1,6})?",
    ];
    prop::collection::vec((prop::sample::select(names.to_vec()), value), 0..6).prop_map(|pairs| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
        headers
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_reply_makes_reading_panic_or_yields_what_is_no_token(
        status in prop_oneof![3 => Just(200u16), 1 => any::<u16>()],
        headers in headers(),
        body in body(),
        login in any::<bool>(),
    ) {
        let definition = definition(&minimal(TOKEN, EVERYTHING).replace(AFTER, ENTRIES));
        let reply = Reply { status, headers, body: body.into(), ..reply(200, &[], "") };
        let operation = if login { Operation::Login } else { Operation::Refresh };
        if let Ok(grant) = interpret(&definition, operation, &reply, None) {
            let visible = |value: &SecretString| {
                let value = value.expose_secret();
                (1..=16 * 1024).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic())
            };
            prop_assert!(visible(&grant.access_token));
            prop_assert!(grant.refresh_token.as_ref().is_none_or(visible));
            prop_assert!(grant.outputs.values().all(|it| !it.expose_secret().contains(char::is_control)));
            for time in [Some(grant.expires_at), grant.session_expires_at, Some(grant.issued_at)].into_iter().flatten() {
                prop_assert_eq!(time.subsec_nanosecond(), 0);
                prop_assert!(time <= at("2036-11-20T12:00:00Z"));
            }
        }
    }

    #[test]
    fn no_text_makes_a_date_panic(text in any::<String>(), digits in "[0-9 :,TZGMT+-]{0,40}") {
        for text in [&text, &digits] {
            dates::timestamp(text);
            dates::http_date(text);
        }
    }
}
