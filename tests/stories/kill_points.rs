//! kill -9 at each point of a first issue: what it costs, and that all is well after the next start.

use std::time::{Duration, Instant};

use futures::future::join_all;
use testbed::{
    api_proxy::{ApiRequest, When},
    reliability::{oracles, row},
    vendors::Operation,
};

use crate::{
    lone::{Lone, logins, makes_session, on_its_way, stores_session, writes_output, writes_status},
    replicas::Company,
    world::PATIENCE,
};

/// Where the operator is killed: before or after the API server has done this.
struct Point {
    what: &'static str,
    when: When,
    at: fn(&ApiRequest) -> bool,
    /// Logins in all: one more where the vendor's answer is lost.
    logins: usize,
}

const POINTS: [Point; 8] = [
    Point { what: "before the intent is stored", when: When::Before, at: makes_session, logins: 1 },
    Point { what: "after the intent is stored", when: When::After, at: makes_session, logins: 1 },
    Point { what: "before the answer is stored", when: When::Before, at: stores_session, logins: 2 },
    Point { what: "after the answer is stored", when: When::After, at: stores_session, logins: 1 },
    Point { what: "before the output is written", when: When::Before, at: writes_output, logins: 1 },
    Point { what: "after the output is written", when: When::After, at: writes_output, logins: 1 },
    Point { what: "before the status is written", when: When::Before, at: writes_status, logins: 1 },
    Point { what: "after the status is written", when: When::After, at: writes_status, logins: 1 },
];

/// Returns the logins that it took, and how long it was until the ApiToken was ready.
async fn killed_at(point: &Point) -> (usize, Duration) {
    let mut lone = Lone::without_operator().await;
    let hold = lone.proxy.hold(point.when, point.at);
    lone.company.world.start_operator().await;
    lone.company.token("infra", 95).await;
    hold.first(PATIENCE).await.expect(point.what);
    lone.company.world.kill_operator();
    drop(hold);
    let killed = Instant::now();
    lone.company.world.start_operator().await;
    lone.world().ready("infra").await;
    let took = killed.elapsed();
    lone.company.holds_the_newest("infra").await;
    let made = lone.asked(Operation::Login);
    assert!(made <= point.logins, "killed {}: {made} logins", point.what);
    lone.company.virtana.assert_no_protocol_errors();
    (made, took)
}

#[tokio::test]
async fn killed_at_any_point_of_the_first_issue_it_is_ready_after_the_next_start_and_costs_one_login_more_at_most() {
    let ended = join_all(POINTS.iter().map(killed_at)).await;
    let more: Vec<_> = POINTS.iter().zip(&ended).filter(|(_, (made, _))| *made > 1).map(|(at, _)| at.what).collect();
    let mut note = row(1).injected(format!("kill -9 at {} points of a first issue", POINTS.len()));
    for (point, (_, took)) in POINTS.iter().zip(&ended) {
        note = note.took(format!("kill -9 {}, start, ready", point.what), *took);
    }
    let (made, due) = (ended.iter().map(|(made, _)| made).sum(), POINTS.iter().map(|point| point.logins).sum());
    note.logins(made, due).holds(format!("ready after each; a second login only if killed {}", more.join(", ")));
}

#[tokio::test]
async fn a_provider_that_hangs_past_the_grace_period_leaves_an_intent_and_one_login_follows() {
    let mut company = Company::new().await;
    company.world.flags.clear();
    company.world.start_operator().await;
    // The vendor takes the token in all the same, long after who presented it has gone. From the first refresh on: one
    // that was quick would be on its way as well.
    company.virtana.script(|script| script.refresh_latency = Duration::from_secs(15));
    company.token("infra", 10).await;
    company.virtana.wait_for("a refresh is on its way", PATIENCE, on_its_way).await;
    company.virtana.script(|script| script.refresh_latency = Duration::ZERO);
    company.world.operator().tell_to_stop().expect("told");
    let waits = |line: &str| line.contains("passes in flight are finished");
    company.world.operator().wait_for_log(waits, PATIENCE).await.expect("it waits for the request");
    // As the kubelet does at the end of the grace period.
    company.world.kill_operator();
    let killed = Instant::now();
    company.world.start_operator().await;
    company.virtana.wait_for("a login", PATIENCE, |all| logins(all) == 2).await;
    company.holds_the_newest("infra").await;
    let took = killed.elapsed();
    let spent = |one: &testbed::vendors::Exchange| one.operation == Operation::Refresh && !one.presented.is_empty();
    company.virtana.wait_for("the first token is spent", PATIENCE, |all| all.iter().any(spent)).await;
    company.next_refresh("infra").await;
    company.spent(2);
    row(8)
        .injected(
            "SIGTERM during a refresh that hangs; SIGKILL while it waits for it; the vendor spends the token later",
        )
        .judged(&oracles::one_time(&company.virtana.history()))
        .logins(company.virtana.logins().len(), 2)
        .took("SIGKILL past the grace period, start, new token", took)
        .holds("the intent tells of it: the token is not presented again, one login follows");
}
