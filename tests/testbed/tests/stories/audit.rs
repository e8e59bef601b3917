//! The audit log: who asked what.

use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, api::WatchParams};
use testbed::{
    audit::{AuditEvent, Mark},
    control_plane::ControlPlane,
    eventually::await_until,
    users::User,
};

/// What is asked for only to see whether a right is there already.
const PROBE: &str = "probe";

/// The events of one user, once there are at least as many as expected.
async fn events_of(user: &User, namespace: &str, expected: usize) -> Vec<AuditEvent> {
    let audit = ControlPlane::shared().await.audit();
    let of_user = |event: &AuditEvent| event.user == user.name() && event.namespace == namespace && event.name != PROBE;
    await_until("the audit events", Duration::from_secs(10), async || {
        let events: Vec<_> = audit.since(&Mark::default()).unwrap().into_iter().filter(of_user).collect();
        if events.len() >= expected { Ok(events) } else { Err(format!("{events:?}")) }
    })
    .await
}

#[tokio::test]
async fn a_request_is_logged_once_with_who_what_where_and_the_answer() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("audit").await.unwrap();
    let user = User::Named("audited".into());
    let maps: Api<ConfigMap> = Api::namespaced(control_plane.client(&user).unwrap(), &namespace);
    assert!(maps.get_status("settings").await.is_err());

    let events = events_of(&user, &namespace, 1).await;
    let [event] = events.as_slice() else { panic!("not one event: {events:?}") };
    assert_eq!((event.verb.as_str(), event.code), ("get", 403));
    assert_eq!((event.resource.as_str(), event.subresource.as_str()), ("configmaps", "status"));
    assert_eq!(event.name, "settings");
    assert_eq!(event.uri, format!("/api/v1/namespaces/{namespace}/configmaps/settings/status"));
}

#[tokio::test]
async fn a_watch_is_logged_when_it_opens_and_not_again_when_it_ends() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("audit").await.unwrap();
    let user = User::Named("watching".into());
    control_plane.bind(&user, "view").await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(control_plane.client(&user).unwrap(), &namespace);
    await_until("the right to read", Duration::from_secs(60), async || {
        maps.get_opt(PROBE).await.map_err(|e| e.to_string())
    })
    .await;
    let mut watch = maps.watch(&WatchParams::default().timeout(1), "0").await.unwrap().boxed();

    assert_eq!(events_of(&user, &namespace, 1).await.len(), 1);
    while watch.next().await.is_some() {}
    assert!(maps.get("absent").await.is_err());
    let verbs: Vec<_> = events_of(&user, &namespace, 2).await.into_iter().map(|event| event.verb).collect();
    assert_eq!(verbs, ["watch", "get"]);
}

#[tokio::test]
async fn what_happened_before_the_mark_is_not_told() {
    let control_plane = ControlPlane::shared().await;
    let audit = control_plane.audit();
    let user = User::Named("marked".into());
    let of_user = |event: &AuditEvent| event.user == user.name();
    let maps: Api<ConfigMap> = Api::namespaced(control_plane.client(&user).unwrap(), "default");
    assert!(maps.get("before").await.is_err());
    events_of(&user, "default", 1).await;

    let mark = audit.mark().unwrap();
    assert!(maps.get("after").await.is_err());
    let events = await_until("the event after the mark", Duration::from_secs(10), async || {
        let events: Vec<_> = audit.since(&mark).unwrap().into_iter().filter(of_user).collect();
        if events.is_empty() { Err("nothing") } else { Ok(events) }
    });
    assert_eq!(events.await.into_iter().map(|event| event.name).collect::<Vec<_>>(), ["after"]);
    assert!(audit.text_since(&mark).unwrap().contains("/configmaps/after"));
}
