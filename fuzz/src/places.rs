//! A value put into each place of a request, and a look at the request as a server reads it.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Value as Json, json};
use url::{Url, form_urlencoded};

use crate::{
    api::{TokenProviderSpec, http::Operation},
    provider::{
        definition::{Definition, is_dot_segment},
        render::{Once, Request, Unrenderable, render},
        validate,
        values::{Credentials, SessionValues, Values},
    },
};

/// Separates the fields of a multipart body.
pub const BOUNDARY: &str = "boundary0123456789";

/// Puts `template`, which stands for `text` when `value` is put in, into each place in turn.
pub fn holds(template: &str, value: &str, text: &str) {
    in_path(template, value);
    in_query(template, value, text);
    in_header(template, value, text);
    in_basic_auth(template, value, text);
    in_form(template, value, text);
    in_json(template, value, text);
    in_multipart(template, value, text);
}

/// A login with this at its place, if the definition is taken at all.
fn login(request: &Json, value: &str) -> Option<Result<Request, Unrenderable>> {
    let response = json!({ "accessToken": { "json": "/token" }, "expiry": [{ "after": "1h" }] });
    let mut login = json!({ "method": "POST", "path": "/login", "response": response });
    for (name, part) in request.as_object()? {
        login[name] = part.clone();
    }
    let http = json!({ "credentials": { "required": ["password"] }, "login": login });
    let spec = json!({ "url": "https://api.example.com/v1", "http": http });
    let spec: TokenProviderSpec = serde_json::from_value(spec).expect("a spec");
    let definition = validate::compile(&spec).ok()?;
    Some(rendered(&definition, Operation::Login, value))
}

/// A request with `value` for every credential and every value of the session.
pub fn rendered(definition: &Definition, operation: Operation, value: &str) -> Result<Request, Unrenderable> {
    let keys = definition.credentials.required.iter().chain(&definition.credentials.optional);
    let data = keys.map(|key| (key.as_str(), value.as_bytes()));
    let credentials = Credentials::read(definition, data).expect("all of them");
    let parameters = definition.parameters.iter().map(|it| (it.name.clone(), value.to_owned())).collect();
    let outputs = definition.login.response.outputs.keys();
    let outputs: BTreeMap<_, _> = outputs.map(|name| (name.clone(), value.into())).collect();
    let token = value.into();
    let session = SessionValues { access_token: &token, refresh_token: Some(&token), outputs: &outputs };
    let session = (operation == Operation::Refresh).then_some(session);
    let once = Once { random: BOUNDARY, at: Timestamp::UNIX_EPOCH, shown: false };
    render(
        definition,
        operation,
        &Values { credentials: &credentials, parameters: &parameters, uid: "uid-1", session },
        &once,
    )
}

fn body(request: &Json, value: &str) -> Option<Result<String, Unrenderable>> {
    let request = login(request, value)?;
    Some(request.map(|it| String::from_utf8(it.body.expect("a body").expose_secret().to_vec()).expect("UTF-8")))
}

/// RFC 3986: all but the unreserved characters.
fn percent(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

fn in_path(template: &str, value: &str) {
    let expected = expand(template, &percent(value));
    match login(&json!({ "path": format!("/a/{template}/b") }), value) {
        None => {}
        Some(Err(error)) => {
            assert!(matches!(error, Unrenderable::DotSegment(_)), "{error}");
            assert!(expected.split('/').any(is_dot_segment));
        }
        Some(Ok(request)) => {
            let (url, slashes) = (request.url.expose_secret(), template.matches('/').count());
            assert_eq!(url, format!("https://api.example.com/v1/a/{expected}/b"));
            let read = Url::parse(url).expect("a URL");
            assert_eq!((read.host_str(), read.query(), read.fragment()), (Some("api.example.com"), None, None));
            assert_eq!(read.path_segments().expect("a path").count(), slashes + 4);
        }
    }
}

fn in_query(template: &str, value: &str, text: &str) {
    let Some(request) = login(&json!({ "query": { "q": template, "z": "end" } }), value) else { return };
    let request = request.expect("a query can hold everything");
    let read = Url::parse(request.url.expose_secret()).expect("a URL");
    assert_eq!((read.host_str(), read.path(), read.fragment()), (Some("api.example.com"), "/v1/login", None));
    let pairs: Vec<_> = read.query_pairs().collect();
    assert_eq!(pairs, [("q".into(), text.into()), ("z".into(), "end".into())]);
}

fn in_header(template: &str, value: &str, text: &str) {
    let Some(request) = login(&json!({ "headers": { "X-Key": template } }), value) else { return };
    let visible = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let good = visible && !text.starts_with(' ') && !text.ends_with(' ');
    match request {
        Err(_) => assert!(!good),
        Ok(request) => {
            assert!(good);
            let headers: Vec<_> =
                request.headers.iter().map(|(name, it)| (name.as_str(), it.expose_secret())).collect();
            let ours = [("x-key", text), ("accept", "application/json, */*;q=0.1"), ("content-length", "0")];
            assert_eq!(headers, ours);
        }
    }
}

fn in_basic_auth(template: &str, value: &str, text: &str) {
    for encoding in ["Raw", "FormURLEncoded"] {
        let basic = json!({ "username": "user", "password": template, "encoding": encoding });
        let Some(request) = login(&json!({ "basicAuth": basic }), value) else { return };
        let request = request.expect("base64 can hold everything");
        let (name, header) = &request.headers[0];
        let encoded = header.expose_secret().strip_prefix("Basic ").expect("the scheme");
        let pair = String::from_utf8(STANDARD.decode(encoded).expect("base64")).expect("UTF-8");
        let password = pair.strip_prefix("user:").expect("the user");
        assert_eq!(name, "authorization");
        if encoding == "Raw" {
            assert_eq!(password, text);
        } else {
            assert!(password.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b':' | b'&' | b'=')));
            let read: Vec<_> = form_urlencoded::parse(password.as_bytes()).map(|(read, _)| read.into_owned()).collect();
            assert_eq!(read.concat(), text);
        }
    }
}

fn in_form(template: &str, value: &str, text: &str) {
    let Some(body) = body(&json!({ "body": { "form": { "a": template, "z": "end" } } }), value) else { return };
    let body = body.expect("a form can hold everything");
    let fields: Vec<_> = form_urlencoded::parse(body.as_bytes()).collect();
    assert_eq!(fields, [("a".into(), text.into()), ("z".into(), "end".into())]);
}

fn in_json(template: &str, value: &str, text: &str) {
    let form = json!({ "a": [template, 1], "z": { "end": true } });
    let Some(body) = body(&json!({ "body": { "json": form } }), value) else { return };
    let read: Json = serde_json::from_str(&body.expect("JSON can hold everything")).expect("JSON");
    assert_eq!(read, json!({ "a": [text, 1], "z": { "end": true } }));
}

fn in_multipart(template: &str, value: &str, text: &str) {
    let Some(body) = body(&json!({ "body": { "multipart": { "a": template, "z": "end" } } }), value) else { return };
    let field = |name: &str, text: &str| {
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
    };
    match body {
        Err(error) => assert!(error == Unrenderable::Boundary && text.contains(BOUNDARY)),
        Ok(body) => {
            assert!(!text.contains(BOUNDARY));
            assert_eq!(body, format!("{}{}--{BOUNDARY}--\r\n", field("a", text), field("z", "end")));
        }
    }
}

/// What a template says of which the password is the only name, told by a method of its own.
pub fn expand(template: &str, value: &str) -> String {
    // A literal `${` is set aside under a sign that no template of the fuzzer holds.
    let set_aside = template.replace("$${", "\0");
    let literals = set_aside.split("${credentials.password}").map(|literal| literal.replace('\0', "${"));
    literals.collect::<Vec<_>>().join(value)
}
