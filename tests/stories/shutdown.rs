//! SIGTERM: what is under way is finished and stored, and the process says that all is well.

use std::time::Duration;

use apitoken_operator::api::http;
use serde_json::json;
use testbed::vendors::{Exchange, Fault, On, Operation, Palette};

use testbed::reliability::row;

use crate::world::{PATIENCE, World, ready};

fn in_flight(operation: Operation) -> impl Fn(&[Exchange]) -> bool {
    move |all| all.iter().any(|one| one.operation == operation && one.answered.is_none())
}

#[tokio::test]
async fn a_login_in_flight_when_the_operator_is_told_to_stop_is_stored_before_it_ends() {
    told_to_stop_during(Operation::Login).await;
}

#[tokio::test]
async fn a_refresh_in_flight_when_the_operator_is_told_to_stop_is_stored_before_it_ends() {
    told_to_stop_during(Operation::Refresh).await;
    row(7)
        .injected("SIGTERM during a refresh that takes 2 s")
        .holds("answered, stored, projected; exit code 0; nothing is asked after the next start");
}

fn stored_by(operation: Operation) -> http::Operation {
    if operation == Operation::Login { http::Operation::Login } else { http::Operation::Refresh }
}

async fn told_to_stop_during(operation: Operation) {
    let mut world = World::new().await;
    let palette = Palette::start(&world.ca).expect("Palette");
    palette.add_account("ops@example.com", "correct");
    palette.script(|script| {
        script.lifetime = Duration::from_secs(60);
        match operation {
            Operation::Login => script.login_latency = Duration::from_secs(2),
            _ => script.refresh_latency = Duration::from_secs(2),
        }
    });
    world.credentials("login", &[("emailId", "ops@example.com"), ("password", "correct")]).await;
    let provider = world.preset("Palette", &palette.base_url()).await;
    let spec = json!({
        "providerRef": { "name": provider }, "credentialsRef": { "name": "login" }, "refresh": { "atPercent": 10 },
    });
    world.token_with("clusters", spec).await;
    palette.wait_for("the request is in flight", PATIENCE, in_flight(operation)).await;
    // Long enough that nothing is due after the restart.
    palette.script(|script| script.lifetime = Duration::from_secs(3600));

    let status = world.operator().terminate().await.expect("it ends");
    assert_eq!(status.code(), Some(0));
    let logs = world.operator().logs();
    assert!(logs.iter().any(|line| line.contains("stopped")), "{logs:#?}");
    let exchanges = palette.record().of(operation);
    let issued = exchanges.last().and_then(|last| last.issued.first().cloned()).expect("it was not broken off");
    let stored = world.data("clusters", "token").await;
    assert_eq!(palette.token(&stored).expect("a token of this vendor").id, issued.id, "the answer was thrown away");

    let asked = palette.history().len();
    world.stop_operator().await;
    world.start_operator().await;
    world
        .until("clusters", "the status tells of the stored token", |token| {
            let last = token.status.as_ref().and_then(|status| status.last_operation);
            ready(token).is_some_and(|ready| ready.status == "True") && last == Some(stored_by(operation))
        })
        .await;
    assert_eq!(palette.history().len(), asked, "the provider was asked again for what it had given");
    palette.assert_no_protocol_errors();
}

#[tokio::test]
async fn whoever_does_not_want_to_wait_for_a_request_in_flight_tells_it_to_stop_twice() {
    let world = World::new().await;
    let palette = Palette::start(&world.ca).expect("Palette");
    palette.add_account("ops@example.com", "correct");
    palette.fail_always(On::Both, Fault::Hang);
    world.credentials("login", &[("emailId", "ops@example.com"), ("password", "correct")]).await;
    let provider = world.preset("Palette", &palette.base_url()).await;
    world.token("clusters", &provider, "login").await;
    palette.wait_for("the request is in flight", PATIENCE, in_flight(Operation::Login)).await;
    world.operator().tell_to_stop().expect("told");
    let waits = |line: &str| line.contains("passes in flight are finished");
    world.operator().wait_for_log(waits, PATIENCE).await.expect("it waits for the request");
    world.operator().tell_to_stop().expect("told again");
    assert_eq!(world.operator().wait(PATIENCE).await.expect("it ends").code(), Some(1));
    assert!(palette.logins().iter().all(|login| login.status.is_none()), "the request was answered after all");
}
