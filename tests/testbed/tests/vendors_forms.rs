//! Each way to get a request's form wrong is recorded, and answered as the vendor would.
//!
//! Requests are written by hand here: an HTTP library would not send most of them.

use std::net::SocketAddr;

use serde_json::{Value, json};
use testbed::vendors::{Palette, ProtocolError, Tenovos};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const EMAIL: &str = "robot@example.com";

/// Sends a request and returns status and body. Lines of the head end in `\n`; `LENGTH` is the body's.
async fn send(address: SocketAddr, head: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = head.replace('\n', "\r\n").replace("LENGTH", &body.len().to_string());
    let request = format!("{head}\r\nHost: fake\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    // Who expects it is told to go on first.
    let answer = answer.trim_start_matches("HTTP/1.1 100 Continue\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

fn assert_recorded(errors: &[ProtocolError], mistake: &str, request: &str) {
    let found = errors.iter().any(|error| error.what.contains(mistake));
    assert!(found, "{request}: no {mistake:?} in {errors:?}");
}

fn palette() -> Palette {
    let palette = Palette::start_plain().unwrap();
    palette.add_account(EMAIL, "x");
    palette
}

const LINE: &str = "POST /v1/auth/authenticate?setCookie=false HTTP/1.1\nContent-Length: LENGTH";
const JSON: &str = "\nContent-Type: application/json";
const ACCEPT: &str = "\nAccept: application/json";

fn login_body() -> Value {
    json!({"emailId": EMAIL, "password": "x"})
}

#[tokio::test]
async fn a_palette_login_as_documented_is_no_mistake() {
    let palette = palette();
    let (status, _) = send(palette.address(), &format!("{LINE}{JSON}{ACCEPT}"), &login_body().to_string()).await;
    assert_eq!(status, 200);
    palette.assert_no_protocol_errors();
}

#[tokio::test]
async fn mistakes_in_a_palette_login_s_head_are_recorded() {
    let palette = palette();
    let usual = format!("{LINE}{JSON}{ACCEPT}");
    #[rustfmt::skip]
    let table = [
        (format!("{usual}\nCookie: a=b"), 200, "header cookie"),
        (format!("{usual}\nAuthorization: x"), 200, "header authorization does not belong"),
        (format!("{usual}\nAccept: */*"), 200, "header accept is there more than once"),
        (format!("{usual}\nContent-Encoding: gzip"), 200, "header content-encoding"),
        (format!("{usual}\nExpect: 100-continue"), 200, "header expect"),
        (format!("{LINE}{JSON}"), 200, "header accept is missing"),
        (format!("{LINE}{JSON}\nAccept: text/html"), 200, "does not admit JSON"),
        (format!("{LINE}{ACCEPT}"), 400, "content-type is None"),
        (format!("{LINE}{ACCEPT}\nContent-Type: text/plain"), 400, "not application/json"),
        (format!("{LINE}{ACCEPT}{JSON};charset=utf-8"), 200, "not application/json"),
        (usual.replace("?setCookie=false", ""), 200, "the query"),
        (usual.replace("false", "true"), 200, "the query"),
        (usual.replace("POST", "PUT"), 405, "PUT where POST belongs"),
        (usual.replace("authenticate", "login"), 404, "a path that Palette does not have"),
        (usual.replace("/v1/auth", "//v1/auth"), 404, "a path that Palette does not have"),
    ];
    for (head, expected, mistake) in table {
        palette.clear();
        let (status, _) = send(palette.address(), &head, &login_body().to_string()).await;
        assert_eq!(status, expected, "{head}");
        assert_recorded(&palette.protocol_errors(), mistake, &head);
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_is_recorded() {
    let palette = palette();
    let body = login_body().to_string();
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let head = format!("{LINE}{JSON}{ACCEPT}").replace("Content-Length: LENGTH", "Transfer-Encoding: chunked");
    assert_eq!(send(palette.address(), &head, &chunked).await.0, 200);
    assert_recorded(&palette.protocol_errors(), "header transfer-encoding", &head);
}

#[tokio::test]
async fn mistakes_in_a_palette_login_s_body_are_recorded() {
    let palette = palette();
    let with = |name: &str, value: Value| {
        let mut body = login_body();
        body[name] = value;
        body.to_string()
    };
    #[rustfmt::skip]
    let table = [
        (with("orgs", json!("a")), 200, "field orgs is unknown"),
        (with("org", Value::Null), 200, "field org is not a string"),
        (with("org", json!("")), 200, "field org is empty"),
        (json!({"emailId": EMAIL}).to_string(), 400, "field password is missing"),
        ("[]".to_owned(), 400, "no object"),
        (format!("emailId={EMAIL}"), 400, "not JSON"),
    ];
    for (body, expected, mistake) in table {
        palette.clear();
        let (status, _) = send(palette.address(), &format!("{LINE}{JSON}{ACCEPT}"), &body).await;
        assert_eq!(status, expected, "{body}");
        assert_recorded(&palette.protocol_errors(), mistake, &body);
    }
}

#[tokio::test]
async fn a_palette_refresh_with_a_body_is_recorded() {
    let palette = palette();
    let head = format!("GET /v1/auth/refresh/a?setCookie=false HTTP/1.1\nContent-Length: LENGTH{JSON}{ACCEPT}");
    assert_eq!(send(palette.address(), &head, "{}").await.0, 401);
    assert_recorded(&palette.protocol_errors(), "a body or content-type where none belongs", &head);
}

fn tenovos() -> Tenovos {
    let tenovos = Tenovos::start_plain().unwrap();
    tenovos.add_account("robot", "x", "key");
    tenovos
}

const TOKEN: &str = "POST /v1/auth/token HTTP/1.1\nContent-Length: LENGTH\nX-API-Key: key";

async fn ask(tenovos: &Tenovos, line: &str, body: &Value) -> (u16, Value) {
    let (status, body) = send(tenovos.address(), &format!("{line}{JSON}{ACCEPT}"), &body.to_string()).await;
    (status, serde_json::from_str(&body).unwrap())
}

#[tokio::test]
async fn mistakes_in_a_tenovos_login_are_recorded() {
    let tenovos = tenovos();
    let login = json!({"username": "robot", "password": "x"});
    let with = |name: &str| {
        let mut login = login.clone();
        login[name] = json!("a");
        login
    };
    #[rustfmt::skip]
    let table = [
        (TOKEN.replace("/v1", ""), login.clone(), 403, "without its /v1"),
        (TOKEN.replace("/token", "/tokens"), login.clone(), 403, "a path that Tenovos does not have"),
        (TOKEN.replace("POST", "PUT"), login.clone(), 403, "PUT on a path"),
        (TOKEN.replace("/token", "/token?a=b"), login.clone(), 200, "the query"),
        (TOKEN.replace("\nX-API-Key: key", ""), login.clone(), 403, "header x-api-key is missing"),
        (format!("{TOKEN}\nAuthorization: Basic cjpy"), login.clone(), 200, "header authorization does not belong"),
        (TOKEN.to_owned(), with("grant"), 200, "field grant is unknown"),
        (TOKEN.to_owned(), json!({"username": "robot"}), 401, "field password is missing"),
        (TOKEN.to_owned(), json!([]), 400, "no object"),
    ];
    for (line, body, expected, mistake) in table {
        tenovos.clear();
        let request = format!("{line} {body}");
        assert_eq!(ask(&tenovos, &line, &body).await.0, expected, "{request}");
        assert_recorded(&tenovos.protocol_errors(), mistake, &request);
    }
}

#[tokio::test]
async fn mistakes_in_a_tenovos_refresh_are_recorded() {
    let tenovos = tenovos();
    let login = json!({"username": "robot", "password": "x"});
    let (_, one) = ask(&tenovos, TOKEN, &login).await;
    let (_, other) = ask(&tenovos, TOKEN, &login).await;
    let (access, refresh) = (&one["session"]["accessToken"], &one["session"]["refreshToken"]);
    let (foreign, id_token) = (&other["session"]["accessToken"], &one["session"]["authorization"]);
    let session = |access: &Value| json!({"session": {"accessToken": access, "refreshToken": refresh}});
    let mut with_user = session(access);
    with_user["username"] = json!("robot");
    #[rustfmt::skip]
    let table = [
        (with_user, 200, "field username is unknown"),
        (session(foreign), 401, "do not match"),
        (session(id_token), 401, "do not match"),
        (json!({"session": null}), 401, "field session is not an object"),
        (json!({"session": {"refreshToken": refresh}}), 401, "field accessToken is missing"),
        (json!({"session": one["session"]}), 200, "field authorization is unknown"),
    ];
    for (body, expected, mistake) in table {
        tenovos.clear();
        assert_eq!(ask(&tenovos, TOKEN, &body).await.0, expected, "{body}");
        assert_recorded(&tenovos.protocol_errors(), mistake, &body.to_string());
        assert_eq!(tenovos.refreshes().len(), 1);
    }
}
