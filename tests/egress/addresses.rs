//! Where requests never go, however the way there is written.

use std::sync::Arc;

use apitoken_operator::{
    api::http::FailureClass,
    operator::{
        address::{Range, Tenancy},
        egress::{Cause, Egress, EgressConfig},
        tls::TlsMaterial,
    },
};
use jiff::Timestamp;
use testbed::reliability::row;

use crate::{
    server::{Act, Server},
    stories::{Names, PATIENT, cause, egress, on_loopback, plain_http, request, send},
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn refused(range: Range) -> Cause {
    Cause::AddressRefused { range }
}

/// Egress as it is by default: loopback is out of reach.
fn strict() -> Egress {
    Egress::new(EgressConfig::default()).unwrap()
}

#[tokio::test]
async fn literal_addresses_are_refused_in_whatever_spelling() {
    let trap = Server::plain(Act::Reply(OK.into())).await;
    let port = trap.address.port();
    let spellings = [
        ("127.0.0.1", Range::Loopback),
        ("127.1", Range::Loopback),
        ("2130706433", Range::Loopback),
        ("0x7f.0.0.1", Range::Loopback),
        ("0177.0.0.1", Range::Loopback),
        ("127.0.0.1.", Range::Loopback),
        ("127。0。0。1", Range::Loopback),
        ("[::1]", Range::Loopback),
        ("[::ffff:127.0.0.1]", Range::Loopback),
        ("[64:ff9b::7f00:1]", Range::Loopback),
        ("0.0.0.0", Range::Unspecified),
        ("[::]", Range::Unspecified),
        ("169.254.169.254", Range::LinkLocal),
        ("[fe80::1]", Range::LinkLocal),
        ("[::ffff:169.254.169.254]", Range::LinkLocal),
        ("100.100.100.200", Range::Metadata),
        ("168.63.129.16", Range::Metadata),
        ("192.0.0.192", Range::Metadata),
        ("[fd00:ec2::254]", Range::Metadata),
        ("224.0.0.1", Range::Multicast),
    ];
    let egress = strict();
    for (host, range) in spellings {
        for scheme in ["http", "https"] {
            let error =
                send(&egress, &format!("{scheme}://{host}:{port}"), &plain_http(), PATIENT).await.err().unwrap();
            assert_eq!((error.cause, error.class()), (refused(range), FailureClass::Misconfigured), "{host}");
            assert!(!error.request_was_sent());
        }
    }
    assert_eq!(trap.accepted(), 0);
    row(41)
        .injected("metadata, loopback and link-local addresses in all spellings")
        .holds("refused before a packet is sent");
}

#[tokio::test]
async fn private_addresses_are_refused_to_tenants_without_a_packet() {
    let names = Arc::new(Names::default().with("inside.example", &[&["10.0.0.1", "fd00::1"]]));
    let egress = names.egress(EgressConfig::default());
    for host in ["10.0.0.1", "192.168.0.1", "172.16.0.1", "100.64.0.1", "[fd00::1]", "inside.example"] {
        let base = format!("https://{host}");
        let sent = egress.send(request(&base), &TlsMaterial::default(), Tenancy::Tenant, PATIENT, Timestamp::now).await;
        assert_eq!(cause(sent), refused(Range::Private), "{host}");
    }
}

#[tokio::test]
async fn a_name_that_leads_to_a_refused_address_is_refused_unless_that_is_allowed() {
    let server = Server::plain(Act::Reply(OK.into())).await;
    let names = Arc::new(Names::default().with("api.example", &[&["127.0.0.1"]]));
    let base = format!("http://api.example:{}", server.address.port());
    let sent = send(&names.egress(EgressConfig::default()), &base, &plain_http(), PATIENT).await;
    assert_eq!(cause(sent), refused(Range::Loopback));
    assert_eq!(server.accepted(), 0);
    assert_eq!(send(&names.egress(on_loopback()), &base, &plain_http(), PATIENT).await.unwrap().status, 200);

    let base = format!("http://localhost:{}", server.address.port());
    assert_eq!(cause(send(&strict(), &base, &plain_http(), PATIENT).await), refused(Range::Loopback));
}

#[tokio::test]
async fn of_several_addresses_only_those_that_are_allowed_are_tried() {
    let server = Server::plain(Act::Reply(OK.into())).await;
    let answer: &[&str] = &["169.254.169.254", "::1", "127.0.0.1"];
    let names = Arc::new(Names::default().with("api.example", &[answer]));
    let base = format!("http://api.example:{}", server.address.port());
    assert_eq!(send(&names.egress(on_loopback()), &base, &plain_http(), PATIENT).await.unwrap().status, 200);
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_name_that_changes_its_mind_gains_nothing() {
    let server = Server::plain(Act::ReplyAndClose(OK.into())).await;
    let names = Arc::new(Names::default().with("api.example", &[&["127.0.0.1"], &["169.254.169.254"]]));
    let egress = names.egress(on_loopback());
    let base = format!("http://api.example:{}", server.address.port());
    assert_eq!(send(&egress, &base, &plain_http(), PATIENT).await.unwrap().status, 200);
    assert_eq!(names.asked(), ["api.example"], "what was judged is what was connected to: one question");
    server.open_connections(|open| *open == 0).await;
    assert_eq!(cause(send(&egress, &base, &plain_http(), PATIENT).await), refused(Range::LinkLocal));
    row(44)
        .injected("a name that resolves to a public address and then to a private one")
        .holds("only addresses that were judged are connected to");
}

#[tokio::test]
async fn the_api_server_is_never_reached_even_where_its_address_is_allowed() {
    let api_server = Server::plain(Act::Reply(OK.into())).await;
    let provider = Server::plain(Act::Reply(OK.into())).await;
    let mut config = on_loopback();
    config.addresses.api_server = vec![api_server.address];
    let names = Arc::new(Names::default().with("api.example", &[&["127.0.0.1"]]));
    let egress = names.egress(config);
    let at = |host: &str, server: &Server| format!("http://{host}:{}", server.address.port());
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "api.example"] {
        let sent = send(&egress, &at(host, &api_server), &plain_http(), PATIENT).await;
        assert_eq!(cause(sent), refused(Range::ApiServer), "{host}");
    }
    for host in ["127.0.0.1", "api.example"] {
        let sent = send(&egress, &at(host, &provider), &plain_http(), PATIENT).await;
        assert_eq!(sent.unwrap().status, 200, "{host}, at another port");
    }
    assert_eq!(api_server.accepted(), 0);
}

#[tokio::test]
async fn plain_http_needs_leave() {
    let server = Server::plain(Act::Reply(OK.into())).await;
    let base = format!("http://{}", server.address);
    let error = send(&egress(), &base, &TlsMaterial::default(), PATIENT).await.err().unwrap();
    assert_eq!((error.cause, error.class()), (Cause::PlainHttp, FailureClass::Misconfigured));
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn a_name_without_an_address_is_called_that_and_shows_no_more_than_host_and_port() {
    let egress = Arc::new(Names::default()).egress(on_loopback());
    let error = send(&egress, "https://nowhere.example", &TlsMaterial::default(), PATIENT).await.err().unwrap();
    assert_eq!((error.cause, error.class()), (Cause::Unresolved, FailureClass::Transient));
    assert_eq!(
        error.to_string(),
        "nowhere.example:443: the name cannot be resolved; check the provider's URL and the cluster's DNS"
    );
    row(36).injected("a name without an address").holds("called that, with host and port and no more");
}
