//! Whom egress believes, and as whom it presents itself.

use std::sync::Arc;

use apitoken_operator::{
    api::http::FailureClass,
    operator::{
        egress::{Carrier, Cause, EgressConfig, TlsFailure},
        tls::{CaBundle, ClientCertificate, TlsMaterial},
    },
};
use proptest::prelude::*;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use testbed::{
    ca::{ServerCertificate, TestCa, as_pem as pem},
    proxy::ConnectProxy,
    reliability::row,
};
use tokio_rustls::rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

use crate::{
    server::{Act, Server},
    stories::{CANARY, Names, PATIENT, cause, egress, on_loopback, send, trusting},
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_is_believed_and_no_other() {
    let (ca, stranger) = (TestCa::named("trusted").unwrap(), TestCa::named("stranger").unwrap());
    let certificates = [
        (ca.issue(&[]).unwrap(), None),
        (stranger.issue(&[]).unwrap(), Some(TlsFailure::UnknownAuthority)),
        (ca.issue_expired().unwrap(), Some(TlsFailure::Expired)),
        (ca.issue_for_another_host().unwrap(), Some(TlsFailure::WrongHost)),
    ];
    for (certificate, failure) in certificates {
        let server = Server::tls(certificate.server_config().unwrap(), Act::Reply(OK.into())).await;
        let sent = send(&egress(), &format!("https://{}", server.address), &trusting(&ca), PATIENT).await;
        match (sent, failure) {
            (Ok(reply), None) => assert_eq!(reply.status, 200),
            (Err(error), Some(failure)) => {
                assert_eq!((error.cause, error.class()), (Cause::Tls(failure), FailureClass::Transient));
                assert!(!error.request_was_sent());
                assert_eq!(server.requests().len(), 0);
            }
            (sent, failure) => panic!("{:?} instead of {failure:?}", sent.map(|reply| reply.status)),
        }
    }
    row(42)
        .injected("certificates expired, for another host, of an unknown authority")
        .holds("refused, each by its name; nothing is sent");
}

#[tokio::test]
async fn a_bundle_stands_for_itself_and_without_one_the_test_authority_is_a_stranger() {
    let ca = TestCa::new().unwrap();
    let server = Server::tls(ca.issue(&[]).unwrap().server_config().unwrap(), Act::Reply(OK.into())).await;
    let sent = send(&egress(), &format!("https://{}", server.address), &TlsMaterial::default(), PATIENT).await;
    let cause = cause(sent);
    // A machine without any authorities says so.
    assert!(matches!(cause, Cause::Tls(TlsFailure::UnknownAuthority) | Cause::NoAuthorities), "{cause:?}");
}

#[tokio::test]
async fn a_rotated_bundle_counts_from_the_next_request_on() {
    let (old, new) = (TestCa::named("old").unwrap(), TestCa::named("new").unwrap());
    let server = Server::tls(old.issue(&[]).unwrap().server_config().unwrap(), Act::ReplyAndClose(OK.into())).await;
    let (egress, base) = (egress(), format!("https://{}", server.address));
    assert!(send(&egress, &base, &trusting(&old), PATIENT).await.is_ok());
    server.rotate(new.issue(&[]).unwrap().server_config().unwrap());
    server.open_connections(|open| *open == 0).await;
    assert_eq!(cause(send(&egress, &base, &trusting(&old), PATIENT).await), Cause::Tls(TlsFailure::UnknownAuthority));
    assert!(send(&egress, &base, &trusting(&new), PATIENT).await.is_ok());
    let both = TlsMaterial {
        ca_bundle: Some(CaBundle::parse(&[old.pem(), new.pem()].concat(), "test").unwrap()),
        ..TlsMaterial::default()
    };
    assert!(send(&egress, &base, &both, PATIENT).await.is_ok());
    row(42).injected("the bundle is rotated").holds("the new one counts from the next request on");
}

#[tokio::test]
async fn a_server_that_knows_only_old_tls_is_refused() {
    let ca = TestCa::new().unwrap();
    let random = [7; 32];
    // RFC 4346: a server hello of TLS 1.1, with TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA.
    let hello = [&[22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2][..], &random, &[0, 0xc0, 0x13, 0]].concat();
    // RFC 8446 6.2: protocol_version, fatal.
    for answer in [hello, vec![21, 3, 2, 0, 2, 2, 70]] {
        let address = speak_once(answer).await;
        let sent = send(&egress(), &format!("https://{address}"), &trusting(&ca), PATIENT).await;
        assert_eq!(cause(sent), Cause::Tls(TlsFailure::NoCommonVersion));
    }
    row(43).injected("a server hello of TLS 1.1, and its alert").holds("refused");
}

#[tokio::test]
async fn a_handshake_without_end_is_left() {
    let ca = TestCa::new().unwrap();
    let record = |kind: u8, content: &[u8]| {
        [&[kind, 3, 3], &u16::try_from(content.len()).unwrap().to_be_bytes()[..], content].concat()
    };
    // A server hello (RFC 8446 4) that says it has 16 MiB, and goes on and on.
    let hello = [&[2, 0xff, 0xff, 0xff][..], &[0; 0x3000]].concat();
    let long = [record(22, &hello), record(22, &[0; 0x4000]).repeat(500)].concat();
    // Records without content, and changes of cipher that change nothing.
    for answer in [long, record(22, &[]).repeat(100_000), record(20, &[1]).repeat(100_000)] {
        let address = speak_once(answer).await;
        let sent = send(&egress(), &format!("https://{address}"), &trusting(&ca), PATIENT).await;
        // At once: who waits for more of it gets none, and gives up after 5 s with another cause.
        assert_eq!(cause(sent), Cause::Tls(TlsFailure::Handshake));
    }
}

#[tokio::test]
async fn plain_http_behind_an_https_url_is_no_tls() {
    let ca = TestCa::new().unwrap();
    let address = speak_once(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()).await;
    let sent = send(&egress(), &format!("https://{address}"), &trusting(&ca), PATIENT).await;
    assert_eq!(cause(sent), Cause::Tls(TlsFailure::Handshake));
}

#[tokio::test]
async fn a_client_certificate_is_presented_to_a_server_that_wants_one() {
    let (chain, key) = self_signed();
    let (config, server_chain) = wanting_clients(&chain);
    let server = Server::tls(config, Act::Reply(OK.into())).await;
    let base = format!("https://{}", server.address);
    let without =
        TlsMaterial { ca_bundle: Some(CaBundle::parse(&server_chain, "test").unwrap()), ..TlsMaterial::default() };
    let presented = ClientCertificate::parse(&chain, &key.into(), "Secret client").unwrap();
    let with = TlsMaterial { client_certificate: Some(presented), ..without.clone() };
    let egress = egress();
    assert_eq!(send(&egress, &base, &with, PATIENT).await.unwrap().status, 200);
    assert_eq!(cause(send(&egress, &base, &without, PATIENT).await), Cause::Tls(TlsFailure::ClientCertificate));
    assert_eq!(server.requests().len(), 1);
}

/// What stands before the PKCS#1 key in a PKCS#8 key of 2048 bits.
const PKCS8_BEFORE_RSA: usize = 26;
/// The same of a SEC1 key on P-256. What it lacks of the curve, `EC PARAMETERS` would say; nobody reads those.
const PKCS8_BEFORE_SEC1: usize = 29;
/// OID of P-256, as openssl puts it before a SEC1 key.
const PRIME256V1: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const NOT_ADMITTED: Cause = Cause::Tls(TlsFailure::ClientCertificate);

#[tokio::test]
async fn a_client_certificate_is_presented_with_its_key_in_each_encoding_directly_and_through_the_proxy() {
    let (ca, clients) = (TestCa::new().unwrap(), TestCa::named("clients").unwrap());
    let config = ca.issue(&["api.example"]).unwrap().server_config_admitting(&clients).unwrap();
    let server = Server::tls(config, Act::Reply(OK.into())).await;
    let proxy = ConnectProxy::start([("api.example:443", server.address)]).unwrap();
    let through = EgressConfig { proxy: Some(proxy.url().parse().unwrap()), ..on_loopback() };
    let (direct, proxied) = (egress(), Arc::new(Names::default()).egress(through));
    let (p256, rsa) = (KeyPair::generate().unwrap(), KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap());
    let forms = [
        (&p256, p256.serialize_pem()),
        (&p256, pem("EC PRIVATE KEY", &p256.serialize_der()[PKCS8_BEFORE_SEC1..])),
        // As openssl writes it.
        (
            &p256,
            [&pem("EC PARAMETERS", PRIME256V1), &*pem("EC PRIVATE KEY", &p256.serialize_der()[PKCS8_BEFORE_SEC1..])]
                .concat(),
        ),
        (&rsa, rsa.serialize_pem()),
        (&rsa, pem("RSA PRIVATE KEY", &rsa.serialize_der()[PKCS8_BEFORE_RSA..])),
    ];
    for (number, (key, text)) in forms.into_iter().enumerate() {
        let chain = clients.issue_client_with("reporting", key).unwrap();
        let presented = ClientCertificate::parse(&chain, &text.into(), "Secret client").unwrap();
        assert!(presented.not_after().is_some());
        let tls = TlsMaterial { client_certificate: Some(presented), ..trusting(&ca) };
        for (egress, base) in
            [(&direct, format!("https://{}", server.address)), (&proxied, "https://api.example".into())]
        {
            let sent = send(egress, &base, &tls, PATIENT).await;
            assert_eq!(sent.map(|reply| reply.status).map_err(|error| error.to_string()), Ok(200), "form {number}");
        }
    }
    assert_eq!(proxy.asked().len(), 5, "no tunnel is shared by two certificates");
    assert_eq!(cause(send(&proxied, "https://api.example", &trusting(&ca), PATIENT).await), NOT_ADMITTED);
}

#[tokio::test]
async fn a_certificate_that_was_replaced_keeps_no_connection() {
    let (ca, clients) = (TestCa::new().unwrap(), TestCa::named("clients").unwrap());
    let config = ca.issue(&[]).unwrap().server_config_admitting(&clients).unwrap();
    let server = Server::tls(config, Act::Reply(OK.into())).await;
    let (egress, base) = (egress(), format!("https://{}", server.address));
    let present = || {
        let (chain, key) = clients.issue_client("reporting").unwrap().to_pem();
        let presented = ClientCertificate::parse(&chain, &key.into(), "Secret client").unwrap();
        TlsMaterial { client_certificate: Some(presented), ..trusting(&ca) }
    };
    let (old, new) = (present(), present());
    for tls in [&old, &new, &old] {
        assert!(send(&egress, &base, tls, PATIENT).await.is_ok());
    }
    assert_eq!(server.open_connections(|open| *open == 2).await, 2);
    egress.forget(&old);
    server.open_connections(|open| *open == 1).await;
    assert!(send(&egress, &base, &new, PATIENT).await.is_ok());
    assert_eq!(server.accepted(), 2, "the other one was not kept");
}

#[tokio::test]
async fn nothing_is_sent_before_what_the_provider_refers_to_was_read() {
    let ca = TestCa::new().unwrap();
    let server = Server::tls(ca.issue(&[]).unwrap().server_config().unwrap(), Act::Reply(OK.into())).await;
    let unread = TlsMaterial { unread: true, ..trusting(&ca) };
    let error = send(&egress(), &format!("https://{}", server.address), &unread, PATIENT).await.err().unwrap();
    assert_eq!((error.class(), error.request_was_sent()), (FailureClass::Transient, false));
    assert_eq!((error.cause, server.accepted()), (Cause::TlsUnread, 0));
}

#[test]
fn the_end_of_a_client_certificate_is_known() {
    let clients = TestCa::named("clients").unwrap();
    let ends = |certificate: &ServerCertificate| {
        let (chain, key) = certificate.to_pem();
        ClientCertificate::parse(&chain, &key.into(), "Secret client").unwrap().not_after().unwrap().to_string()
    };
    assert_eq!(ends(&clients.issue_expired_client("reporting").unwrap()), "2001-01-02T00:00:00Z");
    assert!(ends(&clients.issue_client("reporting").unwrap()).starts_with("4096-"));
    // One that nobody but itself has signed has an end as well.
    let (chain, key) = self_signed();
    assert!(ClientCertificate::parse(&chain, &key.into(), "Secret client").unwrap().not_after().is_some());
}

proptest! {
    #[test]
    fn a_damaged_bundle_is_read_or_refused_without_a_word_of_it(
        at in 0usize..1000,
        removed in 0usize..40,
        noise in prop_oneof![any::<String>(), Just(CANARY.to_owned()), Just("-----END CERTIFICATE-----\n".to_owned())],
    ) {
        let pem = self_signed().0;
        let start = at.min(pem.len());
        let mut damaged = pem.clone();
        damaged.replace_range(start..(start + removed).min(pem.len()), &noise);
        if let Err(error) = CaBundle::parse(&damaged, "spec.tls.caBundle") {
            let shown = format!("{error} {error:?}");
            let body = pem.lines().nth(2).unwrap();
            prop_assert!(shown.contains("spec.tls.caBundle") && !shown.contains(CANARY) && !shown.contains(body), "{shown}");
        }
    }
}

#[test]
fn material_that_cannot_be_used_is_refused_with_its_place_and_nothing_of_its_text() {
    let place = "spec.tls.caBundle";
    let bad = format!("-----BEGIN CERTIFICATE-----\n{CANARY}\n-----END CERTIFICATE-----\n");
    let (chain, key) = self_signed();
    let no_certificate = "spec.tls.caBundle holds no PEM certificate";
    for (text, says) in [
        ("", no_certificate),
        (CANARY, no_certificate),
        (key.as_str(), no_certificate),
        (bad.as_str(), "certificate 1 in spec.tls.caBundle cannot be read"),
        (&[chain.as_str(), &bad].concat(), "certificate 2 in spec.tls.caBundle cannot be read"),
    ] {
        let error = CaBundle::parse(text, place).err().unwrap().to_string();
        assert!(error.starts_with(says) && !error.contains(CANARY), "{error}");
    }
    let other_key = self_signed().1;
    for (key, says) in [
        (CANARY.to_owned(), "Secret client holds no usable PEM private key"),
        (chain.clone(), "Secret client holds no usable PEM private key"),
        (other_key, "the certificate and the key in Secret client do not belong together"),
    ] {
        let error = ClientCertificate::parse(&chain, &key.into(), "Secret client").err().unwrap();
        assert!(error.to_string().starts_with(says) && !format!("{error:?}").contains(CANARY), "{error}");
    }
    let material = TlsMaterial {
        client_certificate: Some(ClientCertificate::parse(&chain, &key.clone().into(), "Secret").unwrap()),
        ..TlsMaterial::default()
    };
    let body = key.lines().nth(1).unwrap();
    assert!(!format!("{material:?}").contains(body), "the key can be printed");
}

fn self_signed() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned()];
    (CertificateParams::new(names).unwrap().self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// A server that admits the holder of one certificate, and its own certificate.
fn wanting_clients(client: &str) -> (Arc<ServerConfig>, String) {
    let (chain, key) = self_signed();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(client.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        );
    (Arc::new(config.unwrap()), chain)
}

/// A port at which one connection is answered with these bytes, whatever it says.
async fn speak_once(answer: Vec<u8>) -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _hello = stream.read(&mut [0; 4096]).await;
        let _written = stream.write_all(&answer).await;
        // Until the other side has read it: closing with unread input resets, and takes the answer along.
        while stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {}
    });
    address
}
