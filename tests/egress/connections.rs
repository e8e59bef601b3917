//! Connections are kept, bounded, and never a reason to send twice.

use std::{io, net::IpAddr, sync::Arc};

use apitoken_operator::operator::{
    address::Tenancy,
    egress::{Cause, Egress, Lookup, Reason},
};
use futures::future::{BoxFuture, join_all, pending};
use jiff::Timestamp;
use testbed::{ca::TestCa, reliability::row};
use tokio::{
    net::TcpListener,
    time::{Instant, timeout},
};

use crate::{
    server::{Act, Server},
    stories::{PATIENT, cause, egress, on_loopback, plain_http, request, send, trusting},
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

struct Never;

impl Lookup for Never {
    fn lookup(&self, _: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(pending())
    }
}

fn never_resolving() -> Egress {
    Egress::with_lookup(on_loopback(), Arc::new(Never)).unwrap()
}

/// On one thread, as the operator runs: on several, a request may come just before the last one's connection is back.
#[tokio::test]
async fn a_hundred_requests_in_a_row_share_one_connection() {
    let ca = TestCa::new().unwrap();
    let server = Server::tls(ca.issue(&[]).unwrap().server_config().unwrap(), Act::Reply(OK.into())).await;
    let (egress, tls) = (egress(), trusting(&ca));
    for _ in 0..100 {
        send(&egress, &format!("https://{}", server.address), &tls, PATIENT).await.unwrap();
    }
    assert_eq!((server.requests().len(), server.accepted()), (100, 1));
}

#[tokio::test]
async fn after_a_crowd_only_a_few_connections_are_kept() {
    let server = Server::plain(Act::Reply(OK.into())).await;
    let (egress, tls, base) = (egress(), plain_http(), format!("http://{}", server.address));
    let replies = join_all((0..40).map(|_| send(&egress, &base, &tls, PATIENT))).await;
    assert!(replies.iter().all(Result::is_ok));
    assert!(server.accepted() > 16, "only {} connections: this shows nothing", server.accepted());
    // Well before the 30 s after which unused connections are closed anyway.
    let closed = timeout(PATIENT / 6, server.open_connections(|open| *open <= 16)).await;
    assert!(closed.is_ok(), "more than sixteen are still open");
}

#[tokio::test]
async fn a_request_that_may_have_arrived_is_never_sent_again() {
    let acts = vec![Act::Reply(OK.into()), Act::ReplyAndClose(Vec::new())];
    let server = Server::plain(Act::InTurn(acts)).await;
    let (egress, tls, base) = (egress(), plain_http(), format!("http://{}", server.address));
    send(&egress, &base, &tls, PATIENT).await.unwrap();
    let error = send(&egress, &base, &tls, PATIENT).await.err().unwrap();
    assert_eq!((error.cause, error.request_was_sent()), (Cause::Closed, true));
    assert_eq!((server.requests().len(), server.accepted()), (2, 1));
    row(45).injected("a connection that closes after the request").holds("never sent again");
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_rested_costs_no_request() {
    let server = Server::plain(Act::ReplyAndClose(OK.into())).await;
    let (egress, tls, base) = (egress(), plain_http(), format!("http://{}", server.address));
    for sent in 1..=10 {
        send(&egress, &base, &tls, PATIENT).await.unwrap();
        server.open_connections(|open| *open == 0).await;
        assert_eq!((server.requests().len(), server.accepted()), (sent, sent));
    }
    row(45).injected("kept connections that close while they rest").holds("no request is lost to them");
}

#[tokio::test]
async fn a_tenant_never_travels_on_an_administrators_connection() {
    let server = Server::plain(Act::Reply(OK.into())).await;
    let (egress, tls, base) = (egress(), plain_http(), format!("http://{}", server.address));
    for tenancy in [Tenancy::Cluster, Tenancy::Tenant, Tenancy::Cluster, Tenancy::Tenant] {
        egress.send(request(&base), &tls, tenancy, PATIENT, Timestamp::now).await.unwrap();
    }
    assert_eq!((server.requests().len(), server.accepted()), (4, 2));
}

/// Tokio's clock jumps to the next timer, which is the one that gives the handshake up.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_stalls_is_given_up_long_before_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://{}", listener.local_addr().unwrap());
    let started = Instant::now();
    let error = send(&egress(), &base, &trusting(&TestCa::new().unwrap()), PATIENT).await.err().unwrap();
    assert_eq!((error.cause, error.request_was_sent()), (Cause::NoConnection(Reason::TimedOut), false));
    assert!(started.elapsed() < PATIENT / 10);
    row(36)
        .injected("a TLS handshake that never goes on")
        .holds("given up after 5 s, long before the request would be");
}

/// As above.
#[tokio::test(start_paused = true)]
async fn a_resolver_that_never_answers_is_given_up_as_early() {
    let started = Instant::now();
    let error = send(&never_resolving(), "http://api.example", &plain_http(), PATIENT).await.err().unwrap();
    assert_eq!((error.cause, error.request_was_sent()), (Cause::NoConnection(Reason::TimedOut), false));
    assert!(started.elapsed() < PATIENT / 10);
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = send(&egress(), &base, &plain_http(), PATIENT).await.err().unwrap();
    assert!(!error.request_was_sent());
    assert_eq!(error.to_string().split(": ").next().unwrap(), base.trim_start_matches("http://"));
    assert_eq!(cause(Err(error)), Cause::NoConnection(Reason::Refused));
    row(36).injected("nobody listens at the port").holds("refused at once; known not to have been sent");
}
