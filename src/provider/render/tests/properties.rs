//! Whatever a value is: a server that reads the request finds the value at its place, and nothing else anywhere.

use proptest::prelude::*;

use super::*;

/// All that could end a place, more often than chance has it.
fn value() -> impl Strategy<Value = String> {
    let hostile = prop::sample::select(vec![
        "&",
        "=",
        "?",
        "#",
        "/",
        "\\",
        "..",
        ".",
        "%2e",
        "%",
        "+",
        " ",
        "\"",
        "'",
        "{",
        "}",
        "\r\n",
        "\n",
        "--",
        ":",
        ";",
        "${accessToken}",
        "$${",
        "ü",
        "\0",
        "\u{2028}",
        "password",
    ]);
    prop::collection::vec(prop_oneof![hostile.prop_map(str::to_owned), any::<char>().prop_map(String::from)], 1..12)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn a_value_stays_in_its_query_and_its_path(value in value()) {
        let yaml = minimal("path: /login", r#"path: "/a/${credentials.password}/b"
    query: { q: "${credentials.password}", z: end }"#);
        match login(&yaml, &[("password", &value)]) {
            Ok(seen) => {
                let url = url::Url::parse(seen.line.strip_prefix("POST ").unwrap()).unwrap();
                prop_assert_eq!(url.host_str(), Some("api.example.com"));
                let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
                prop_assert_eq!(query, [("q".to_owned(), value.clone()), ("z".to_owned(), "end".to_owned())]);
                let segments: Vec<_> = url.path_segments().unwrap().collect();
                prop_assert_eq!((segments.len(), segments[0], segments[1], segments[3]), (4, "v1", "a", "b"));
                let decoded = url::form_urlencoded::parse(segments[2].as_bytes()).into_owned().next().unwrap();
                prop_assert_eq!(decoded, (value, String::new()));
            }
            Err(error) => prop_assert!(matches!(error, Unrenderable::DotSegment(_)) && matches!(&*value, "." | "..")),
        }
    }

    #[test]
    fn a_value_stays_in_its_form_field(value in value()) {
        let form = body(r#"{ form: { a: "${credentials.password}", z: end } }"#, &[("password", &value)]);
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        prop_assert_eq!(fields, [("a".to_owned(), value), ("z".to_owned(), "end".to_owned())]);
    }

    #[test]
    fn a_value_stays_in_its_json_string(value in value()) {
        let json = body(r#"{ json: { a: [ "${credentials.password}" ], z: "x${credentials.password}" } }"#, &[("password", &value)]);
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(read, serde_json::json!({ "a": [value], "z": format!("x{value}") }));
    }

    #[test]
    fn a_value_stays_in_its_multipart_field(value in value()) {
        let sent = body(r#"{ multipart: { a: "${credentials.password}", z: end } }"#, &[("password", &value)]);
        let delimiter = format!("--{BOUNDARY}");
        let parts: Vec<_> = sent.split(&delimiter).collect();
        prop_assert_eq!((parts.len(), parts[0], parts[3]), (4, "", "--\r\n"));
        let (head, rest) = parts[1].split_once("\r\n\r\n").unwrap();
        prop_assert_eq!(head, "\r\nContent-Disposition: form-data; name=\"a\"");
        prop_assert_eq!(rest, format!("{value}\r\n"));
    }

    #[test]
    fn a_value_stays_in_its_header_or_is_refused(value in value()) {
        let yaml = minimal("path: /login", "path: /login\n    headers: { X-Key: \"Key ${credentials.password}\" }");
        let good = value.bytes().all(|b| matches!(b, b' '..=b'~')) && !value.ends_with(' ');
        match login(&yaml, &[("password", &value)]) {
            Ok(seen) => {
                prop_assert!(good);
                prop_assert_eq!(&seen.headers["x-key"], &format!("Key {value}"));
                prop_assert!(http::HeaderValue::from_str(&seen.headers["x-key"]).is_ok());
            }
            Err(_) => prop_assert!(!good),
        }
    }

    #[test]
    fn a_value_stays_in_its_half_of_basic_auth(value in value()) {
        let yaml = minimal("path: /login", "path: /login\n    basicAuth: { username: user, password: \"${credentials.password}\", encoding: FormURLEncoded }");
        let seen = login(&yaml, &[("password", &value)]).unwrap();
        let decoded = STANDARD.decode(seen.headers["authorization"].strip_prefix("Basic ").unwrap()).unwrap();
        let password = decoded.strip_prefix(b"user:").unwrap();
        let read = url::form_urlencoded::parse(password).into_owned().next().unwrap();
        prop_assert_eq!(read, (value, String::new()));
    }
}
