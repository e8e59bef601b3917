//! etcd runs out of space: all can be read and nothing written, until somebody makes room.

use std::time::Instant;

use testbed::{
    api_proxy::{ApiRequest, When},
    audit::Mark,
    control_plane::Options,
    etcd::Etcd,
    eventually::await_until,
    reliability::{oracles, row},
    vendors::Operation,
};

use crate::{
    lone::{Lone, stores_answer},
    replicas::{Company, LEASE, ends_as_one_who_lost, leads},
    scene::text,
    world::{PATIENCE, World},
};

/// Some ten times what a control plane with a few objects takes.
const QUOTA: u64 = 32 << 20;

/// On a control plane of its own, which only these stories disturb.
async fn company() -> (Company, Etcd) {
    let options = Options { etcd_quota: Some(QUOTA), ..Options::default() };
    let company = Company::within(World::apart(options).await).await;
    let etcd = company.world.cluster.etcd();
    (company, etcd)
}

impl World {
    /// Waits until the operator was so often refused a write of this object, for want of space.
    async fn found_no_space(&self, mark: &Mark, name: &str, times: usize) {
        await_until(&format!("{times} writes of {name} in vain"), PATIENCE, async || {
            let asked = self.asked_by_operator(mark);
            match asked.iter().filter(|one| one.name == name && one.verb == "update" && one.code == 500).count() {
                enough if enough >= times => Ok(()),
                few => Err(few.to_string()),
            }
        })
        .await;
    }
}

#[tokio::test]
async fn what_cannot_be_stored_because_etcd_is_full_is_kept_and_no_one_time_token_is_spent_meanwhile() {
    let (company, etcd) = company().await;
    let mut lone = Lone::of(company);
    lone.company.world.start_operator().await;
    lone.company.virtana.add_account("edge", "correct");
    lone.world().credentials("edge-login", &[("clientId", "edge"), ("clientSecret", "correct")]).await;
    lone.company.token_of("edge", "edge-login", 20).await;
    lone.world().ready("edge").await;
    lone.company.renewing("infra").await;
    let (infra, edge) = (lone.world().session_name("infra").await, lone.world().session_name("edge").await);

    // One has its answer, which is on its way; the other's renewal comes when nothing can be written.
    let of_infra = infra.clone();
    let hold =
        lone.proxy.hold(When::Before, move |one: &ApiRequest| stores_answer(one) && one.path.ends_with(&of_infra));
    hold.first(PATIENCE).await.expect("an answer is about to be stored");
    etcd.fill().await.expect("it is full");
    let before = lone.world().data("infra", "token").await;
    let before_edge = lone.world().data("edge", "token").await;
    let mark = lone.world().mark();
    hold.release();
    lone.world().found_no_space(&mark, &infra, 1).await;
    lone.world().found_no_space(&mark, &edge, 1).await;
    let asked = lone.company.virtana.history().len();
    lone.world().found_no_space(&mark, &infra, 4).await;
    lone.world().found_no_space(&mark, &edge, 2).await;
    assert_eq!(lone.company.virtana.history().len(), asked, "the vendor was asked for what could not be stored");
    assert_eq!(lone.world().data("infra", "token").await, before, "there is no other that could be there");

    etcd.make_room().await.expect("there is room");
    let room = Instant::now();
    lone.company.holds_the_newest("infra").await;
    let took = room.elapsed();
    let newest = || lone.company.virtana.newest_token("edge").map(|(text, _)| text);
    let renewed =
        |now: &_| text(now, "token") == newest().as_deref() && text(now, "token") != Some(before_edge.as_str());
    lone.world().until_secret("edge", "its newest token, and another than before", renewed).await;
    lone.company.spent(2);
    row(31)
        .injected("the same when one answer is about to be stored and another token falls due")
        .judged(&oracles::one_time(&lone.company.virtana.history()))
        .judged_all(&lone.company.held())
        .logins(lone.asked(Operation::Login), 2)
        .took("etcd has room again, the kept token is in the output", took)
        .holds("no call to the provider meanwhile: the answer is kept, and stored when there is room; the other's session goes on");
}

#[tokio::test]
async fn a_leader_that_cannot_renew_its_lease_because_etcd_is_full_asks_nobody_and_the_session_goes_on_after() {
    let (company, etcd) = company().await;
    let leader = company.replica().await;
    leads(&leader).await;
    company.token("infra", 40).await;
    company.world.ready("infra").await;
    etcd.fill().await.expect("it is full");
    ends_as_one_who_lost(&leader).await;
    let asked = company.virtana.history().len();
    // As the kubelet starts it again.
    let next = company.replica().await;
    let mark = company.world.mark();
    company.falls_due("infra").await;
    company.world.found_no_space(&mark, LEASE, 2).await;
    assert_eq!(company.virtana.history().len(), asked, "somebody asked who does not lead");
    etcd.make_room().await.expect("there is room");
    leads(&next).await;
    company.next_refresh("infra").await;
    company.spent(1);
    row(31)
        .injected("a real etcd, filled up to its quota, while a leader holds its Lease, until a renewal is due")
        .judged(&oracles::one_time(&company.virtana.history()))
        .logins(company.virtana.logins().len(), 1)
        .holds("it ends, and the next one asks nobody until it can take the Lease; then the same session goes on");
}
