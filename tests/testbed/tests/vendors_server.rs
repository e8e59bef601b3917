//! What holds for each fake as a server: certificates, connections, stopping, the proxy before it, the pod behind it.

use std::{collections::BTreeMap, time::Duration};

use reqwest::{Client, Proxy};
use testbed::{
    ca::TestCa,
    proxy::{Asked, ConnectProxy},
    vendors::{Consumer, Operation, Palette, Tenovos, Virtana, consumer::client},
};

const DEADLINE: Duration = Duration::from_secs(10);

fn login_url(virtana: &Virtana) -> String {
    let query = "grant_type=client_credentials&client_id=robot&client_secret=x";
    format!("{}/authorization/oauth/token?{query}", virtana.base_url())
}

fn virtana(ca: &TestCa) -> Virtana {
    let virtana = Virtana::start(ca).unwrap();
    virtana.add_account("robot", "x");
    virtana
}

async fn log_in(http: &Client, virtana: &Virtana) -> String {
    let body = http.get(login_url(virtana)).send().await.unwrap().bytes().await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    body["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_client_that_does_not_trust_the_certificate_breaks_off() {
    let ca = TestCa::new().unwrap();
    let bad = [
        TestCa::named("another CA").unwrap().issue(&[]).unwrap(),
        ca.issue_expired().unwrap(),
        ca.issue_for_another_host().unwrap(),
    ];
    for certificate in bad {
        let virtana = Virtana::start_with(&certificate).unwrap();
        assert!(client(&ca).get(login_url(&virtana)).send().await.unwrap_err().is_connect());
        tokio::time::timeout(DEADLINE, async {
            while virtana.handshakes_failed() == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        assert!(virtana.history().is_empty());
    }
}

#[tokio::test]
async fn a_plain_fake_answers_without_tls() {
    let virtana = Virtana::start_plain().unwrap();
    virtana.add_account("robot", "x");
    let http = client(&TestCa::new().unwrap());
    let token = log_in(&http, &virtana).await;
    assert_eq!(virtana.newest_token("robot").unwrap().0, token);
}

#[tokio::test]
async fn connections_are_counted_and_can_be_reused() {
    let ca = TestCa::new().unwrap();
    let virtana = virtana(&ca);
    let http = client(&ca);
    for _ in 0..5 {
        log_in(&http, &virtana).await;
    }
    assert_eq!(virtana.connections_accepted(), 1);
    assert!(virtana.history().iter().all(|exchange| exchange.connection == 1));
    log_in(&client(&ca), &virtana).await;
    assert_eq!((virtana.connections_accepted(), virtana.history()[5].connection), (2, 2));
}

#[tokio::test]
async fn a_stopped_fake_refuses_connections_and_comes_back_on_its_port_with_its_sessions() {
    let ca = TestCa::new().unwrap();
    let virtana = virtana(&ca);
    let http = client(&ca);
    let token = log_in(&http, &virtana).await;
    let url = virtana.protected_url();
    virtana.stop();
    assert!(client(&ca).get(&url).send().await.unwrap_err().is_connect());
    virtana.restart().unwrap();
    assert_eq!(virtana.protected_url(), url);
    let request = http.get(&url).header("authorization", format!("Bearer {token}"));
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert_eq!(virtana.history().len(), 2);
}

#[test]
fn a_fake_outlives_the_runtime_that_started_it() {
    let ca = TestCa::new().unwrap();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let virtana = runtime().block_on(async { virtana(&ca) });
    runtime().block_on(async { log_in(&client(&ca), &virtana).await });
    assert_eq!(virtana.logins_of("robot"), 1);
}

#[tokio::test]
async fn requests_in_flight_are_counted_for_each_account() {
    let ca = TestCa::new().unwrap();
    let virtana = virtana(&ca);
    let http = client(&ca);
    virtana.script(|script| script.login_latency = DEADLINE);
    let together = futures::future::join_all((0..3).map(|_| log_in(&http, &virtana)));
    let all_there = virtana.wait_for("third login", DEADLINE, |seen| seen.len() == 3);
    tokio::select! {
        () = all_there => {}
        _ = together => panic!("nothing is answered yet"),
    }
    assert_eq!((virtana.in_flight_peak("robot"), virtana.in_flight_peak("nobody")), (3, 0));
    assert_eq!(virtana.peak_in_flight(), 3);
    virtana.clear();
    virtana.script(|script| script.login_latency = Duration::from_millis(1));
    log_in(&http, &virtana).await;
    let exchange = virtana.history().pop().unwrap();
    assert!(exchange.answered.unwrap() > exchange.received);
}

#[tokio::test]
async fn the_proxy_leads_the_vendor_s_own_host_to_its_fake_and_refuses_all_else() {
    let ca = TestCa::new().unwrap();
    let virtana = virtana(&ca);
    let proxy = ConnectProxy::start([("app.cloud.virtana.com:443", virtana.address())]).unwrap();
    let root = reqwest::Certificate::from_pem(ca.pem().as_bytes()).unwrap();
    let http = Client::builder().tls_certs_only([root]).proxy(Proxy::all(proxy.url()).unwrap()).build().unwrap();
    let query = "grant_type=client_credentials&client_id=robot&client_secret=x";
    let url = format!("https://app.cloud.virtana.com/authorization/oauth/token?{query}");
    assert_eq!(http.get(url).send().await.unwrap().status(), 200);
    assert!(http.get("https://api.example.com/").send().await.is_err());
    assert_eq!(http.get("http://api.example.com/").send().await.unwrap().status(), 403);
    let asked =
        |method: &str, target: &str, allowed| Asked { method: method.to_owned(), target: target.to_owned(), allowed };
    let expected = [
        asked("CONNECT", "app.cloud.virtana.com:443", true),
        asked("CONNECT", "api.example.com:443", false),
        asked("GET", "http://api.example.com/", false),
    ];
    assert_eq!(proxy.asked(), expected);
    virtana.assert_no_protocol_errors();
}

#[tokio::test]
async fn a_consumer_counts_what_is_accepted_and_why_not() {
    let ca = TestCa::new().unwrap();
    let virtana = virtana(&ca);
    let token = log_in(&client(&ca), &virtana).await;
    let data = BTreeMap::from([("token".to_owned(), token)]);
    let call = virtana.call(&ca, "token");
    let consumer = Consumer::start(call, Duration::from_millis(5), move || std::future::ready(Some(data.clone())));
    let accepted = |exchange: &testbed::vendors::Exchange| {
        exchange.operation == Operation::Protected && exchange.status == Some(200)
    };
    virtana.wait_for("accepted call", DEADLINE, |seen| seen.iter().filter(|one| accepted(one)).count() > 2).await;
    virtana.revoke_everything();
    virtana.wait_for("refused call", DEADLINE, |seen| seen.iter().any(|one| one.status == Some(401))).await;
    let counts = tokio::time::timeout(DEADLINE, async {
        while consumer.counts().refused.is_empty() {
            tokio::task::yield_now().await;
        }
        consumer.stop()
    });
    let counts = counts.await.unwrap();
    assert!(counts.accepted >= 2 && counts.unanswered.is_empty() && counts.without_token == 0);
    assert!(counts.refused[0].why.contains("the token was revoked"), "{counts:?}");
    virtana.assert_no_protocol_errors();
}

#[tokio::test]
async fn a_consumer_without_its_keys_calls_nobody() {
    let ca = TestCa::new().unwrap();
    let (palette, tenovos) = (Palette::start(&ca).unwrap(), Tenovos::start(&ca).unwrap());
    let interval = Duration::from_millis(1);
    let empty = || std::future::ready(Some(BTreeMap::new()));
    let consumers = [
        Consumer::start(palette.call(&ca, "token"), interval, empty),
        Consumer::start(tenovos.call(&ca, "key"), interval, empty),
        Consumer::start(tenovos.call(&ca, "key"), interval, || std::future::ready(None)),
    ];
    for consumer in consumers {
        let wait = async {
            while consumer.counts().without_token == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, wait).await.unwrap();
        assert_eq!(consumer.stop().accepted, 0);
    }
    assert!(palette.history().is_empty() && tenovos.history().is_empty());
}
