//! The leader is cut off from the API server, or sees it late: what it may still do, and what the next leader makes of it.

use std::time::Duration;

use testbed::{
    api_proxy::{ApiProxy, ApiRequest, Rule, When},
    operator::{OperatorOptions, OperatorProcess},
    reliability::{oracles, row},
    users::User,
    vendors::{Exchange, Operation},
};

use crate::{
    lone::{asks_for_rights, on_its_way, stores_answer, writes},
    replicas::{Company, ends_as_one_who_lost, leads},
    world::PATIENCE,
};

/// A company whose leader, alone so far, goes by a proxy.
struct CutOff {
    company: Company,
    proxy: ApiProxy,
    leader: OperatorProcess,
}

impl CutOff {
    async fn new() -> Self {
        let company = Company::new().await;
        let (proxy, leader) = company.leader_by_proxy().await;
        Self { company, proxy, leader }
    }

    /// A refresh is on its way to the vendor, and from now on nothing comes through to the API server.
    async fn cut_during_refresh(&self) -> Rule {
        self.company.virtana.script(|script| script.refresh_latency = Duration::from_secs(2));
        self.company.renewing("infra").await;
        self.company.virtana.wait_for("a refresh is on its way", PATIENCE, on_its_way).await;
        let cut = self.proxy.hold(When::Before, |_| true);
        self.company.virtana.script(|script| script.refresh_latency = Duration::ZERO);
        cut
    }

    async fn lost(&self) {
        let lost = |line: &str| line.contains("leadership lost");
        self.leader.wait_for_log(lost, PATIENCE).await.expect("it knows that it leads no more");
    }
}

#[tokio::test]
async fn an_answer_that_arrives_while_the_leader_is_cut_off_is_stored_when_the_way_is_free_again() {
    let scene = CutOff::new().await;
    let cut = scene.cut_during_refresh().await;
    scene.lost().await;
    let written = scene.proxy.record(writes);
    // Closed, not let go: nothing from before the loss arrives late.
    drop(cut);
    ends_as_one_who_lost(&scene.leader).await;
    let written = written.met();
    assert!(matches!(&written[..], [answer] if stores_answer(answer)), "not the answer alone: {written:#?}");

    // The next leader finds the token in the session: it projects it, and asks nobody before it is due.
    let asked = scene.company.virtana.history().len();
    let next = scene.company.replica().await;
    leads(&next).await;
    scene.company.holds_the_newest("infra").await;
    let newest = scene.company.virtana.history();
    assert!(newest.len() == asked || newest[asked].operation == Operation::Refresh, "{newest:#?}");
    scene.company.next_refresh("infra").await;
    scene.company.spent(1);
    row(11)
        .injected("the leader is cut off during a refresh, and connected again after its claim has run out")
        .judged(&oracles::one_time(&scene.company.virtana.history()))
        .logins(scene.company.virtana.logins().len(), 1)
        .holds("only the answer is stored, then it ends; the next leader uses it");
}

#[tokio::test]
async fn an_answer_that_arrives_while_the_leader_is_cut_off_is_dropped_if_the_session_was_written_since() {
    let scene = CutOff::new().await;
    let next = scene.company.replica().await;
    let cut = scene.cut_during_refresh().await;
    leads(&next).await;
    // The intent is there and its outcome is not known: one login.
    let logins = |all: &[Exchange]| all.iter().filter(|one| one.operation == Operation::Login).count();
    scene.company.virtana.wait_for("a login", PATIENCE, |all| logins(all) == 2).await;
    scene.company.holds_the_newest("infra").await;
    drop(cut);
    ends_as_one_who_lost(&scene.leader).await;
    scene.company.next_refresh("infra").await;
    scene.company.spent(2);
    row(11)
        .injected("the same, and another replica has led meanwhile")
        .judged(&oracles::one_time(&scene.company.virtana.history()))
        .logins(scene.company.virtana.logins().len(), 2)
        .holds("the late answer loses the race and is dropped; one login for the unknown outcome");
}

#[tokio::test]
async fn a_leader_that_stays_cut_off_gives_its_answer_up_and_ends() {
    let scene = CutOff::new().await;
    let _cut = scene.cut_during_refresh().await;
    ends_as_one_who_lost(&scene.leader).await;
    let lines = scene.leader.logs();
    assert!(lines.iter().any(|line| line.contains("\"unsaved\":1")), "{lines:#?}");
    row(11)
        .injected("the leader is cut off during a refresh and stays so")
        .judged(&oracles::one_time(&scene.company.virtana.history()))
        .holds("it ends and says that one answer is not stored");
}

#[tokio::test]
async fn a_replica_that_saw_nothing_of_the_last_leaders_writes_presents_nothing_again_and_logs_nobody_in() {
    let company = Company::new().await;
    let leader = company.replica().await;
    leads(&leader).await;
    company.renewing("infra").await;
    let proxy = ApiProxy::start(company.world.cluster).expect("a proxy");
    let kubeconfig = proxy.kubeconfig(company.world.cluster, &User::Operator).expect("a kubeconfig");
    // By their role, as the index wants them; what is asked of Secrets at the start has other labels.
    let blind =
        |request: &ApiRequest| request.query.contains("watch=") && request.query.contains("apitoken.dev%2Frole");
    let watch = proxy.hold(When::Before, blind);
    let other = company.replica_by(kubeconfig).await;
    watch.first(PATIENCE).await.expect("its list is read, and its watch of Secrets hangs");
    company.next_refresh("infra").await;
    company.next_refresh("infra").await;
    leader.kill9();
    leads(&other).await;
    // By its index the token has been due since before the last two refreshes.
    company
        .virtana
        .wait_for("a refresh by the next leader", PATIENCE, |all| {
            all.iter().filter(|one| one.operation == Operation::Refresh).count() > 2
        })
        .await;
    watch.release();
    company.next_refresh("infra").await;
    company.spent(1);
    row(23)
        .injected("a replica whose watch of Secrets brings nothing after its first list takes over")
        .judged(&oracles::one_time(&company.virtana.history()))
        .logins(company.virtana.logins().len(), 1)
        .holds("it reads the session before it asks: nothing is presented again");
}

#[tokio::test]
async fn a_replica_that_cannot_watch_leaves_the_lease_to_one_that_can() {
    let company = Company::new().await;
    let proxy = ApiProxy::start(company.world.cluster).expect("a proxy");
    let held = proxy.hold(When::Before, |request| request.path.ends_with("/apitokens") && !asks_for_rights(request));
    let kubeconfig = proxy.kubeconfig(company.world.cluster, &User::Operator).expect("a kubeconfig");
    let options = OperatorOptions { kubeconfig, ..company.world.operator_options() };
    let blind = OperatorProcess::start(&options).expect("it starts");
    held.first(PATIENCE).await.expect("its first list is asked for");
    let other = company.replica().await;
    leads(&other).await;
    company.resting("infra").await;
    let (ready, why) = blind.get("/readyz").await.expect("it answers");
    assert!(ready == 503 && why.contains("first lists"), "{ready} {why}");
    held.release();
    blind.ready(PATIENCE).await.expect("it becomes ready");
    let stands_by = |line: &str| line.contains("standing by");
    blind.wait_for_log(stands_by, PATIENCE).await.expect("it takes part, after the other");
    company.spent(1);
}
