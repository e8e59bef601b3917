//! The control plane: that it starts, who may do what, and that owned objects are collected.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use testbed::{control_plane::ControlPlane, eventually::await_until, users::User};

const SOON: Duration = Duration::from_secs(60);

const CRD: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: owners.testbed.example.com }
spec:
  group: testbed.example.com
  scope: Namespaced
  names: { kind: Owner, plural: owners, singular: owner }
  versions:
  - name: v1
    served: true
    storage: true
    schema: { openAPIV3Schema: { type: object } }
"#;

fn config_map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n")
}

/// The namespace is the manifest's own, so that kubectl needs no flag.
fn within(namespace: &str, manifest: &str) -> String {
    manifest.replacen("metadata:\n", &format!("metadata:\n  namespace: {namespace}\n"), 1)
}

fn owned_map(kind: &str, version: &str, owner: &str, uid: &str) -> String {
    let reference = format!("{{ apiVersion: {version}, kind: {kind}, name: {owner}, uid: {uid} }}");
    format!("{}  ownerReferences: [{reference}]\n", config_map("owned"))
}

async fn code_of_listing_secrets(user: &User, namespace: &str) -> u16 {
    let control_plane = ControlPlane::shared().await;
    let secrets: Api<Secret> = Api::namespaced(control_plane.client(user).unwrap(), namespace);
    match secrets.list(&ListParams::default()).await {
        Ok(_) => 200,
        Err(kube::Error::Api(status)) => status.code,
        Err(e) => panic!("{e}"),
    }
}

async fn await_gone(namespace: &str, name: &str, timeout: Duration) {
    let client = ControlPlane::shared().await.client(&User::Admin).unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client, namespace);
    await_until("the owned ConfigMap to be gone", timeout, async || match maps.get_opt(name).await.unwrap() {
        Some(map) => Err(format!("{:?}", map.metadata)),
        None => Ok(()),
    })
    .await;
}

#[tokio::test]
async fn it_is_the_release_that_the_module_names() {
    let control_plane = ControlPlane::shared().await;
    let version = control_plane.client(&User::Admin).unwrap().apiserver_version().await.unwrap();
    let module = include_str!("../../../cluster/go.mod");
    assert!(module.contains(&format!("k8s.io/kubernetes {}\n", version.git_version)), "{}", version.git_version);
}

#[test]
fn it_outlives_the_runtime_of_the_test_that_started_it() {
    let on_a_runtime_of_its_own = || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async { ControlPlane::shared().await.namespace("runtime").await.unwrap() })
    };
    assert_ne!(on_a_runtime_of_its_own(), on_a_runtime_of_its_own());
}

#[tokio::test]
async fn only_the_administrator_has_rights_from_the_start() {
    let namespace = ControlPlane::shared().await.namespace("rights").await.unwrap();
    assert_eq!(code_of_listing_secrets(&User::Admin, &namespace).await, 200);
    for user in [User::Operator, User::Tenant, User::Named("visitor".into())] {
        assert_eq!(code_of_listing_secrets(&user, &namespace).await, 403, "{user:?}");
    }
}

#[tokio::test]
async fn a_user_on_demand_has_what_a_binding_to_its_name_grants() {
    let control_plane = ControlPlane::shared().await;
    let user = User::Named("editor".into());
    control_plane.bind(&user, "edit").await.unwrap();
    await_until("the right to list Secrets", SOON, async || match code_of_listing_secrets(&user, "default").await {
        200 => Ok(()),
        code => Err(code),
    })
    .await;
}

#[tokio::test]
async fn kubectl_speaks_for_the_user_and_its_complaint_comes_back_in_its_own_words() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("apply").await.unwrap();
    let manifest = within(&namespace, &config_map("applied"));
    assert_eq!(control_plane.apply(&User::Admin, &manifest).await.unwrap(), "configmap/applied serverside-applied\n");
    let complaint = control_plane.apply(&User::Tenant, &manifest).await.unwrap_err().to_string();
    assert!(complaint.contains(r#"User "tenant" cannot patch resource "configmaps""#), "{complaint}");
}

#[tokio::test]
async fn what_an_object_owns_goes_with_it() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("owners").await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(control_plane.client(&User::Admin).unwrap(), &namespace);
    control_plane.apply(&User::Admin, &within(&namespace, &config_map("owner"))).await.unwrap();
    let uid = maps.get("owner").await.unwrap().metadata.uid.unwrap();
    let owned = within(&namespace, &owned_map("ConfigMap", "v1", "owner", &uid));
    control_plane.apply(&User::Admin, &owned).await.unwrap();

    maps.delete("owner", &DeleteParams::default()).await.unwrap();
    await_gone(&namespace, "owned", SOON).await;
}

#[tokio::test]
async fn what_an_object_of_a_fresh_crd_owns_goes_with_it_at_once() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("crd").await.unwrap();
    let crds = tempfile::tempdir().unwrap();
    std::fs::write(crds.path().join("owners.yaml"), CRD).unwrap();
    control_plane.crd(crds.path()).await.unwrap();

    let owner = within(&namespace, "apiVersion: testbed.example.com/v1\nkind: Owner\nmetadata:\n  name: owner\n");
    control_plane.apply(&User::Admin, &owner).await.unwrap();
    let mut kubectl = control_plane.kubectl(&User::Admin).unwrap();
    kubectl.args(["get", "owner", "owner", "-n", &namespace, "-o", "jsonpath={.metadata.uid}"]);
    let uid = String::from_utf8(kubectl.output().await.unwrap().stdout).unwrap();
    let owned = within(&namespace, &owned_map("Owner", "testbed.example.com/v1", "owner", &uid));
    control_plane.apply(&User::Admin, &owned).await.unwrap();

    let mut kubectl = control_plane.kubectl(&User::Admin).unwrap();
    kubectl.args(["delete", "owner", "owner", "-n", &namespace]);
    assert!(kubectl.output().await.unwrap().status.success());
    // The garbage collector looks for kinds it does not know every 30 seconds; `crd` must not leave it to that.
    await_gone(&namespace, "owned", Duration::from_secs(20)).await;
}
