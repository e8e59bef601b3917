//! Two replicas and the Lease: one leads, the other goes on when the first is told to stop, dies or freezes.

use std::time::{Duration, Instant};

use testbed::{
    api_proxy::When,
    eventually::await_until,
    operator::OperatorProcess,
    reliability::{oracles, row},
};

use crate::{
    lone::{logins, on_its_way, stores_answer, writes},
    replicas::{Company, LEASE_FOR, acts_of, ends_as_one_who_lost, leads, stands_by},
    world::PATIENCE,
};

#[expect(clippy::print_stdout, reason = "a figure for whoever reads the output; nothing is asserted about it")]
fn measured(what: &str, took: Duration) {
    println!("measured: {what}: {:.2} s", took.as_secs_f64());
}

#[tokio::test]
async fn of_two_replicas_that_start_at_once_one_leads_and_the_other_is_ready_alive_and_does_nothing() {
    let company = Company::new().await;
    let (one, two) = tokio::join!(company.replica(), company.replica());
    company.renewing("infra").await;
    company.next_refresh("infra").await;
    let (leader, other) = if stands_by(&one).await { (two, one) } else { (one, two) };
    leads(&leader).await;
    assert!(stands_by(&other).await);
    for path in ["/readyz", "/livez"] {
        assert_eq!(other.get(path).await.expect("it answers").0, 200, "{path}");
    }
    // The key of the fingerprints is made by whoever comes first.
    let made = other.metric("apitoken_api_requests_total", &[("verb", "create"), ("resource", "leases")]).await;
    assert!(acts_of(&other).await <= made.expect("metrics").unwrap_or(0.0), "{:#?}", other.logs());
    let lease = company.lease().await;
    let holder = lease.holder_identity.expect("a holder");
    assert!(leader.logs().iter().any(|line| line.contains(&holder) && line.contains("leading")), "{holder}");
    assert!(other.logs().iter().any(|line| line.contains(&holder) && line.contains("standing by")), "{holder}");
    assert_eq!((lease.lease_transitions, lease.lease_duration_seconds), (Some(0), Some(6)));
    company.spent(1);
}

#[tokio::test]
async fn a_takeover_with_valid_tokens_costs_no_call_and_no_write() {
    let company = Company::new().await;
    let names: Vec<_> = (0..20).map(|number| format!("infra-{number}")).collect();
    let (leader, other) = company.two_replicas().await;
    for name in &names {
        company.resting(name).await;
    }
    let asked = company.virtana.history().len();
    let told = Instant::now();
    assert_eq!(leader.terminate().await.expect("it ends").code(), Some(0));
    leads(&other).await;
    measured("from SIGTERM to the next leader, 20 valid tokens", told.elapsed());
    looked_at(&other, names.len()).await;
    assert_eq!(company.virtana.history().len(), asked);
    let leases =
        other.metric("apitoken_api_requests_total", &[("resource", "leases"), ("verb", "update"), ("outcome", "ok")]);
    let of_the_lease = leases.await.expect("metrics").unwrap_or(0.0);
    assert!(acts_of(&other).await <= of_the_lease + 1.0, "{:#?}", other.logs());
    assert_eq!(company.lease().await.lease_transitions, Some(1));
}

/// Every ApiToken has had a pass, or was seen to need none.
async fn looked_at(replica: &OperatorProcess, tokens: usize) {
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let tokens = tokens as f64;
    await_until("every ApiToken was looked at", PATIENCE, async || {
        match replica.metric("apitoken_reconciliations_total", &[]).await {
            Ok(Some(passes)) if passes >= tokens => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn when_the_leader_is_told_to_stop_the_other_goes_on_at_once_with_the_same_session() {
    let company = Company::new().await;
    let (leader, other) = company.two_replicas().await;
    company.renewing("infra").await;
    company.next_refresh("infra").await;
    let told = Instant::now();
    assert_eq!(leader.terminate().await.expect("it ends").code(), Some(0));
    assert!(leader.logs().iter().any(|line| line.contains("leadership released")), "{:#?}", leader.logs());
    leads(&other).await;
    let led = told.elapsed();
    measured("from SIGTERM to the next leader", led);
    company.next_refresh("infra").await;
    measured("from SIGTERM to the next refresh, due every 6 s", told.elapsed());
    company.spent(1);
    row(7)
        .injected("SIGTERM to the leader of two replicas")
        .judged(&oracles::one_time(&company.virtana.history()))
        .judged_all(&company.held())
        .logins(company.virtana.logins().len(), 1)
        .took("SIGTERM to the leader, another leads", led)
        .holds("the Lease is released; the other goes on with the same session");
}

#[tokio::test]
async fn when_the_leader_is_killed_the_other_goes_on_with_the_same_session() {
    let company = Company::new().await;
    let (leader, other) = company.two_replicas().await;
    company.renewing("infra").await;
    company.next_refresh("infra").await;
    let killed = Instant::now();
    leader.kill9();
    leads(&other).await;
    let led = killed.elapsed();
    measured(&format!("from kill -9 to the next leader, lease of {LEASE_FOR:?}"), led);
    company.next_refresh("infra").await;
    measured("from kill -9 to the next refresh, due every 6 s", killed.elapsed());
    company.next_refresh("infra").await;
    company.spent(1);
    row(4)
        .injected("kill -9 of the leader of two replicas between two refreshes")
        .judged(&oracles::one_time(&company.virtana.history()))
        .judged_all(&company.held())
        .logins(company.virtana.logins().len(), 1)
        .took(format!("kill -9 of the leader, another leads (a Lease of {LEASE_FOR:?})"), led)
        .holds("the other goes on with the same session");
}

#[tokio::test]
async fn when_the_leader_is_killed_with_a_one_time_token_on_its_way_one_login_follows() {
    let company = Company::new().await;
    let (leader, other) = company.two_replicas().await;
    company.virtana.script(|script| script.refresh_latency = Duration::from_secs(2));
    company.renewing("infra").await;
    company.virtana.wait_for("a refresh is on its way", PATIENCE, on_its_way).await;
    leader.kill9();
    company.virtana.script(|script| script.refresh_latency = Duration::ZERO);
    leads(&other).await;
    company.virtana.wait_for("a login", PATIENCE, |all| logins(all) == 2).await;
    company.next_refresh("infra").await;
    company.spent(2);
    row(4)
        .injected("kill -9 of the leader while a one-time token is on its way")
        .judged(&oracles::one_time(&company.virtana.history()))
        .judged_all(&company.held())
        .logins(company.virtana.logins().len(), 2)
        .holds("the other finds the intent: not presented again, one login");
}

#[tokio::test]
async fn a_leader_that_is_told_to_stop_keeps_the_lease_until_its_request_is_answered_and_stored() {
    let company = Company::new().await;
    let (leader, other) = company.two_replicas().await;
    // Longer than the Lease would last if it were not renewed meanwhile.
    company.virtana.script(|script| script.refresh_latency = LEASE_FOR * 2);
    company.renewing("infra").await;
    company.virtana.wait_for("a refresh is on its way", PATIENCE, on_its_way).await;
    company.virtana.script(|script| script.refresh_latency = Duration::ZERO);
    leader.tell_to_stop().expect("it is told");
    leads(&other).await;
    let refreshes = company.virtana.refreshes();
    let answered = refreshes[0].answered.expect("it was not broken off");
    let taken = company.lease().await.acquire_time.expect("a time").0;
    assert!(answered <= taken, "the Lease was given up at {taken}, before the answer at {answered}");
    assert_eq!(leader.wait(PATIENCE).await.expect("it ends").code(), Some(0));
    company.next_refresh("infra").await;
    company.spent(1);
    row(7)
        .injected("SIGTERM to the leader during a refresh that takes longer than its Lease would last")
        .judged(&oracles::one_time(&company.virtana.history()))
        .judged_all(&company.held())
        .logins(company.virtana.logins().len(), 1)
        .holds("the Lease is kept until the answer is stored");
}

#[tokio::test]
async fn a_leader_that_was_frozen_past_its_lease_calls_nobody_writes_nothing_and_ends() {
    let company = Company::new().await;
    let (proxy, leader) = company.leader_by_proxy().await;
    let other = company.replica().await;
    // Due after 16 s: the other leads before, and has nothing to do.
    company.token("infra", 30).await;
    let logged_in = |line: &str| line.contains("pass done") && line.contains("\"operation\":\"login\"");
    leader.wait_for_log(logged_in, PATIENCE).await.expect("a login is done");
    leader.suspend().expect("it is stopped");
    leads(&other).await;
    // Nobody does what falls due now: it is all there to do when the frozen one wakes up.
    other.kill9();
    company.falls_due("infra").await;
    let asked = company.virtana.history().len();
    let written = proxy.record(writes);
    leader.resume().expect("it goes on");
    ends_as_one_who_lost(&leader).await;
    assert!(written.met().is_empty(), "{:#?}", written.met());
    assert_eq!(company.virtana.history().len(), asked);

    let next = company.replica().await;
    leads(&next).await;
    company.next_refresh("infra").await;
    company.spent(1);
    row(12)
        .injected("SIGSTOP of the idle leader until another has led and its own renewal is due, then SIGCONT")
        .judged(&oracles::one_time(&company.virtana.history()))
        .logins(company.virtana.logins().len(), 1)
        .holds("it calls nobody, writes nothing, and ends");
}

#[tokio::test]
async fn an_answer_whose_writer_was_frozen_until_another_led_is_refused_by_the_api_server() {
    let company = Company::new().await;
    let (proxy, leader) = company.leader_by_proxy().await;
    let other = company.replica().await;
    company.renewing("infra").await;
    let world = &company.world;
    let hold = proxy.hold(When::Before, stores_answer);
    hold.first(PATIENCE).await.expect("a refresh is about to be stored");
    leader.suspend().expect("it is stopped");
    leads(&other).await;
    company.virtana.wait_for("a login", PATIENCE, |all| logins(all) == 2).await;
    company.holds_the_newest("infra").await;

    let mark = world.mark();
    let written = proxy.record(writes);
    hold.release();
    await_until("the late write is refused", PATIENCE, async || {
        let asked = world.asked_by_operator(&mark);
        let conflict = asked.iter().any(|one| one.resource == "secrets" && one.verb == "update" && one.code == 409);
        if conflict { Ok(()) } else { Err(format!("{asked:#?}")) }
    })
    .await;
    leader.resume().expect("it goes on");
    ends_as_one_who_lost(&leader).await;
    // It does not know what became of its write, so it offers the answer again, on the version that is gone.
    let written = written.met();
    assert!(written.iter().all(stores_answer), "{written:#?}");
    company.next_refresh("infra").await;
    company.spent(2);
    row(12)
        .injected("SIGSTOP of the leader while the storage of an answer is on its way; it arrives when another has led")
        .judged(&oracles::one_time(&company.virtana.history()))
        .judged_all(&company.held())
        .logins(company.virtana.logins().len(), 2)
        .holds(
            "409 for the late answer; one login for its unknown outcome; the old leader writes nothing else, and ends",
        );
}

#[tokio::test]
async fn credentials_that_one_leader_was_refused_are_not_tried_again_by_the_next() {
    let company = Company::new().await;
    company.virtana.set_password("client", "changed");
    let (leader, other) = company.two_replicas().await;
    company.token("infra-0", 95).await;
    company.world.not_ready("infra-0", "CredentialsRejected").await;
    assert_eq!(leader.terminate().await.expect("it ends").code(), Some(0));
    leads(&other).await;
    company.token("infra-1", 95).await;
    company.world.not_ready("infra-1", "CredentialsRejected").await;
    assert_eq!(company.virtana.logins().len(), 1);
    row(47)
        .injected("a wrong password under one leader, and then under the next")
        .judged(&oracles::wrong_password(&company.virtana.history(), 1))
        .holds("the next leader does not try it again");
}
