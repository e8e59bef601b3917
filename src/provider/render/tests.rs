//! The form of every place, and that no value ever leaves its own.

mod ambiguous;
mod properties;

use std::collections::BTreeMap;

use super::*;
use crate::provider::{
    fixtures::{MINIMAL, Session, credentials, definition, minimal},
    presets,
};

const BOUNDARY: &str = "boundary0123456789";
const ONCE: Once<'_> = Once { random: BOUNDARY, at: Timestamp::UNIX_EPOCH, shown: false };
const JSON: &str = "{ json: { password: \"${credentials.password}\" } }";

/// A request as a server sees it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    line: String,
    headers: BTreeMap<String, String>,
    body: Option<String>,
}

fn seen(request: &Request) -> Seen {
    let headers = request.headers.iter();
    Seen {
        line: format!("{} {}", request.method, request.url.expose_secret()),
        headers: headers.map(|(name, value)| (name.to_string(), value.expose_secret().to_owned())).collect(),
        body: request.body.as_ref().map(|body| String::from_utf8(body.expose_secret().to_vec()).unwrap()),
    }
}

fn defaults(definition: &Definition) -> BTreeMap<String, String> {
    definition.parameters(&BTreeMap::new()).unwrap()
}

fn login(yaml: &str, pairs: &[(&str, &str)]) -> Result<Seen, Unrenderable> {
    let definition = definition(yaml);
    let credentials = credentials(&definition, pairs);
    let parameters = defaults(&definition);
    let values = Values { credentials: &credentials, parameters: &parameters, uid: "uid-1", session: None };
    render(&definition, Operation::Login, &values, &ONCE).map(|request| seen(&request))
}

fn of_preset(name: &str, operation: Operation, pairs: &[(&str, &str)], session: Option<&Session>) -> Seen {
    let definition = presets::definition(name).unwrap();
    let credentials = credentials(&definition, pairs);
    let session = session.map(Session::values);
    let values = Values { credentials: &credentials, parameters: &BTreeMap::new(), uid: "uid-1", session };
    seen(&render(&definition, operation, &values, &ONCE).unwrap())
}

/// The body of a login with this body and these credentials.
fn body(form: &str, pairs: &[(&str, &str)]) -> String {
    login(&minimal(JSON, form), pairs).unwrap().body.unwrap()
}

#[test]
fn palette_is_asked_as_its_documents_say() {
    let pairs = [("emailId", "a@b.example"), ("password", "p\"w")];
    let login = of_preset("Palette", Operation::Login, &pairs, None);
    assert_eq!(login.line, "POST https://api.spectrocloud.com/v1/auth/authenticate?setCookie=false");
    assert_eq!(login.headers["content-type"], "application/json");
    assert_eq!(login.headers["accept"], "application/json, */*;q=0.1");
    assert_eq!(login.body.unwrap(), r#"{"emailId":"a@b.example","password":"p\"w"}"#);
    let session = Session::new("a.b/c", None, &[]);
    let refresh = of_preset("Palette", Operation::Refresh, &pairs, Some(&session));
    assert_eq!(refresh.line, "GET https://api.spectrocloud.com/v1/auth/refresh/a.b%2Fc?setCookie=false");
    assert_eq!((refresh.body, refresh.headers.len()), (None, 1));
}

#[test]
fn tenovos_is_asked_as_its_documents_say() {
    let pairs = [("username", "u"), ("password", "p"), ("apiKey", "k")];
    let login = of_preset("Tenovos", Operation::Login, &pairs, None);
    assert_eq!(login.line, "POST https://api.tenovos.io/v1/auth/token");
    assert_eq!(login.headers["x-api-key"], "k");
    assert_eq!(login.body.unwrap(), r#"{"password":"p","username":"u"}"#);
    let session = Session::new("access", Some("refresh"), &[]);
    let refresh = of_preset("Tenovos", Operation::Refresh, &pairs, Some(&session));
    assert_eq!(refresh.body.unwrap(), r#"{"session":{"accessToken":"access","refreshToken":"refresh"}}"#);
}

#[test]
fn virtana_is_asked_as_its_documents_say() {
    let login = of_preset("Virtana", Operation::Login, &[("clientId", "i"), ("clientSecret", "s")], None);
    assert_eq!(login.line, "POST https://app.cloud.virtana.com/authorization/oauth/token");
    assert_eq!(login.headers["content-type"], format!("multipart/form-data; boundary={BOUNDARY}"));
    let field = |name: &str, value: &str| {
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let fields = [("client_id", "i"), ("client_secret", "s"), ("grant_type", "client_credentials")];
    let expected: String = fields.map(|(name, value)| field(name, value)).concat();
    assert_eq!(login.body.unwrap(), format!("{expected}--{BOUNDARY}--\r\n"));
}

#[test]
fn an_entry_that_uses_an_absent_name_is_left_out() {
    let p = [("password", "p")];
    let table = [
        (r#"{ json: { a: "${credentials.org}", b: "x" } }"#, r#"{"b":"x"}"#),
        (r#"{ json: { b: "x", c: "x${credentials.org}" } }"#, r#"{"b":"x"}"#),
        (r#"{ json: { a: { b: "${credentials.org}" }, c: 1 } }"#, r#"{"c":1}"#),
        (r#"{ json: { a: [ "${credentials.org}" ], c: [ "${credentials.org}", 1, "x" ] } }"#, r#"{"c":[1,"x"]}"#),
        (r#"{ json: { a: [ [ { b: "${credentials.org}" } ] ] } }"#, "{}"),
        ("{ json: { a: {}, b: [], c: [ {} ] } }", r#"{"a":{},"b":[],"c":[{}]}"#),
        (
            r#"{ json: { a: "", b: null, c: false, d: 1.5, e: "true" } }"#,
            r#"{"a":"","b":null,"c":false,"d":1.5,"e":"true"}"#,
        ),
        (r#"{ form: { a: "${credentials.org}", b: "", c: "x" } }"#, "b=&c=x"),
        (r#"{ form: { a: "${credentials.org}" } }"#, ""),
        (r#"{ multipart: { a: "${credentials.org}" } }"#, "--boundary0123456789--\r\n"),
    ];
    for (form, expected) in table {
        assert_eq!(body(form, &p), expected, "{form}");
    }
    let yaml = minimal(
        "path: /login",
        r#"path: /login
    query: { a: "${credentials.org}", b: "", c: "x y" }
    headers: { X-Org: "${credentials.org}", X-Empty: "" }"#,
    );
    let seen = login(&yaml, &p).unwrap();
    assert_eq!(seen.line, "POST https://api.example.com/v1/login?b=&c=x%20y");
    assert!(!seen.headers.contains_key("x-org"));
    assert_eq!(seen.headers["x-empty"], "");
}

#[test]
fn every_place_has_its_encoding() {
    let value = "a b+c/ü&=%\"";
    let yaml = minimal(
        "path: /login",
        r#"path: "/x${credentials.password}/login"
    query: { "q q": "${credentials.password}" }"#,
    );
    let pairs = [("password", value)];
    let encoded = "a%20b%2Bc%2F%C3%BC%26%3D%25%22";
    let line = login(&yaml, &pairs).unwrap().line;
    assert_eq!(line, format!("POST https://api.example.com/v1/x{encoded}/login?q%20q={encoded}"));
    assert_eq!(body(r#"{ form: { "q q": "${credentials.password}" } }"#, &pairs), "q+q=a+b%2Bc%2F%C3%BC%26%3D%25%22");
    assert_eq!(body(JSON, &pairs), r#"{"password":"a b+c/ü&=%\""}"#);
    assert!(
        body(r#"{ multipart: { 'q"q': "${credentials.password}" } }"#, &pairs)
            .contains("\"q%22q\"\r\n\r\na b+c/ü&=%\"\r\n")
    );
}

#[test]
fn basic_auth_is_raw_or_form_urlencoded() {
    let with = |encoding: &str, username: &str| {
        let basic = format!(
            "path: /login\n    basicAuth: {{ username: \"{username}\", password: \"${{credentials.password}}\"{encoding} }}"
        );
        login(&minimal("path: /login", &basic), &[("password", "p:%+ü")])
            .map(|seen| seen.headers["authorization"].clone())
    };
    let base64 = |text: &str| Ok(format!("Basic {}", STANDARD.encode(text)));
    assert_eq!(with("", "user"), base64("user:p:%+ü"));
    assert_eq!(with(", encoding: Raw", "user"), base64("user:p:%+ü"));
    assert_eq!(with(", encoding: FormURLEncoded", "us er:"), base64("us+er%3A:p%3A%25%2B%C3%BC"));
    assert_eq!(with("", "us:er"), Err(Unrenderable::UserName));
}

#[test]
fn a_request_without_body_says_so_where_one_is_expected() {
    let none = minimal("body: { json: { password: \"${credentials.password}\" } }", "");
    let seen = login(&none, &[("password", "p")]).unwrap();
    assert_eq!((seen.body, seen.headers["content-length"].as_str()), (None, "0"));
    let delete = login(&none.replacen("method: POST", "method: DELETE", 1), &[("password", "p")]).unwrap();
    assert!(!delete.headers.contains_key("content-length"));
}

#[test]
fn headers_of_the_definition_win_over_ours() {
    let yaml = minimal(
        "path: /login",
        "path: /login\n    headers: { accept: text/plain, Content-Type: application/vnd.api+json }",
    );
    let seen = login(&yaml, &[("password", "p")]).unwrap();
    assert_eq!((seen.headers["accept"].as_str(), seen.headers.len()), ("text/plain", 2));
    assert_eq!(seen.headers["content-type"], "application/vnd.api+json");
}

#[test]
fn a_value_that_cannot_stand_in_a_header_is_refused_by_the_name_of_its_key() {
    let yaml = minimal("path: /login", "path: /login\n    headers: { X-Key: \"${credentials.password}\" }");
    let table = [
        ("canary\n", "header x-key: credentials.password ends in a newline"),
        ("canary\r\nX-Admin: 1", "header x-key: credentials.password holds what no header can carry"),
        ("canary\0", "holds what no header can carry"),
        ("canary\t", "holds what no header can carry"),
        ("canaryü", "holds what no header can carry"),
        ("canary ", "header x-key: begins or ends in a blank"),
    ];
    for (value, expected) in table {
        let failure = Failure::from(login(&yaml, &[("password", value)]).unwrap_err());
        assert_eq!((failure.class, failure.status), (FailureClass::Misconfigured, None));
        assert!(failure.message.contains(expected) && !failure.message.contains("canary"), "{}", failure.message);
    }
    assert_eq!(login(&yaml, &[("password", "a b")]).unwrap().headers["x-key"], "a b");
}

#[test]
fn a_value_can_make_no_step_of_a_path() {
    for path in ["/${credentials.password}/x", "/.${credentials.password}", "/%2e${credentials.password}"] {
        let yaml = minimal("path: /login", &format!("path: \"{path}\""));
        assert!(login(&yaml, &[("password", ".")]).is_err(), "{path}");
    }
    let yaml = minimal("path: /login", "path: \"/${credentials.password}\"");
    assert_eq!(login(&yaml, &[("password", "..")]), Err(Unrenderable::DotSegment("/${credentials.password}".into())));
    assert!(login(&yaml, &[("password", "...")]).is_ok());
    assert!(login(&yaml, &[("password", "%2e%2e")]).unwrap().line.ends_with("/%252e%252e"));
}

#[test]
fn a_boundary_that_stands_in_a_value_is_refused() {
    let yaml = minimal(JSON, "{ multipart: { a: \"${credentials.password}\" } }");
    assert_eq!(login(&yaml, &[("password", "x--boundary0123456789x")]), Err(Unrenderable::Boundary));
}

#[test]
fn a_boundary_is_what_needs_no_quotes() {
    let long = "x".repeat(71);
    for (boundary, good) in
        [("aZ9-_", true), (&long[1..], true), (&long, false), ("", false), ("a b", false), ("a\r\n", false)]
    {
        assert_eq!(body::Boundary::new(boundary).is_ok(), good, "{boundary:?}");
    }
}

#[test]
fn parameters_and_the_uid_can_be_sent() {
    let yaml = minimal("[]", "[{ name: project, default: demo }]")
        .replace(JSON, "{ form: { p: \"${parameters.project}\", u: \"${apiToken.uid}\" } }");
    assert_eq!(login(&yaml, &[("password", "p")]).unwrap().body.unwrap(), "p=demo&u=uid-1");
}

#[test]
fn a_provider_without_refresh_refuses_to_refresh() {
    let virtana = presets::definition("Virtana").unwrap();
    let credentials = credentials(&virtana, &[("clientId", "i"), ("clientSecret", "s")]);
    let values = Values { credentials: &credentials, parameters: &BTreeMap::new(), uid: "u", session: None };
    let refused = render(&virtana, Operation::Refresh, &values, &ONCE).map(|request| seen(&request));
    assert_eq!(refused, Err(Unrenderable::NoRefresh));
}

#[test]
fn a_rendered_request_cannot_be_printed() {
    let definition = definition(MINIMAL);
    let credentials = credentials(&definition, &[("password", "canary")]);
    let values = Values { credentials: &credentials, parameters: &BTreeMap::new(), uid: "u", session: None };
    let request = render(&definition, Operation::Login, &values, &ONCE).unwrap();
    assert!(!format!("{request:?}").contains("canary"));
}
