//! Somebody else writes the Lease: a person with kubectl, a script that tidies up, another operator.

use kube::api::{Patch, PatchParams};
use serde_json::json;
use testbed::{
    eventually::await_until,
    operator::{OperatorOptions, OperatorProcess},
    reliability::{oracles, row},
    users::User,
};

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
    row(14)
        .injected("the Lease is deleted")
        .judged(&oracles::one_time(&company.virtana.history()))
        .logins(company.virtana.logins().len(), 1)
        .holds("it ends; the other makes a new one and goes on");
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
    row(14)
        .injected("the Lease is given to somebody who never renews it")
        .judged(&oracles::one_time(&company.virtana.history()))
        .logins(company.virtana.logins().len(), 1)
        .holds("it ends; the other waits for it once and goes on");
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
async fn an_operator_that_lacks_a_right_on_the_lease_says_which_before_it_is_ready() {
    let company = Company::new().await;
    for (verb, granted) in [("get", &[][..]), ("create", &["get", "update"]), ("update", &["get", "create"])] {
        let user = User::Named(format!("{}-no-{verb}", company.world.namespace));
        company.world.cluster.bind(&user, "apitoken-operator").await.expect("its rights");
        company.grant(&user, granted).await;
        let kubeconfig = company.world.cluster.kubeconfig(&user).expect("a kubeconfig");
        let options = OperatorOptions { kubeconfig, ..company.world.operator_options() };
        let replica = OperatorProcess::start(&options).expect("it starts");
        assert_eq!(replica.wait(PATIENCE).await.expect("it ends by itself").code(), Some(1));
        let said = replica.logs().join("\n");
        let denied = format!("cannot {verb} Lease {}/{LEASE}", company.world.namespace);
        for fragment in [&denied, "grant get, create and update on leases", "examples/rbac.yaml"] {
            assert!(said.contains(fragment), "{fragment:?} is missing in: {said}");
        }
    }
}

impl Company {
    async fn grant(&self, user: &User, verbs: &[&str]) {
        let (name, namespace, group) = (user.name(), &self.world.namespace, "rbac.authorization.k8s.io");
        let rules = json!([{ "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": verbs }]);
        let rules = if verbs.is_empty() { json!([]) } else { rules };
        let metadata = json!({ "name": name, "namespace": namespace });
        let role = json!({ "apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": metadata, "rules": rules });
        let binding = json!({
            "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": metadata,
            "roleRef": { "apiGroup": group, "kind": "Role", "name": name },
            "subjects": [{ "apiGroup": group, "kind": "User", "name": name }],
        });
        for object in [role, binding] {
            self.world.cluster.apply(&User::Admin, &object.to_string()).await.expect("it is granted");
        }
    }
}
