//! An API server that is busy, or that takes a request and never answers it.

use std::time::{Duration, Instant};

use testbed::{
    api_proxy::{Answer, ApiRequest, When},
    eventually::await_until,
    operator::OperatorProcess,
    reliability::{oracles, row},
    vendors::Operation,
};

use crate::{
    lone::{Lone, is_watch, on_its_way, reads_session, stores_answer, stores_session, writes, writes_output},
    replicas::{Company, LEASE_FOR, ends_as_one_who_lost, leads},
    world::PATIENCE,
};

fn busy(retry_after: u32) -> Answer {
    let details = serde_json::json!({ "retryAfterSeconds": retry_after });
    let body = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 429,
        "reason": "TooManyRequests", "message": "too many requests, please try again later", "details": details,
    });
    Answer { status: 429, content_type: "application/json", retry_after: Some(retry_after), body: body.to_string() }
}

async fn counted(operator: &OperatorProcess, outcome: &'static str, least: f64) {
    await_until(&format!("requests that end in {outcome}"), PATIENCE, async || {
        match operator.metric("apitoken_api_requests_total", &[("outcome", outcome)]).await {
            Ok(Some(count)) if count >= least => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn an_api_server_that_is_busy_is_left_alone_for_as_long_as_it_says_and_everything_is_renewed_after() {
    const TOLD: u32 = 5;
    let lone = Lone::new().await;
    lone.company.renewing("infra").await;
    let rule = lone.proxy.answer(When::Before, |request: &ApiRequest| !is_watch(request), busy(TOLD));
    let passes = async |so_many: usize| {
        await_until("passes that are told to come later", PATIENCE, async || {
            match rule.met().iter().filter(|request| reads_session(request)).count() {
                seen if seen >= so_many => Ok(()),
                seen => Err(seen),
            }
        })
        .await;
    };
    passes(1).await;
    let begun = Instant::now();
    passes(4).await;
    let waited = begun.elapsed().as_secs_f64() / f64::from(3 * TOLD);
    counted(lone.world().operator(), "throttled", 4.0).await;
    drop(rule);
    let free = Instant::now();
    lone.company.next_refresh("infra").await;
    let took = free.elapsed();
    lone.company.spent(1);
    // The first is seen a moment after it came.
    assert!(waited > 0.9, "asked again after {waited:.2} of the time that it had asked for");
    row(27)
        .injected("429 with a Retry-After of 5 s to all but watches, until four passes had met it")
        .judged(&oracles::one_time(&lone.company.virtana.history()))
        .logins(lone.company.virtana.logins().len(), 1)
        .took("the end of 429, next refresh", took)
        .holds(format!("asked again after {waited:.2} of the time that was told; nothing spent; renewed after"));
}

#[tokio::test]
async fn a_request_that_is_never_answered_is_given_up_and_delays_nobody_else() {
    let lone = Lone::new().await;
    lone.company.renewing("infra").await;
    let mut took = Vec::new();
    for kind in [reads_session as fn(&ApiRequest) -> bool, stores_session, writes_output] {
        let session = lone.world().session_name("infra").await;
        let ours = move |request: &ApiRequest| {
            kind(request) && (request.path.ends_with(&session) || request.path.ends_with("/secrets/infra"))
        };
        let before = took.len();
        let hold = lone.proxy.hold(When::Before, ours);
        hold.first(PATIENCE).await.expect("a request that is not answered");
        lone.company.resting(&format!("other-{before}")).await;
        let timeouts = f64::from(u32::try_from(before + 1).expect("few"));
        counted(lone.world().operator(), "timeout", timeouts).await;
        drop(hold);
        let free = Instant::now();
        lone.company.next_refresh("infra").await;
        took.push(free.elapsed());
    }
    // The others shared the account of the vendor, so each is a login of its own.
    lone.company.spent(4);
    row(28)
        .injected("the read of a session, its storage and the write of an output, each held for ever")
        .judged(&oracles::one_time(&lone.company.virtana.history()))
        .logins(lone.asked(Operation::Login), 4)
        .took("a held request let go, next refresh", took.iter().max().copied().unwrap_or_default())
        .holds("given up after 10 s; meanwhile another ApiToken gets its first token each time");
}

#[tokio::test]
async fn a_write_that_was_told_to_come_later_never_comes_once_leadership_is_lost() {
    let company = Company::new().await;
    let (proxy, leader) = company.leader_by_proxy().await;
    // Of another account, so that neither waits for the other: until it is answered the process lives on.
    company.virtana.add_account("slow", "correct");
    company.world.credentials("slow-login", &[("clientId", "slow"), ("clientSecret", "correct")]).await;
    company.token_of("slow", "slow-login", 10).await;
    company.world.ready("slow").await;
    company.virtana.script(|script| script.refresh_latency = LEASE_FOR * 3);
    company.virtana.wait_for("a slow refresh is on its way", PATIENCE, on_its_way).await;
    company.virtana.script(|script| script.refresh_latency = Duration::ZERO);
    company.renewing("infra").await;
    let session = company.world.session_name("infra").await;
    let ours = move |request: &ApiRequest| stores_session(request) && request.path.ends_with(&session);
    let later = proxy.answer(When::Before, ours, busy(4));
    later.first(PATIENCE).await.expect("a write that is to come later");
    company.edit_lease(serde_json::json!({ "holderIdentity": "somebody" })).await;
    let lost = |line: &str| line.contains("leadership lost");
    leader.wait_for_log(lost, PATIENCE).await.expect("it knows that it leads no more");
    let (asked, written) = (company.virtana.history().len(), proxy.record(writes));
    ends_as_one_who_lost(&leader).await;
    let lived = company.virtana.refreshes().iter().all(|one| one.answered.is_some());
    assert!(lived, "it ended before its client could have come again");
    assert_eq!(company.virtana.history().len(), asked, "a provider was asked after the loss");
    let written = written.met();
    assert!(matches!(&written[..], [answer] if stores_answer(answer)), "not the slow answer alone: {written:#?}");
    drop(later);
    let next = company.replica().await;
    leads(&next).await;
    company.next_refresh("infra").await;
    company.spent(2);
    row(15)
        .injected(
            "429 with Retry-After to a write of the leader, whose Lease is then taken away; another answer is awaited",
        )
        .judged(&oracles::one_time(&company.virtana.history()))
        .logins(company.virtana.logins().len(), 2)
        .holds("the write never comes; nobody is asked after the loss, and only the awaited answer is written");
}
