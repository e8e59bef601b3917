//! Somebody else writes the Lease: a person with kubectl, a script that tidies up, another operator.

use kube::api::{Patch, PatchParams};
use serde_json::json;
use testbed::eventually::await_until;

use crate::{
    replicas::{Company, LEASE, ends_as_one_who_lost, leads},
    world::PATIENCE,
};

#[tokio::test]
async fn a_leader_whose_lease_somebody_deletes_ends_and_the_other_makes_it_anew() {
    let company = Company::new().await;
    let (leader, other) = company.two_replicas().await;
    company.renewing("infra").await;
    company.next_refresh("infra").await;
    company.delete_lease().await;
    ends_as_one_who_lost(&leader).await;
    leads(&other).await;
    company.next_refresh("infra").await;
    company.spent(1);
}

#[tokio::test]
async fn a_leader_whose_lease_somebody_gives_to_another_ends_and_who_never_renews_it_is_waited_for_once() {
    let company = Company::new().await;
    let (leader, other) = company.two_replicas().await;
    company.renewing("infra").await;
    company.next_refresh("infra").await;
    company.edit_lease(json!({ "holderIdentity": "somebody" })).await;
    ends_as_one_who_lost(&leader).await;
    assert!(leader.logs().iter().any(|line| line.contains("leadership lost") && line.contains("somebody")));
    assert_eq!(company.lease().await.holder_identity.as_deref(), Some("somebody"), "it was not waited for");
    leads(&other).await;
    company.next_refresh("infra").await;
    company.spent(1);
}

#[tokio::test]
async fn a_lease_that_is_annotated_or_asked_to_last_for_ever_stays_its_leaders() {
    let company = Company::new().await;
    let (leader, _other) = company.two_replicas().await;
    let before = company.lease().await;
    let note = Patch::Merge(json!({ "metadata": { "annotations": { "example.com/note": "seen" } } }));
    company.leases().patch(LEASE, &PatchParams::default(), &note).await.expect("it is annotated");
    company.edit_lease(json!({ "leaseDurationSeconds": 1_000_000 })).await;
    await_until("the leader has renewed it", PATIENCE, async || {
        let lease = company.lease().await;
        let renewed = lease.lease_duration_seconds == before.lease_duration_seconds;
        if renewed { Ok(()) } else { Err(format!("{lease:?}")) }
    })
    .await;
    let after = company.leases().get(LEASE).await.expect("there is a Lease");
    assert_eq!(after.metadata.annotations.unwrap_or_default()["example.com/note"], "seen");
    let after = after.spec.expect("a spec");
    assert_eq!((after.holder_identity, after.lease_transitions), (before.holder_identity, before.lease_transitions));
    assert!(leader.ended().is_none());
}

#[tokio::test]
async fn an_operator_that_may_not_read_the_lease_says_which_right_is_missing() {
    let mut company = Company::new().await;
    company.world.flags.push("--leader-elect-resource-name=another".to_owned());
    let replica = testbed::operator::OperatorProcess::start(&company.world.operator_options()).expect("it starts");
    assert_eq!(replica.wait(PATIENCE).await.expect("it ends by itself").code(), Some(1));
    let said = replica.logs().join("\n");
    for fragment in ["cannot get Lease", "/another", "get, create and update on leases", "examples/rbac.yaml"] {
        assert!(said.contains(fragment), "{fragment:?} is missing in: {said}");
    }
}
