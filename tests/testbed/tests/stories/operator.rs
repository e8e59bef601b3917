//! The operator as a process, with a stand-in whose behaviour is known.

use std::time::Duration;

use testbed::operator::{OperatorOptions, OperatorProcess};

const SOON: Duration = Duration::from_secs(30);

pub fn stand_in(args: &[&str]) -> OperatorOptions {
    OperatorOptions {
        binary: env!("CARGO_BIN_EXE_stand-in-operator").into(),
        kubeconfig: "/a/kubeconfig".into(),
        args: args.iter().map(ToString::to_string).collect(),
        env: Vec::new(),
    }
}

#[tokio::test]
async fn it_is_ready_when_readyz_says_so_and_its_metrics_can_be_read() {
    let operator = OperatorProcess::start(&stand_in(&["run"])).unwrap();
    operator.ready(SOON).await.unwrap();
    let requests = operator.metric("requests_total", &[("kind", "any")]).await.unwrap();
    assert!(requests >= Some(4.0), "two refusals, one success and this one, but {requests:?}");
    assert_eq!(operator.metric("requests_total", &[("kind", "none")]).await.unwrap(), None);
}

#[tokio::test]
async fn both_its_streams_are_in_the_log_and_it_knows_its_kubeconfig() {
    let operator = OperatorProcess::start(&stand_in(&["run"])).unwrap();
    operator.wait_for_log(|line| line == "listening", SOON).await.unwrap();
    let line = operator.wait_for_log(|line| line.starts_with("KUBECONFIG"), SOON).await.unwrap();
    assert_eq!(line, "KUBECONFIG is /a/kubeconfig");
}

#[tokio::test]
async fn after_a_termination_its_exit_code_and_its_last_words_are_there() {
    let operator = OperatorProcess::start(&stand_in(&["run"])).unwrap();
    operator.wait_for_log(|line| line == "listening", SOON).await.unwrap();
    let status = operator.terminate().await.unwrap();
    assert_eq!(status.code(), Some(7));
    assert_eq!(operator.logs().last().map(String::as_str), Some("the last words"));
}

#[tokio::test]
async fn one_that_refuses_its_flags_is_not_waited_for() {
    let operator = OperatorProcess::start(&stand_in(&["run", "--no-such-flag"])).unwrap();
    let error = operator.ready(Duration::from_secs(600)).await.unwrap_err().to_string();
    assert!(error.contains("ended"), "{error}");
    assert_eq!(operator.wait(SOON).await.unwrap().code(), Some(2));
}

#[tokio::test]
async fn killed_it_has_no_last_words_and_costs_nothing_more() {
    let operator = OperatorProcess::start(&stand_in(&["run"])).unwrap();
    operator.ready(SOON).await.unwrap();
    assert!(operator.rss_kib().unwrap() > 500);
    assert!(operator.cpu_time().unwrap() < SOON);
    operator.kill9();
    assert!(operator.ended().is_some());
    assert!(!operator.logs().iter().any(|line| line == "the last words"));
    assert!(operator.rss_kib().is_err());
}
