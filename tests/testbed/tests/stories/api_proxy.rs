//! The proxy before the API server: what passes, what is held, what is answered instead.

use std::{io::ErrorKind, time::Duration};

use futures::{FutureExt, StreamExt, pin_mut};
use http::Method;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, Config,
    api::{PostParams, WatchEvent, WatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;
use testbed::{
    api_proxy::{Answer, ApiProxy, ApiRequest, When},
    control_plane::ControlPlane,
    users::User,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const SOON: Duration = Duration::from_secs(30);

struct Through {
    proxy: ApiProxy,
    /// By the proxy, and past it.
    maps: Api<ConfigMap>,
    direct: Api<ConfigMap>,
}

async fn through_a_proxy() -> Through {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("proxy").await.unwrap();
    let proxy = ApiProxy::start(cluster).unwrap();
    let kubeconfig = Kubeconfig::read_from(proxy.kubeconfig(cluster, &User::Admin).unwrap()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let maps = Api::namespaced(Client::try_from(config).unwrap(), &namespace);
    let direct = Api::namespaced(cluster.client(&User::Admin).unwrap(), &namespace);
    Through { proxy, maps, direct }
}

fn map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({ "metadata": { "name": name }, "data": { "key": "value" } })).unwrap()
}

fn is_create(request: &ApiRequest) -> bool {
    request.method == Method::POST && request.path.ends_with("/configmaps")
}

#[tokio::test]
async fn what_no_rule_meets_passes_with_the_users_own_rights_and_watches_are_not_delayed() {
    let Through { proxy: _proxy, maps, .. } = through_a_proxy().await;
    let events = maps.watch(&WatchParams::default().fields("metadata.name=one"), "0").await.unwrap();
    pin_mut!(events);
    maps.create(&PostParams::default(), &map("one")).await.unwrap();
    // The watch goes on: an event that arrives at all was not kept for the end of the body.
    let added = async {
        loop {
            match events.next().await.expect("the watch goes on").unwrap() {
                WatchEvent::Added(map) => break map,
                WatchEvent::Bookmark(_) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    let added = tokio::time::timeout(SOON, added).await.unwrap();
    assert_eq!(added.metadata.name.as_deref(), Some("one"));
}

#[tokio::test]
async fn a_held_request_reaches_the_api_server_when_it_is_released() {
    let Through { proxy, maps, direct } = through_a_proxy().await;
    let hold = proxy.hold(When::Before, is_create);
    let creating = tokio::spawn(async move { maps.create(&PostParams::default(), &map("one")).await });
    assert!(hold.first(SOON).await.unwrap().body.contains("\"one\""));
    assert!(direct.get_opt("one").await.unwrap().is_none());
    hold.release();
    creating.await.unwrap().unwrap();
    assert!(direct.get_opt("one").await.unwrap().is_some());
}

#[tokio::test]
async fn a_request_that_is_held_when_its_rule_ends_is_never_forwarded() {
    let Through { proxy, maps, direct } = through_a_proxy().await;
    let hold = proxy.hold(When::Before, is_create);
    let creating = tokio::spawn(async move { maps.create(&PostParams::default(), &map("one")).await });
    hold.first(SOON).await.unwrap();
    drop(hold);
    creating.await.unwrap().unwrap_err();
    assert!(direct.get_opt("one").await.unwrap().is_none());
}

#[tokio::test]
async fn an_answer_before_forwarding_hides_the_request_and_one_after_it_hides_the_answer() {
    let Through { proxy, maps, direct } = through_a_proxy().await;
    let gone = |body: &str| Answer { status: 500, content_type: "text/html", retry_after: None, body: body.to_owned() };
    for (when, name) in [(When::Before, "hidden"), (When::After, "done")] {
        let rule = proxy.answer(when, is_create, gone("<html>no JSON</html>"));
        maps.create(&PostParams::default(), &map(name)).await.unwrap_err();
        assert_eq!(rule.met().len(), 1);
    }
    assert!(direct.get_opt("hidden").await.unwrap().is_none());
    assert!(direct.get_opt("done").await.unwrap().is_some());
    maps.create(&PostParams::default(), &map("later")).await.expect("the rules have ended");
}

#[tokio::test]
async fn a_frozen_watch_brings_nothing_until_it_thaws_and_a_later_one_brings_all() {
    let Through { proxy, maps, direct } = through_a_proxy().await;
    let only = WatchParams::default().fields("metadata.name=one");
    let early = maps.watch(&only, "0").await.unwrap();
    let frost = proxy.freeze_watches();
    direct.create(&PostParams::default(), &map("one")).await.unwrap();
    let late = maps.watch(&only, "0").await.unwrap();
    pin_mut!(early, late);
    let is_added = |event: &kube::Result<WatchEvent<ConfigMap>>| matches!(event, Ok(WatchEvent::Added(_)));
    let arrived = async { while !is_added(&late.next().await.expect("it goes on")) {} };
    tokio::time::timeout(SOON, arrived).await.unwrap();
    // A bookmark may have been on its way before.
    let mut brought = early.next().now_or_never();
    while matches!(brought, Some(Some(Ok(WatchEvent::Bookmark(_))))) {
        brought = early.next().now_or_never();
    }
    assert!(brought.is_none(), "the frozen watch has brought {brought:?}");
    drop(frost);
    let arrived = async { while !is_added(&early.next().await.expect("it goes on")) {} };
    tokio::time::timeout(SOON, arrived).await.unwrap();
}

#[tokio::test]
async fn a_proxy_that_is_stopped_is_a_server_that_is_not_there_until_it_is_back() {
    let Through { proxy, maps, .. } = through_a_proxy().await;
    proxy.stop();
    maps.get_opt("one").await.unwrap_err();
    proxy.restart().unwrap();
    maps.get_opt("one").await.unwrap();
}

#[tokio::test]
async fn what_is_held_sees_its_connection_closed_or_reset() {
    let Through { proxy, .. } = through_a_proxy().await;
    for resets in [false, true] {
        let rule = proxy.hold(When::Before, |request| request.path == "/version");
        let mut connection = TcpStream::connect(proxy.url().trim_start_matches("http://")).await.unwrap();
        connection.write_all(b"GET /version HTTP/1.1\r\nhost: proxy\r\n\r\n").await.unwrap();
        rule.first(SOON).await.unwrap();
        if resets {
            rule.reset()
        } else {
            drop(rule)
        }
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(SOON, connection.read_to_end(&mut answer)).await.unwrap();
        let kind = ended.as_ref().map_err(std::io::Error::kind);
        assert_eq!(kind, if resets { Err(ErrorKind::ConnectionReset) } else { Ok(&0) });
    }
}

#[tokio::test]
async fn an_event_that_is_skipped_never_comes_and_those_after_it_do() {
    let Through { proxy, maps, direct } = through_a_proxy().await;
    let events = maps.watch(&WatchParams::default(), "0").await.unwrap();
    pin_mut!(events);
    let skip = proxy.skip_events(|event| event["object"]["metadata"]["name"] == "skipped");
    for name in ["skipped", "brought"] {
        direct.create(&PostParams::default(), &map(name)).await.unwrap();
    }
    let mut seen = Vec::new();
    let brought = async {
        while !seen.iter().any(|name| name == "brought") {
            if let WatchEvent::Added(map) = events.next().await.expect("it goes on").expect("an event") {
                seen.extend(map.metadata.name);
            }
        }
    };
    tokio::time::timeout(SOON, brought).await.unwrap();
    assert!(!seen.iter().any(|name| name == "skipped"), "{seen:?}");
    assert_eq!(skip.first(SOON).await.unwrap()["type"], "ADDED");
}
