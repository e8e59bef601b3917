//! Something that is no API server answers the operator's requests: what it says goes nowhere.

use http::Method;
use k8s_openapi::api::events::v1::Event;
use kube::{Api, api::ListParams};
use testbed::{
    api_proxy::{Answer, ApiRequest, When},
    operator::OperatorProcess,
    vendors::Virtana,
};

use crate::world::{PATIENCE, World};

const CANARY: &str = "canary-of-a-body-3f7d";

#[tokio::test]
async fn a_body_that_is_no_json_is_in_no_log_event_or_status() {
    let (mut world, proxy) = World::by_proxy().await;
    world.start_operator().await;
    let virtana = Virtana::start(&world.ca).expect("Virtana");
    virtana.add_account("client", "correct");
    world.credentials("login", &[("clientId", "client"), ("clientSecret", "correct")]).await;
    let provider = world.preset("Virtana", &virtana.base_url()).await;

    for (number, status) in [200, 403, 500].into_iter().enumerate() {
        // Reads and writes of Secrets, the status, and the events: everything but the watches.
        let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH];
        let rules = methods.map(|wanted| {
            let asked = move |request: &ApiRequest| {
                request.method == wanted && !request.query.contains("watch=") && !request.query.contains("limit=")
            };
            proxy.answer(When::Before, asked, no_json(status))
        });
        let name = format!("infra-{number}");
        world.token(&name, &provider, "login").await;
        rules[0].first(PATIENCE).await.expect("a read that is answered so");
        drop(rules);
        world.ready(&name).await;
    }
    let rule = proxy.answer(When::After, |request| request.method == Method::PATCH, no_json(200));
    world.edit_secret("infra-0", &[("token", "something else")]).await;
    rule.first(PATIENCE).await.expect("a write that is answered so");
    drop(rule);
    world.ready("infra-0").await;
    assert_told_nowhere(&world).await;
}

#[tokio::test]
async fn a_watch_or_list_that_meets_a_body_that_is_no_json_does_not_repeat_it() {
    let (world, proxy) = World::by_proxy().await;
    for (wanted, status) in
        ["watch=", "limit="].into_iter().flat_map(|wanted| [200, 403, 500].map(|status| (wanted, status)))
    {
        // What is asked before the start ends it: that is the other story.
        let of_the_watches =
            move |request: &ApiRequest| request.query.contains(wanted) && !request.query.contains("preflight");
        let rule = proxy.answer(When::Before, of_the_watches, no_json(status));
        let operator = OperatorProcess::start(&world.operator_options()).expect("the operator starts");
        rule.first(PATIENCE).await.expect("a request that is answered so");
        let told = operator.wait_for_log(|line| line.contains("watch failed"), PATIENCE).await;
        told.expect("a line about it");
        assert_silent(&operator);
    }
}

#[tokio::test]
async fn a_start_that_meets_a_body_that_is_no_json_ends_or_waits_without_repeating_it() {
    let (world, proxy) = World::by_proxy().await;
    for status in [200, 403] {
        let _rule = proxy.answer(When::Before, |_| true, no_json(status));
        let operator = OperatorProcess::start(&world.operator_options()).expect("the operator starts");
        let ended = operator.wait(PATIENCE).await.expect("it ends, because it cannot begin");
        assert!(!ended.success());
        assert!(!operator.logs().is_empty(), "it says why");
        assert_silent(&operator);
    }
    let _rule = proxy.answer(When::Before, |_| true, no_json(500));
    let operator = OperatorProcess::start(&world.operator_options()).expect("the operator starts");
    let waits = operator.wait_for_log(|line| line.contains("waiting for the API server"), PATIENCE).await;
    waits.expect("it waits for a better answer, and says so");
    let (_, why) = operator.get("/readyz").await.expect("it answers");
    assert!(!why.contains(CANARY), "{why}");
    assert_silent(&operator);
}

fn assert_silent(operator: &OperatorProcess) {
    let log = operator.logs().join("\n");
    assert!(!log.contains(CANARY), "{log}");
}

fn no_json(status: u16) -> Answer {
    Answer { status, content_type: "text/html", retry_after: None, body: format!("<html><body>{CANARY}</body></html>") }
}

async fn assert_told_nowhere(world: &World) {
    let log = world.operator().logs().join("\n");
    assert!(log.contains("cannot get secrets"), "the story has a log to look at: {log}");
    assert_silent(world.operator());
    let events: Api<Event> = Api::namespaced(world.client.clone(), &world.namespace);
    let events = events.list(&ListParams::default()).await.expect("events");
    let tokens = world.tokens().list(&ListParams::default()).await.expect("ApiTokens");
    let told = serde_json::to_string(&(events, tokens)).expect("JSON");
    assert!(!told.contains(CANARY), "{told}");
}
