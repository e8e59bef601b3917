//! Replies that do not end where they should, or say of themselves what is not so. A provider that frames its replies
//! wrongly must gain neither time nor memory, and above all no place in the reply to another request.

use apitoken_operator::operator::egress::{Cause, MAX_BYTES};
use secrecy::ExposeSecret;

use crate::{
    server::{Act, Server},
    stories::{PATIENT, cause, egress, plain_http, send, send_plain},
};

/// What the buffers of both sides of a loopback socket may swallow before the other end notices that nobody reads.
const BUFFERED: u64 = 16 << 20;

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_reply_that_nobody_asked_for_is_never_taken_for_the_reply_to_the_next_request() {
    let unasked = ok("unasked");
    // In one piece with the reply before it, so that it has arrived when the next request is made.
    for poison in [unasked.clone(), format!("\r\n\r\n{unasked}"), "HTTP/1.1 200 OK\r\ncontent-le".to_owned()] {
        let acts =
            vec![Act::Reply(format!("{}{poison}", ok("asked")).into_bytes()), Act::Reply(ok("late").into_bytes())];
        let server = Server::plain(Act::InTurn(acts)).await;
        let (egress, tls, base) = (egress(), plain_http(), format!("http://{}", server.address));
        for _ in 0..3 {
            let reply = send(&egress, &base, &tls, PATIENT).await.unwrap();
            assert_eq!(reply.body.expose_secret(), b"asked", "each on a connection of its own");
        }
        assert_eq!((server.requests().len(), server.accepted()), (3, 3));
    }
}

#[tokio::test]
async fn a_body_with_two_ends_is_no_reply() {
    let two_lengths = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc".to_owned();
    let no_length = "HTTP/1.1 200 OK\r\ncontent-length: 2x\r\n\r\nabc".to_owned();
    let negative = "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nabc".to_owned();
    let overflowing = "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551618\r\n\r\nabc".to_owned();
    for reply in [two_lengths, no_length, negative, overflowing] {
        let server = Server::plain(Act::ReplyAndClose(reply.clone().into_bytes())).await;
        assert_eq!(cause(send_plain(&server, PATIENT).await), Cause::Malformed, "{reply:?}");
    }
}

#[tokio::test]
async fn chunks_that_are_none_are_no_reply() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for chunks in ["x\r\n", "-1\r\na\r\n0\r\n\r\n", "2\r\nabc\r\n0\r\n\r\n", "ffffffffffffffffff\r\na", "1\r\na\r\n"] {
        let server = Server::plain(Act::ReplyAndClose(format!("{head}{chunks}").into_bytes())).await;
        assert_eq!(cause(send_plain(&server, PATIENT).await), Cause::Closed, "{chunks:?}");
    }
}

#[tokio::test]
async fn trailers_without_end_are_left_after_the_bound() {
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n".to_vec();
    let one = [head.clone(), b"x-long: ".to_vec()].concat();
    for (once, again) in [(one, vec![b'x'; 0x10000]), (head, b"x-many: 0123456789\r\n".repeat(1_000))] {
        let server = Server::plain(Act::Flood(once, again)).await;
        assert_eq!(cause(send_plain(&server, PATIENT).await), Cause::Closed);
        server.open_connections(|open| *open == 0).await;
        assert!(server.written() < BUFFERED, "{} bytes went out", server.written());
    }
}

#[tokio::test]
async fn other_names_of_a_compression_are_compressions_too() {
    for encodings in ["br", "x-gzip", "zstd", "identity, gzip", "GZIP", "identity\r\ncontent-encoding: deflate", ""] {
        let reply = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {encodings}\r\ncontent-length: 2\r\n\r\n\x1f\x0b");
        let server = Server::plain(Act::Reply(reply.into_bytes())).await;
        assert_eq!(cause(send_plain(&server, PATIENT).await), Cause::Encoded, "{encodings:?}");
    }
    // Compressed by the transfer, not by its content: the bytes are handed on as they are, and bounded as they are.
    let bomb = "x".repeat(MAX_BYTES + 1);
    let reply =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n{:x}\r\n{bomb}\r\n0\r\n\r\n", bomb.len());
    let server = Server::plain(Act::Reply(reply.into_bytes())).await;
    assert_eq!(cause(send_plain(&server, PATIENT).await), Cause::BodyTooLarge);
}

#[tokio::test]
async fn a_switch_to_another_protocol_is_a_reply_without_a_body() {
    let switch = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nanything".to_vec();
    let server = Server::plain(Act::Reply(switch)).await;
    match send_plain(&server, PATIENT).await {
        Ok(reply) => assert_eq!((reply.status, reply.body.expose_secret().len()), (101, 0)),
        Err(error) => assert!(error.request_was_sent(), "{error}"),
    }
    server.open_connections(|open| *open == 0).await;
}

#[tokio::test]
async fn a_head_that_breaks_the_rules_is_no_reply() {
    let with = |line: &str| format!("HTTP/1.1 200 OK\r\n{line}\r\ncontent-length: 2\r\n\r\nok");
    for reply in [
        with("no colon"),
        with("x-nul: a\0b"),
        with(" x-folded: a"),
        with("x y: a"),
        with(": a"),
        "HTTP/1.1 99 OK\r\ncontent-length: 2\r\n\r\nok".to_owned(),
        "HTTP/1.1 2000 OK\r\ncontent-length: 2\r\n\r\nok".to_owned(),
        "HTTP/9.9 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned(),
    ] {
        let server = Server::plain(Act::ReplyAndClose(reply.clone().into_bytes())).await;
        assert_eq!(cause(send_plain(&server, PATIENT).await), Cause::Malformed, "{reply:?}");
    }
}
