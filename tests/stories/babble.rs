//! An API server that does not speak as one: what it says may be secret, and is not repeated.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use serde_json::json;
use tempfile::NamedTempFile;
use testbed::{
    leaks::Canaries,
    operator::{OperatorOptions, OperatorProcess},
};

use crate::world::{PATIENCE, World};

const SECRET: &str = "c4n4ry-1n-the-b0dy";

/// Answers every request with something that no API server says.
fn babbling_server(body: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
            let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        }
    });
    port
}

#[tokio::test]
async fn an_api_server_that_answers_with_something_else_is_not_quoted() {
    let world = World::without_operator().await;
    let mut canaries = Canaries::default();
    canaries.add("what was answered", SECRET);
    for body in [format!("<html>{SECRET}"), json!({ "kind": SECRET, "items": SECRET }).to_string()] {
        let config = json!({
            "clusters": [{ "name": "c", "cluster": { "server": format!("http://127.0.0.1:{}", babbling_server(body)) } }],
            "users": [{ "name": "u", "user": {} }],
            "contexts": [{ "name": "x", "context": { "cluster": "c", "user": "u" } }],
            "current-context": "x",
        });
        let mut file = NamedTempFile::new().expect("a file");
        file.write_all(config.to_string().as_bytes()).expect("writable");
        let options = OperatorOptions { kubeconfig: file.path().to_owned(), ..world.operator_options() };
        let operator = OperatorProcess::start(&options).expect("it starts");
        assert_eq!(operator.wait(PATIENCE).await.expect("it ends by itself").code(), Some(1));
        let said = operator.logs().join("\n");
        assert!(said.contains("API server"), "{said}");
        assert_eq!(canaries.find("the log", &said), [], "{said}");
    }
}
