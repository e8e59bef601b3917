//! The API server comes after the operator, or not at all: it is waited for, and whoever asks is told.

use std::net::TcpListener;

use testbed::{
    api_proxy::{Answer, When},
    eventually::await_until,
    operator::{OperatorOptions, OperatorProcess},
    ports::Port,
};

use crate::{
    startup::kubeconfig_for,
    world::{PATIENCE, World},
};

/// Waits until `/readyz` says all of this, and `/livez` that nothing is wrong with the process.
async fn waits(operator: &OperatorProcess, words: &[&str]) {
    await_until("/readyz says what is waited for", PATIENCE, async || match operator.get("/readyz").await {
        Ok((503, why)) if words.iter().all(|word| why.contains(word)) => Ok(()),
        other => Err(format!("{other:?}, {:#?}", operator.logs())),
    })
    .await;
    assert_eq!(operator.get("/livez").await.expect("it answers").0, 200, "a restart would help nobody");
}

#[tokio::test]
async fn an_operator_that_starts_before_its_api_server_is_alive_and_becomes_ready_when_that_comes() {
    let (world, proxy) = World::by_proxy().await;
    proxy.stop();
    let operator = OperatorProcess::start(&world.operator_options()).expect("it starts");
    waits(&operator, &["waiting for the API server", "cannot reach the API server", &proxy.url()]).await;
    proxy.restart().expect("the API server comes");
    operator.ready(PATIENCE).await.expect("it becomes ready");
    let told = |line: &&String| line.contains("waiting for the API server");
    assert_eq!(operator.logs().iter().filter(told).count(), 1, "{:#?}", operator.logs());
    assert_eq!(operator.terminate().await.expect("it ends").code(), Some(0));
}

#[tokio::test]
async fn an_api_server_that_is_not_there_is_named_with_its_address() {
    let world = World::without_operator().await;
    let nobody = Port::reserve().expect("a port");
    let server = format!("https://{}", nobody.address());
    let config = kubeconfig_for(&world, &server);
    let options = OperatorOptions { kubeconfig: config.path().to_owned(), ..world.operator_options() };
    let operator = OperatorProcess::start(&options).expect("it starts");
    waits(&operator, &["cannot reach the API server", &server, "KUBECONFIG"]).await;
    let named = |line: &str| line.contains("cannot reach the API server") && line.contains(&server);
    operator.wait_for_log(named, PATIENCE).await.expect("the log says it, too");
}

#[tokio::test]
async fn an_operator_that_is_told_to_stop_while_the_api_server_is_silent_ends_at_once_and_well() {
    let world = World::without_operator().await;
    // The kernel accepts connections for it; nobody ever reads from them.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = format!("https://{}", silent.local_addr().expect("an address"));
    let config = kubeconfig_for(&world, &server);
    let options = OperatorOptions { kubeconfig: config.path().to_owned(), ..world.operator_options() };
    for heard in ["started", "no answer within"] {
        let operator = OperatorProcess::start(&options).expect("it starts");
        operator.wait_for_log(|line| line.contains(heard), PATIENCE).await.expect("it has begun");
        operator.tell_to_stop().expect("it is told");
        // By the handler: a signal without one ends a process without a code, and process 1 not at all.
        let status = operator.wait(PATIENCE).await.expect("it ends");
        let logs = operator.logs();
        assert_eq!(status.code(), Some(0), "{logs:#?}");
        assert!(logs.iter().any(|line| line.contains("told to stop")), "{logs:#?}");
    }
}

#[tokio::test]
async fn what_an_api_server_refuses_while_it_comes_up_is_asked_for_again() {
    let (world, proxy) = World::by_proxy().await;
    let down = proxy.answer(When::Before, |_| true, Answer::refusal(503, "ServiceUnavailable", "starting"));
    let operator = OperatorProcess::start(&world.operator_options()).expect("it starts");
    waits(&operator, &["waiting for the API server", "503"]).await;
    // As RBAC answers before it has read the roles.
    let roles = proxy.answer(When::Before, |_| true, Answer::refusal(403, "Forbidden", "roles are not read yet"));
    drop(down);
    waits(&operator, &["waiting for the API server", "403"]).await;
    drop(roles);
    operator.ready(PATIENCE).await.expect("it becomes ready");
}
