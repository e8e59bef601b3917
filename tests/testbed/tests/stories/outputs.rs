//! The independent watcher of a Secret.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api,
    api::{DeleteParams, ObjectMeta, PostParams},
};
use testbed::{
    control_plane::{ControlPlane, Options},
    outputs::OutputWatcher,
    users::User,
};

const SOON: Duration = Duration::from_secs(30);

fn secret(name: &str, count: usize) -> Secret {
    Secret {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..Default::default() },
        data: Some(BTreeMap::from([("count".to_owned(), ByteString(count.to_string().into_bytes()))])),
        ..Default::default()
    }
}

#[tokio::test]
async fn every_version_of_fifty_quick_updates_is_recorded_in_order() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("outputs").await.unwrap();
    let client = control_plane.client(&User::Admin).unwrap();
    let watcher = OutputWatcher::start(client.clone(), &namespace, "output").await.unwrap();

    let secrets: Api<Secret> = Api::namespaced(client, &namespace);
    secrets.create(&PostParams::default(), &secret("another", 0)).await.unwrap();
    let mut written = vec![secrets.create(&PostParams::default(), &secret("output", 0)).await.unwrap()];
    for count in 1..=50 {
        written.push(secrets.replace("output", &PostParams::default(), &secret("output", count)).await.unwrap());
    }
    secrets.delete("output", &DeleteParams::default()).await.unwrap();

    let seen = watcher.wait_for(|seen| seen.last().is_some_and(|last| last.deleted), SOON).await.unwrap();
    let counts: Vec<usize> = seen.iter().map(|version| version.text("count").unwrap().parse().unwrap()).collect();
    assert_eq!(counts, (0..=50).chain([50]).collect::<Vec<_>>());
    let versions: Vec<_> = seen[..51].iter().map(|version| Some(version.resource_version.clone())).collect();
    assert_eq!(versions, written.into_iter().map(|secret| secret.metadata.resource_version).collect::<Vec<_>>());
    assert!(seen[..51].iter().all(|version| !version.deleted));
}

#[tokio::test]
async fn a_secret_that_exists_is_the_first_version_and_a_wait_in_vain_tells_what_was_seen() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("outputs").await.unwrap();
    let client = control_plane.client(&User::Admin).unwrap();
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace);
    let made = secrets.create(&PostParams::default(), &secret("output", 1)).await.unwrap();
    let watcher = OutputWatcher::start(client, &namespace, "output").await.unwrap();
    assert_eq!(watcher.versions().unwrap().len(), 1);
    let error = watcher.wait_for(|seen| seen.len() == 2, Duration::from_millis(50)).await.unwrap_err().to_string();
    let seen = format!("1 versions: {}", made.metadata.resource_version.unwrap());
    assert!(error.ends_with(&seen), "{error}");
}

#[tokio::test]
async fn a_restart_of_the_api_server_keeps_the_data_and_costs_the_watcher_no_version() {
    let control_plane = ControlPlane::start(Options::default()).await.unwrap();
    let namespace = control_plane.namespace("outputs").await.unwrap();
    let client = control_plane.client(&User::Admin).unwrap();
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace);
    secrets.create(&PostParams::default(), &secret("output", 0)).await.unwrap();
    let watcher = OutputWatcher::start(client, &namespace, "output").await.unwrap();
    // The server's position moves on, while that of the watched Secret does not.
    secrets.create(&PostParams::default(), &secret("another", 0)).await.unwrap();

    control_plane.stop_apiserver();
    assert!(secrets.get("output").await.is_err());
    control_plane.start_apiserver().await.unwrap();

    assert_eq!(secrets.get("output").await.unwrap().data, secret("output", 0).data);
    secrets.replace("output", &PostParams::default(), &secret("output", 1)).await.unwrap();
    let seen = watcher.wait_for(|seen| seen.len() == 2, SOON).await.unwrap();
    assert_eq!(seen[1].text("count"), Some("1"));
}
