//! The instruments' server, asked over real sockets on loopback.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use apitoken_operator::operator::{
    certificate::Certificate,
    metrics::{Inventory, Metrics, Sample},
    server::{Health, Pages, Server},
};
use tempfile::TempDir;
use testbed::ca::TestCa;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Far beyond what anything here takes; reached only by a failure.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Nothing;

impl Inventory for Nothing {
    fn visit(&self, _: &mut dyn FnMut(Sample<'_>)) {}
}

struct Running {
    address: SocketAddr,
    health: Arc<Health>,
    alive: Arc<AtomicBool>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

async fn start() -> Running {
    serve(bind().await)
}

async fn bind() -> Server {
    Server::bind(([127, 0, 0, 1], 0).into()).await.expect("a free port")
}

fn serve(server: Server) -> Running {
    let address = server.address();
    let alive = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&alive);
    let health = Health::new(move || {
        if told.load(Ordering::Relaxed) { Ok(()) } else { Err("a due pass was not started for 60 s".to_owned()) }
    });
    let stop = CancellationToken::new();
    let metrics = Arc::new(Metrics::new(Arc::new(Nothing), true));
    let pages = Pages { metrics, health: Arc::clone(&health), reviewer: None };
    let task = tokio::spawn(server.serve(pages, stop.clone()));
    Running { address, health, alive, stop, task }
}

/// The whole reply to a request, head and body.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    stream.write_all(request.as_bytes()).await.expect("sends");
    let mut reply = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut reply)).await.expect("a reply in time").expect("a reply");
    reply
}

async fn get(address: SocketAddr, path: &str) -> String {
    ask(address, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await
}

#[tokio::test]
async fn readiness_says_what_it_waits_for_until_it_is_there() {
    let running = start().await;
    let reply = get(running.address, "/readyz").await;
    assert!(reply.starts_with("HTTP/1.1 503 "), "{reply}");
    assert!(reply.ends_with("\r\n\r\nnot ready: starting\n"), "{reply}");
    running.health.set_ready(false, "the first list of ApiTokens");
    assert!(get(running.address, "/readyz").await.ends_with("not ready: the first list of ApiTokens\n"));
    running.health.set_ready(true, "");
    let reply = get(running.address, "/readyz").await;
    assert!(reply.starts_with("HTTP/1.1 200 ") && reply.ends_with("\r\n\r\nok\n"), "{reply}");
}

#[tokio::test]
async fn liveness_is_asked_anew_each_time_and_is_not_readiness() {
    let running = start().await;
    assert!(get(running.address, "/livez").await.starts_with("HTTP/1.1 200 "));
    running.alive.store(false, Ordering::Relaxed);
    let reply = get(running.address, "/livez").await;
    assert!(reply.starts_with("HTTP/1.1 503 "), "{reply}");
    assert!(reply.ends_with("not alive: a due pass was not started for 60 s\n"), "{reply}");
}

#[tokio::test]
async fn metrics_come_as_openmetrics() {
    let running = start().await;
    let reply = get(running.address, "/metrics").await;
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    assert!(reply.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"), "{reply}");
    assert!(reply.contains("apitoken_build_info{") && reply.ends_with("# EOF\n"), "{reply}");
}

#[tokio::test]
async fn other_paths_and_methods_are_told_what_there_is() {
    let running = start().await;
    assert!(get(running.address, "/").await.contains("/metrics, /readyz, /livez"));
    assert!(get(running.address, "/debug").await.starts_with("HTTP/1.1 404 "));
    let reply = ask(running.address, "POST /readyz HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await;
    assert!(reply.starts_with("HTTP/1.1 405 ") && reply.contains("allow: GET, HEAD\r\n"), "{reply}");
}

#[tokio::test]
async fn hundreds_of_silent_clients_keep_no_probe_out() {
    let running = start().await;
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(running.address).await.expect("connects"));
    }
    assert!(get(running.address, "/livez").await.starts_with("HTTP/1.1 200 "));
    drop(silent);
}

#[tokio::test]
async fn a_client_that_never_ends_its_header_is_cut_off() {
    let running = start().await;
    let reply = ask(running.address, "GET /livez HTTP/1.1\r\nhost: localhost\r\nx-slow: ").await;
    assert!(!reply.contains("200 OK"), "{reply}");
}

#[tokio::test]
async fn an_endless_header_is_refused() {
    let running = start().await;
    let reply = ask(running.address, &format!("GET /livez HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(8 * 1024))).await;
    assert!(reply.starts_with("HTTP/1.1 431 "), "{reply}");
}

#[tokio::test]
async fn a_stop_ends_it_though_a_client_hangs_on() {
    let running = start().await;
    let silent = TcpStream::connect(running.address).await.expect("connects");
    assert!(get(running.address, "/livez").await.starts_with("HTTP/1.1 200 "));
    running.stop.cancel();
    timeout(PATIENCE, running.task).await.expect("ends in time").expect("ends well");
    assert!(TcpStream::connect(running.address).await.is_err(), "nobody listens any more");
    drop(silent);
}

#[tokio::test]
async fn a_taken_address_is_named_with_the_flag_that_changes_it() {
    let running = start().await;
    let error = Server::bind(running.address).await.expect_err("it is taken");
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on {}: choose a free address of this machine with --listen or APITOKEN_LISTEN",
            running.address
        )
    );
    assert!(std::error::Error::source(&error).is_some());
}

/// A server with a certificate of `ca`, and the directory that holds it.
async fn start_with_tls(ca: &TestCa) -> (Running, TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    ca.issue(&[]).expect("a certificate").write(directory.path()).expect("its files");
    let certificate = Certificate::read(directory.path().into()).expect("a certificate that can be used");
    (serve(bind().await.with_certificate(certificate)), directory)
}

/// Asks over HTTPS as one who trusts `ca` alone.
async fn livez_trusting(ca: &TestCa, address: SocketAddr) -> Result<String, reqwest::Error> {
    let authority = reqwest::Certificate::from_pem(ca.pem().as_bytes()).expect("a certificate");
    let client = reqwest::Client::builder().tls_certs_only([authority]).no_proxy().build().expect("a client");
    client.get(format!("https://{address}/livez")).send().await?.error_for_status()?.text().await
}

#[tokio::test]
async fn with_a_certificate_it_answers_over_https_and_over_nothing_else() {
    let ca = TestCa::new().expect("a CA");
    let (running, _directory) = start_with_tls(&ca).await;
    assert_eq!(livez_trusting(&ca, running.address).await.expect("an answer"), "ok\n");
    let mut plain = TcpStream::connect(running.address).await.expect("connects");
    plain.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("sends");
    let mut reply = Vec::new();
    // A reset is an answer, too.
    let _ = timeout(PATIENCE, plain.read_to_end(&mut reply)).await.expect("an end in time");
    assert!(!String::from_utf8_lossy(&reply).contains("HTTP/1.1"), "{reply:?}");
}

#[tokio::test]
async fn a_rotated_certificate_is_presented_to_the_next_client() {
    let (old, new) = (TestCa::new().expect("a CA"), TestCa::new().expect("a CA"));
    let (running, directory) = start_with_tls(&old).await;
    assert!(livez_trusting(&old, running.address).await.is_ok());
    new.issue(&[]).expect("a certificate").write(directory.path()).expect("its files");
    assert!(livez_trusting(&new, running.address).await.is_ok());
    assert!(livez_trusting(&old, running.address).await.is_err(), "the old certificate is still presented");
}

#[tokio::test]
async fn a_rotation_that_is_half_done_leaves_the_old_certificate_in_its_place() {
    let (old, new) = (TestCa::new().expect("a CA"), TestCa::new().expect("a CA"));
    let (running, directory) = start_with_tls(&old).await;
    let half = tempfile::tempdir().expect("a directory");
    new.issue(&[]).expect("a certificate").write(half.path()).expect("its files");
    std::fs::copy(half.path().join("tls.crt"), directory.path().join("tls.crt")).expect("a copy");
    assert!(livez_trusting(&old, running.address).await.is_ok(), "the key does not belong to the new certificate");
    std::fs::copy(half.path().join("tls.key"), directory.path().join("tls.key")).expect("a copy");
    assert!(livez_trusting(&new, running.address).await.is_ok());
    std::fs::remove_file(directory.path().join("tls.crt")).expect("removed");
    assert!(livez_trusting(&new, running.address).await.is_ok(), "a Secret that is gone for a moment");
}

#[tokio::test]
async fn a_client_that_never_ends_its_handshake_keeps_no_probe_out_and_is_cut_off() {
    let ca = TestCa::new().expect("a CA");
    let (running, _directory) = start_with_tls(&ca).await;
    let mut silent = TcpStream::connect(running.address).await.expect("connects");
    assert!(livez_trusting(&ca, running.address).await.is_ok());
    let mut nothing = Vec::new();
    let _ = timeout(PATIENCE, silent.read_to_end(&mut nothing)).await.expect("cut off in time");
}

#[test]
fn files_that_are_no_certificate_with_its_key_are_refused_by_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let refusal = || Certificate::read(directory.path().into()).expect_err("refused");
    let error = refusal().to_string();
    assert!(error.contains("tls.crt") && error.contains("--listen-tls"), "{error}");
    for file in ["tls.crt", "tls.key"] {
        std::fs::write(directory.path().join(file), "nonsense").expect("a file");
    }
    let source = std::error::Error::source(&refusal()).map(ToString::to_string).unwrap_or_default();
    assert!(source.contains(&directory.path().display().to_string()) && source.contains("PEM"), "{source}");
}
