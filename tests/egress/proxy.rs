//! One proxy counts, and it is ours.

use std::{net::SocketAddr, sync::Arc};

use apitoken_operator::operator::{
    address::Range,
    egress::{Cause, EgressConfig, Reason},
};
use testbed::{ca::TestCa, proxy::ConnectProxy};
use tokio::{net::TcpListener, process::Command};

use crate::{
    server::{Act, Server},
    stories::{Names, PATIENT, cause, egress, on_loopback, plain_http, send, trusting},
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Says to the child of a test where it is to send.
const TARGET: &str = "EGRESS_TEST_TARGET";

fn through(proxy: &str) -> EgressConfig {
    EgressConfig { proxy: Some(proxy.parse().unwrap()), ..on_loopback() }
}

async fn api(ca: &TestCa) -> Server {
    Server::tls(ca.issue(&["api.example"]).unwrap().server_config().unwrap(), Act::Reply(OK.into())).await
}

#[tokio::test]
async fn proxies_of_the_environment_are_ignored() {
    let (server, trap) = (Server::plain(Act::Reply(OK.into())).await, Server::plain(Act::Reply(OK.into())).await);
    let proxy = format!("http://{}", trap.address);
    let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "proxy::child_that_sends_where_it_is_told", "--ignored"])
        .env(TARGET, server.address.to_string())
        .envs(names.map(|name| (name, proxy.as_str())))
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    assert_eq!((server.requests().len(), trap.accepted()), (1, 0));
}

#[tokio::test]
#[ignore = "runs as a child of proxies_of_the_environment_are_ignored, with another environment"]
async fn child_that_sends_where_it_is_told() {
    let target: SocketAddr = std::env::var(TARGET).unwrap().parse().unwrap();
    assert_eq!(send(&egress(), &format!("http://{target}"), &plain_http(), PATIENT).await.unwrap().status, 200);
}

#[tokio::test]
async fn https_goes_through_the_proxy_and_names_are_the_proxys_to_resolve() {
    let ca = TestCa::new().unwrap();
    let server = api(&ca).await;
    let proxy = ConnectProxy::start([("api.example:443", server.address)]).unwrap();
    let names = Arc::new(Names::default());
    let egress = names.egress(through(&proxy.url()));
    for _ in 0..3 {
        assert_eq!(send(&egress, "https://api.example", &trusting(&ca), PATIENT).await.unwrap().status, 200);
    }
    let asked: Vec<_> = proxy.asked().into_iter().map(|asked| (asked.method, asked.target)).collect();
    assert_eq!(asked, [("CONNECT".to_owned(), "api.example:443".to_owned())], "one tunnel for all three");
    assert_eq!(names.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_proxy_by_name_may_stand_anywhere_and_only_its_own_name_is_resolved_here() {
    let ca = TestCa::new().unwrap();
    let server = api(&ca).await;
    let proxy = ConnectProxy::start([("api.example:443", server.address)]).unwrap();
    let names = Arc::new(Names::default().with("proxy.example", &[&["127.0.0.1"]]));
    let url = proxy.url().replace("127.0.0.1", "proxy.example");
    let egress = names.egress(EgressConfig { proxy: Some(url.parse().unwrap()), ..EgressConfig::default() });
    assert_eq!(send(&egress, "https://api.example", &trusting(&ca), PATIENT).await.unwrap().status, 200);
    assert_eq!(names.asked(), ["proxy.example"]);
}

#[tokio::test]
async fn literal_addresses_are_judged_before_the_proxy_hears_of_them() {
    let ca = TestCa::new().unwrap();
    let proxy = ConnectProxy::start([]).unwrap();
    let mut config = through(&proxy.url());
    config.addresses.allow.clear();
    let egress = Arc::new(Names::default()).egress(config);
    for (host, range) in [("169.254.169.254", Range::LinkLocal), ("127.0.0.1", Range::Loopback)] {
        let sent = send(&egress, &format!("https://{host}"), &trusting(&ca), PATIENT).await;
        assert_eq!(cause(sent), Cause::AddressRefused { range });
    }
    assert_eq!(proxy.asked(), []);
}

#[tokio::test]
async fn plain_http_and_excepted_hosts_go_without_the_proxy_and_are_judged_here() {
    let ca = TestCa::new().unwrap();
    let (plain, direct) = (Server::plain(Act::Reply(OK.into())).await, api(&ca).await);
    let proxy = ConnectProxy::start([]).unwrap();
    let names = Arc::new(Names::default().with("api.example", &[&["127.0.0.1"], &["169.254.169.254"]]));
    let config = EgressConfig { no_proxy: vec!["example".parse().unwrap()], ..through(&proxy.url()) };
    let egress = names.egress(config);
    let base = format!("https://api.example:{}", direct.address.port());
    assert_eq!(send(&egress, &base, &trusting(&ca), PATIENT).await.unwrap().status, 200);
    let sent = send(&egress, "https://api.example:1", &trusting(&ca), PATIENT).await;
    assert_eq!(cause(sent), Cause::AddressRefused { range: Range::LinkLocal });
    let base = format!("http://{}", plain.address);
    assert_eq!(send(&egress, &base, &plain_http(), PATIENT).await.unwrap().status, 200);
    assert_eq!(proxy.asked(), []);
}

#[tokio::test]
async fn a_proxy_that_refuses_or_is_down_is_named_as_the_cause_and_its_password_is_not() {
    let ca = TestCa::new().unwrap();
    let wants_password = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
    let proxy = Server::plain(Act::ReplyAndClose(wants_password.into())).await;
    let url = format!("http://user:canary0f5e@{}", proxy.address);
    let egress = Arc::new(Names::default()).egress(through(&url));
    let error = send(&egress, "https://api.example", &trusting(&ca), PATIENT).await.err().unwrap();
    assert_eq!((error.cause, error.request_was_sent()), (Cause::NoTunnel(Reason::Other), false));
    let [asked] = &proxy.requests()[..] else { panic!("one CONNECT") };
    assert!(asked.starts_with("CONNECT api.example:443 HTTP/1.1\r\n"));
    assert!(asked.to_ascii_lowercase().contains("proxy-authorization: basic "));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let egress = Arc::new(Names::default()).egress(through(&url));
    let sent = send(&egress, "https://api.example", &trusting(&ca), PATIENT).await;
    assert_eq!(cause(sent), Cause::NoTunnel(Reason::Refused));
}
