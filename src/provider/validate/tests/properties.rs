//! Whatever a definition says: it is refused with the paths of its mistakes, or its requests go where its URL says.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::{Value as Json, json};

use super::*;
use crate::{
    api::http::Operation,
    provider::{
        fixtures::{Session, credentials},
        render::{Once, render},
        values::Values,
    },
};

/// What stands in texts of definitions, and what should not.
fn text() -> impl Strategy<Value = String> {
    let pieces = [
        "${credentials.password}",
        "${session.accessToken}",
        "${parameters.p}",
        "${accessToken}",
        "${",
        "$${",
        "}",
        "/",
        "//",
        "..",
        ".",
        "%2e",
        "%",
        "?",
        "#",
        "&",
        "=",
        ":",
        "@",
        "\\",
        " ",
        "\r\n",
        "\t",
        "\0",
        "ü",
        "a",
        "X-Key",
        "Host",
        "password",
        "0",
        "1h",
        "evil.example",
        "https://",
        "[::1]",
    ];
    let piece = prop_oneof![9 => prop::sample::select(pieces.to_vec()).prop_map(str::to_owned), 1 => any::<String>()];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

/// A good text most of the time, so that the others are reached.
fn mostly(good: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![12 => Just(good.to_owned()), 1 => text()]
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![text().prop_map(Json::from), any::<i64>().prop_map(Json::from), Just(Json::Null)];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map(text(), inner, 0..4).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

fn request(path: &'static str) -> impl Strategy<Value = Json> {
    let part = || (mostly("X-Key"), mostly("Key ${credentials.password}"));
    let body = prop_oneof![
        prop::collection::btree_map(text(), json(), 0..4).prop_map(|it| json!({ "json": it })),
        part().prop_map(|(name, text)| json!({ "form": { name: text } })),
        part().prop_map(|(name, text)| json!({ "multipart": { name: text } })),
        part().prop_map(|(name, text)| json!({ "multipart": {}, "form": { name: text } })),
    ];
    let method = prop::sample::select(vec!["GET", "POST", "PUT", "DELETE"]);
    (method, mostly(path), part(), part(), prop::option::of((mostly("u"), mostly("${credentials.password}"))), prop::option::of(body)).prop_map(
        |(method, path, (header, in_header), (name, in_query), basic, body)| {
            let basic = basic.map(|(username, password)| json!({ "username": username, "password": password }));
            let (headers, query) = (json!({ header: in_header }), json!({ name: in_query }));
            json!({ "method": method, "path": path, "headers": headers, "query": query, "basicAuth": basic, "body": body })
        },
    )
}

fn spec() -> impl Strategy<Value = Json> {
    let places = (mostly("/token"), mostly("x-token"), mostly("accessToken"), mostly("id"), mostly("${accessToken}"));
    (mostly("https://api.example.com/v1"), request("/login"), request("/${session.accessToken}"), places).prop_map(
        |(url, mut login, refresh, (pointer, header, name, output, data))| {
            let outputs = json!({ output.clone(): { "header": header } });
            let expiry = json!([{ "jwt": name }, { "cookie": header }, { "after": "1h" }]);
            login["response"] = json!({ "accessToken": { "json": pointer }, "outputs": outputs, "expiry": expiry });
            json!({
                "url": url,
                "parameters": [{ "name": "p", "default": "d" }],
                "output": { "data": { output: data } },
                "http": { "credentials": { "required": ["password"] }, "login": login, "refresh": refresh },
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_definition_is_refused_with_paths_or_asks_its_own_origin(spec in spec(), value in text()) {
        let spec: TokenProviderSpec = serde_json::from_value(spec).unwrap();
        let definition = match compile(&spec) {
            Ok(definition) => definition,
            Err(invalid) => {
                prop_assert!(!invalid.0.is_empty());
                prop_assert!(invalid.0.iter().all(|it| it.path.starts_with("spec.") && !it.message.is_empty()));
                return Ok(());
            }
        };
        let value = format!("v{value}");
        let credentials = credentials(&definition, &[("password", &value)]);
        let outputs = definition.login.response.outputs.keys().map(|name| (name.as_str(), &*value)).collect::<Vec<_>>();
        let session = Session::new(&value, Some(&value), &outputs);
        let parameters = BTreeMap::from([("p".to_owned(), value.clone())]);
        let once = Once { random: "boundary0123456789", at: Timestamp::UNIX_EPOCH, shown: false };
        for (operation, session) in [(Operation::Login, None), (Operation::Refresh, Some(session.values()))] {
            let values = Values { credentials: &credentials, parameters: &parameters, uid: "uid", session };
            let Ok(request) = render(&definition, operation, &values, &once) else { continue };
            let url = url::Url::parse(request.url.expose_secret()).unwrap();
            prop_assert_eq!(url.origin().ascii_serialization(), definition.origin().to_string());
            prop_assert!(url.path().starts_with(definition.base.prefix()) && url.fragment().is_none());
            prop_assert!(url.query_pairs().count() <= 1);
            let mut names: Vec<_> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            prop_assert_eq!(names.len(), request.headers.len());
            prop_assert!(!names.contains(&"host"));
            prop_assert!(request.headers.iter().all(|(_, value)| http::HeaderValue::from_str(value.expose_secret()).is_ok()));
        }
    }
}
