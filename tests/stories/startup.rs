//! What is missing when the operator starts: one message with its remedy, exit code 1, no panic, and an end by itself.
//! An API server that is not there is another matter: see `arrival`.

use std::{io::Write, net::TcpListener, process::Stdio, time::Duration};

use serde_json::{Value, json};
use tempfile::NamedTempFile;
use testbed::{
    control_plane::{ControlPlane, Options},
    operator::OperatorOptions,
    users::User,
};
use tokio::process::Command;

use crate::world::{World, operator_binary, repository};

/// An operator that hangs is not one that ends by itself.
const ENDS_WITHIN: Duration = Duration::from_secs(90);

/// Starts an operator that cannot work, waits for its end, and returns what it said.
async fn refusal(options: &OperatorOptions, listen: &str) -> String {
    let mut command = Command::new(&options.binary);
    command.args(&options.args).args(["--listen", listen]);
    command.env("KUBECONFIG", &options.kubeconfig).envs(options.env.iter().cloned());
    command.stdin(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(ENDS_WITHIN, command.output()).await.expect("it ends by itself");
    let output = ended.expect("it starts");
    assert!(output.stdout.is_empty(), "errors do not belong into a pipe");
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("error: ")).count(), 1, "one message: {said}");
    said
}

async fn refused(options: &OperatorOptions, fragments: &[&str]) {
    let said = refusal(options, "127.0.0.1:0").await;
    for fragment in fragments {
        assert!(said.contains(fragment), "{fragment:?} is missing in: {said}");
    }
}

/// The operator's kubeconfig with another server.
pub fn kubeconfig_for(world: &World, server: &str) -> NamedTempFile {
    let path = world.cluster.kubeconfig(&User::Operator).expect("a kubeconfig");
    let mut config: Value = serde_json::from_slice(&std::fs::read(path).expect("readable")).expect("JSON");
    config["clusters"][0]["cluster"]["server"] = json!(server);
    file(&config.to_string())
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("writable");
    file
}

#[tokio::test]
async fn a_kubeconfig_that_is_missing_or_broken_is_named_with_its_remedy() {
    let world = World::without_operator().await;
    let broken = file("users: [{ name: me, user: { token: canary-in-the-kubeconfig }");
    let empty = file("apiVersion: v1\nkind: Config\n");
    for path in [world.cluster.dir().join("no-such-kubeconfig"), broken.path().into(), empty.path().into()] {
        let options = OperatorOptions { kubeconfig: path, ..world.operator_options() };
        let said = refusal(&options, "127.0.0.1:0").await;
        assert!(said.contains("set KUBECONFIG to a kubeconfig file") && said.contains("because: "), "{said}");
        assert!(!said.contains("canary"), "{said}");
    }
}

#[tokio::test]
async fn missing_crds_are_named_with_the_command_that_installs_them() {
    let bare = ControlPlane::start(Options::default()).await.expect("a control plane");
    let rbac = std::fs::read_to_string(repository().join("examples/rbac.yaml")).expect("the sample RBAC");
    bare.apply(&User::Admin, &rbac).await.expect("the sample RBAC is applied");
    bare.bind(&User::Operator, "apitoken-operator").await.expect("the operator gets its rights");
    let options = OperatorOptions {
        binary: operator_binary(),
        kubeconfig: bare.kubeconfig(&User::Operator).expect("a kubeconfig"),
        args: vec!["run".to_owned()],
        env: Vec::new(),
    };
    let command = "apitoken-operator crd | kubectl apply --server-side -f -";
    refused(&options, &["ApiToken", "install the CRDs", command]).await;
}

/// A user who may do all that the operator needs, but for one resource.
async fn user_without(world: &World, resource: &str) -> User {
    let user = User::Named(format!("{}-no-{resource}", world.namespace));
    let all = [
        ("apitoken.dev", "apitokens"),
        ("apitoken.dev", "tokenproviders"),
        ("apitoken.dev", "clustertokenproviders"),
        ("", "secrets"),
    ];
    let rest = all.iter().filter(|(_, other)| *other != resource);
    let rules: Vec<Value> = rest
        .map(|(group, resource)| json!({ "apiGroups": [group], "resources": [resource], "verbs": ["*"] }))
        .collect();
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": { "name": user.name() }, "rules": rules,
    });
    world.cluster.apply(&User::Admin, &role.to_string()).await.expect("a role");
    world.cluster.bind(&user, user.name()).await.expect("its rights");
    user
}

#[tokio::test]
async fn each_missing_right_is_named_with_where_it_is_granted() {
    let world = World::without_operator().await;
    for resource in ["apitokens", "tokenproviders", "clustertokenproviders", "secrets"] {
        let user = user_without(&world, resource).await;
        let kubeconfig = world.cluster.kubeconfig(&user).expect("a kubeconfig");
        let options = OperatorOptions { kubeconfig, ..world.operator_options() };
        let denied = format!("may not list {resource}");
        refused(&options, &[&denied, &format!("grant get, list and watch on {resource}"), "examples/rbac.yaml"]).await;
    }
}

#[tokio::test]
async fn a_right_to_watch_that_is_missing_ends_the_start_and_not_the_patience() {
    let world = World::without_operator().await;
    let user = user_without(&world, "secrets").await;
    let lists = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": { "name": format!("{}-lists", world.namespace) },
        "rules": [{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "create"] }],
    });
    world.cluster.apply(&User::Admin, &lists.to_string()).await.expect("a role");
    world.cluster.bind(&user, &format!("{}-lists", world.namespace)).await.expect("its rights");
    let kubeconfig = world.cluster.kubeconfig(&user).expect("a kubeconfig");
    let options = OperatorOptions { kubeconfig, ..world.operator_options() };
    refused(&options, &["may not watch secrets", "examples/rbac.yaml"]).await;
}

#[tokio::test]
async fn a_key_secret_that_may_not_be_made_or_holds_no_key_is_named_with_its_remedy() {
    let world = World::without_operator().await;
    let user = user_without(&world, "secrets").await;
    let reads = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": { "name": format!("{}-reads", world.namespace) },
        "rules": [{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"] }],
    });
    world.cluster.apply(&User::Admin, &reads.to_string()).await.expect("a role");
    world.cluster.bind(&user, &format!("{}-reads", world.namespace)).await.expect("its rights");
    let kubeconfig = world.cluster.kubeconfig(&user).expect("a kubeconfig");
    let options = OperatorOptions { kubeconfig, ..world.operator_options() };
    refused(&options, &["cannot create Secret", &world.namespace, "apitoken-operator-key", "examples/rbac.yaml"]).await;

    world.secret("apitoken-operator-key", None, &[("key", "too short")]).await;
    refused(&world.operator_options(), &["does not hold 32 bytes", &world.namespace, "delete it"]).await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_with_the_flag_that_changes_it() {
    let world = World::without_operator().await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let said = refusal(&world.operator_options(), &address).await;
    assert!(said.contains(&address) && said.contains("--listen"), "{said}");
}
