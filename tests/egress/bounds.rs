//! What comes back is bounded in size and in time, and never followed.

use std::{cell::Cell, time::Duration};

use apitoken_operator::{
    api::http::FailureClass,
    operator::{
        address::Tenancy,
        egress::{Cause, MAX_BYTES},
    },
};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use testbed::reliability::row;

use crate::{
    server::{Act, Server},
    stories::{BRIEF, CANARY, PATIENT, cause, egress, plain_http, request, send_plain},
};

/// What the buffers of both sides of a loopback socket may swallow before the other end notices that nobody reads.
const BUFFERED: u64 = 16 << 20;

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn a_request_goes_out_as_rendered_and_its_reply_comes_back_with_both_times() {
    let server = Server::plain(Act::Reply(ok("the reply"))).await;
    let ticks = Cell::new(0);
    let clock = || {
        ticks.set(ticks.get() + 1);
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(ticks.get())
    };
    let base = format!("http://{}", server.address);
    let reply = egress().send(request(&base), &plain_http(), Tenancy::Cluster, PATIENT, clock).await.unwrap();
    assert_eq!((reply.status, reply.body.expose_secret()), (200, b"the reply".as_slice()));
    assert_eq!((reply.sent_at.as_second(), reply.received_at.as_second()), (1, 2));

    let [sent] = &server.requests()[..] else { panic!("one request") };
    let body = format!(r#"{{"password":"{CANARY}"}}"#);
    let mut lines: Vec<&str> = sent.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.remove(0), format!("POST /login/{CANARY}?key={CANARY} HTTP/1.1"));
    assert_eq!(lines.pop(), Some(body.as_str()));
    lines.sort_unstable();
    let expected = [
        "accept: application/json".to_owned(),
        format!("content-length: {}", body.len()),
        format!("host: {}", server.address),
        format!("user-agent: apitoken-operator/{}", env!("CARGO_PKG_VERSION")),
        format!("x-api-key: {CANARY}"),
    ];
    assert_eq!(lines, expected, "and no accept-encoding, cookie or referer");
}

#[tokio::test]
async fn a_redirect_is_a_reply_and_where_it_points_nobody_ever_arrives() {
    let trap = Server::plain(Act::Reply(ok("trapped"))).await;
    for status in [301, 302, 303, 307, 308] {
        let redirect = format!(
            "HTTP/1.1 {status} Elsewhere\r\nlocation: http://{}/\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n",
            trap.address
        );
        let server = Server::plain(Act::Reply(redirect.into_bytes())).await;
        assert_eq!(send_plain(&server, PATIENT).await.unwrap().status, status);
        assert_eq!(server.requests().len(), 1);
    }
    assert_eq!(trap.accepted(), 0);
    row(41).injected("redirects of each status to another server").holds("a reply like others: nobody arrives there");
}

#[tokio::test]
async fn a_reply_of_the_bound_is_taken_and_one_byte_more_is_not() {
    let server = Server::plain(Act::Reply(ok(&"x".repeat(MAX_BYTES)))).await;
    let reply = send_plain(&server, PATIENT).await.unwrap();
    assert_eq!(reply.body.expose_secret().len(), MAX_BYTES);

    let server = Server::plain(Act::Reply(ok(&"x".repeat(MAX_BYTES + 1)))).await;
    let error = send_plain(&server, PATIENT).await.err().unwrap();
    assert_eq!((error.cause, error.class()), (Cause::BodyTooLarge, FailureClass::Transient));
    assert!(error.request_was_sent());

    let chunked = [
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{MAX_BYTES:x}\r\n"),
        "x".repeat(MAX_BYTES),
        "\r\n1\r\nx\r\n0\r\n\r\n".to_owned(),
    ];
    let server = Server::plain(Act::Reply(chunked.concat().into_bytes())).await;
    assert_eq!(cause(send_plain(&server, PATIENT).await), Cause::BodyTooLarge);
}

#[tokio::test]
async fn a_reply_without_end_is_left_after_the_bound() {
    let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
    let floods = [
        ("content-length: 10000000000", vec![b'x'; 0x10000]),
        ("transfer-encoding: chunked", chunk),
        ("connection: close", vec![b'x'; 0x10000]),
    ];
    for (header, again) in floods {
        let head = format!("HTTP/1.1 200 OK\r\n{header}\r\n\r\n").into_bytes();
        let server = Server::plain(Act::Flood(head, again)).await;
        assert_eq!(cause(send_plain(&server, PATIENT).await), Cause::BodyTooLarge, "{header}");
        server.open_connections(|open| *open == 0).await;
        assert!(server.written() < BUFFERED, "{} bytes went out with {header}", server.written());
    }
    row(38).injected("chunks without end").holds("left after 64 KiB and what sockets buffer");
}

#[tokio::test]
async fn a_chunk_that_is_all_extension_is_left_too() {
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;".to_vec();
    let server = Server::plain(Act::Flood(head, vec![b'x'; 0x10000])).await;
    assert_eq!(cause(send_plain(&server, PATIENT).await), Cause::Closed);
    server.open_connections(|open| *open == 0).await;
    assert!(server.written() < BUFFERED);
}

#[tokio::test]
async fn a_head_without_end_is_left_after_the_bound() {
    let start = b"HTTP/1.1 200 OK\r\nx-long: ".to_vec();
    let many = b"x-many: 0123456789\r\n".repeat(1_000);
    for (once, again) in [(start, vec![b'x'; 0x10000]), (b"HTTP/1.1 200 OK\r\n".to_vec(), many)] {
        let server = Server::plain(Act::Flood(once, again)).await;
        assert_eq!(cause(send_plain(&server, PATIENT).await), Cause::HeadTooLarge);
        server.open_connections(|open| *open == 0).await;
        assert!(server.written() < BUFFERED, "{} bytes went out", server.written());
    }
    row(38).injected("a head without end").holds("left after its bound");
}

#[tokio::test]
async fn a_head_that_is_only_a_little_too_large_is_refused_as_well() {
    let head = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\ncontent-length: 0\r\n\r\n", "x".repeat(MAX_BYTES));
    let server = Server::plain(Act::Reply(head.into_bytes())).await;
    assert_eq!(cause(send_plain(&server, PATIENT).await), Cause::HeadTooLarge);
}

#[tokio::test]
async fn a_compressed_reply_is_refused_and_never_unpacked() {
    let bomb = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\n\x1f\x8b\x08".to_vec();
    let server = Server::plain(Act::Reply(bomb)).await;
    assert_eq!(cause(send_plain(&server, PATIENT).await), Cause::Encoded);
    let honest = b"HTTP/1.1 200 OK\r\ncontent-encoding: identity\r\ncontent-length: 2\r\n\r\nok".to_vec();
    let server = Server::plain(Act::Reply(honest)).await;
    assert_eq!(send_plain(&server, PATIENT).await.unwrap().body.expose_secret(), b"ok");
    row(38).injected("a reply that says it is compressed").holds("refused and never unpacked");
}

#[tokio::test]
async fn a_refusal_counts_even_if_its_page_cannot_be_taken_in() {
    let page = |head: &str| [head.as_bytes(), &vec![b'x'; 10 << 20]].concat();
    let refusals = [
        (401, Act::Reply(page("HTTP/1.1 401 No\r\ncontent-length: 10485760\r\n\r\n"))),
        (429, Act::Reply(page("HTTP/1.1 429 Slow\r\nretry-after: 7\r\nconnection: close\r\n\r\n"))),
        (503, Act::Reply(b"HTTP/1.1 503 Down\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n\x1f\x8b".into())),
        (400, Act::ReplyAndClose(b"HTTP/1.1 400 Bad\r\ncontent-length: 9\r\n\r\ncut".into())),
    ];
    for (status, act) in refusals {
        let server = Server::plain(act).await;
        let reply = send_plain(&server, PATIENT).await.unwrap();
        assert_eq!((reply.status, reply.body.expose_secret().len()), (status, 0));
        assert_eq!(reply.headers.contains_key("retry-after"), status == 429);
    }
    let stalls = b"HTTP/1.1 401 No\r\ncontent-length: 9\r\n\r\n".to_vec();
    let server = Server::plain(Act::Drip(stalls, Duration::ZERO)).await;
    assert_eq!(send_plain(&server, BRIEF).await.unwrap().status, 401, "its body never comes");
}

#[tokio::test]
async fn whoever_dawdles_is_left_at_the_deadline() {
    let drip = |head: &str| Act::Drip([head.as_bytes(), &[b'x'; 1_000]].concat(), BRIEF / 60);
    let stalls = [
        ("nothing at all", Act::Hang),
        ("a head, byte by byte", drip("HTTP/1.1 200 OK\r\nx-slow: ")),
        ("a body, byte by byte", drip("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")),
        ("informational replies without end", {
            Act::Flood(Vec::new(), b"HTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n".to_vec())
        }),
    ];
    for (what, act) in stalls {
        let server = Server::plain(act).await;
        let error = send_plain(&server, BRIEF).await.err().unwrap();
        assert_eq!((error.cause, error.class()), (Cause::Timeout(BRIEF), FailureClass::Transient), "{what}");
        assert!(error.request_was_sent(), "{what}");
        server.open_connections(|open| *open == 0).await;
    }
    row(37).injected("a head, a body, an answer that drip").holds("given up at the deadline for the whole");
}

#[tokio::test]
async fn a_reply_that_breaks_off_is_none() {
    for half in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"] {
        let server = Server::plain(Act::ReplyAndClose(half.into())).await;
        let error = send_plain(&server, PATIENT).await.err().unwrap();
        assert_eq!((error.cause, error.request_was_sent()), (Cause::Closed, true), "{half:?}");
    }
}

#[tokio::test]
async fn what_is_not_http_is_called_that() {
    for other in ["SSH-2.0-OpenSSH_9.9\r\n", "HTTP/2.0 200 OK\r\n\r\n", "\x15\x03\x01\0\x02\x02\x46", "token\n"] {
        let server = Server::plain(Act::ReplyAndClose(other.into())).await;
        assert_eq!(cause(send_plain(&server, PATIENT).await), Cause::Malformed, "{other:?}");
    }
}
