//! Writes that the API server refuses until somebody helps: tokens are neither lost nor fetched again and again.

use k8s_openapi::api::core::v1::ResourceQuota;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use testbed::{
    api_proxy::{Answer, When},
    audit::Mark,
    eventually::await_until,
    reliability::{oracles, row},
    users::User,
};

use crate::{
    lone::{Lone, refreshes, writes_status},
    scene::Scene,
    world::{PATIENCE, World, ready},
};

impl World {
    /// As the quota controller would: the API server counts on from here.
    async fn quota(&self, secrets: usize, used: usize) {
        let api: Api<ResourceQuota> = Api::namespaced(self.client.clone(), &self.namespace);
        let hard = json!({ "count/secrets": secrets.to_string() });
        let quota = json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "secrets", "namespace": self.namespace },
            "spec": { "hard": hard },
        });
        self.cluster.apply(&User::Admin, &quota.to_string()).await.expect("a quota");
        let status = json!({ "status": { "hard": hard, "used": { "count/secrets": used.to_string() } } });
        let params = PatchParams::default();
        api.patch_status("secrets", &params, &Patch::Merge(status)).await.expect("what is used of it");
    }

    /// How often the operator was refused a write of Secrets since the mark.
    fn refused_writes(&self, mark: Mark) -> usize {
        let refused = |event: &&testbed::audit::AuditEvent| {
            event.resource == "secrets"
                && ["create", "update", "patch"].contains(&event.verb.as_str())
                && event.code >= 400
        };
        self.asked_by_operator(&mark).iter().filter(refused).count()
    }

    async fn was_refused(&self, mark: Mark, times: usize) {
        await_until("refused writes", PATIENCE, async || match self.refused_writes(mark) {
            enough if enough >= times => Ok(()),
            few => Err(few.to_string()),
        })
        .await;
    }

    /// From now on no session Secret of this namespace may be changed.
    async fn freeze_sessions(&self) {
        let name = format!("no-sessions-{}", self.namespace);
        let group = "admissionregistration.k8s.io";
        let policy = json!({
            "apiVersion": format!("{group}/v1"), "kind": "ValidatingAdmissionPolicy", "metadata": { "name": name },
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": { "resourceRules": [
                    { "apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["secrets"] },
                ] },
                "validations": [{
                    "expression": "!object.metadata.name.startsWith('apitoken-session-')",
                    "message": "sessions are frozen here",
                }],
            },
        });
        let only = json!({ "matchLabels": { "kubernetes.io/metadata.name": self.namespace } });
        let binding = json!({
            "apiVersion": format!("{group}/v1"), "kind": "ValidatingAdmissionPolicyBinding", "metadata": { "name": name },
            "spec": {
                "policyName": name, "validationActions": ["Deny"], "matchResources": { "namespaceSelector": only },
            },
        });
        for object in [policy, binding] {
            self.cluster.apply(&User::Admin, &object.to_string()).await.expect("it is taken");
        }
    }

    async fn thaw_sessions(&self) {
        let name = format!("no-sessions-{}", self.namespace);
        for kind in ["validatingadmissionpolicybinding", "validatingadmissionpolicy"] {
            let mut kubectl = self.cluster.kubectl(&User::Admin).expect("kubectl");
            let ended = kubectl.args(["delete", kind, &name, "--wait=false"]).output().await.expect("kubectl runs");
            assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        }
    }
}

#[tokio::test]
async fn a_first_token_that_no_quota_is_left_for_is_kept_in_the_session_and_not_fetched_again() {
    let scene = Scene::new().await;
    let there = scene.world.secrets().list(&kube::api::ListParams::default()).await.expect("Secrets").items.len();
    // One is left: the session has it, and the output has none.
    scene.world.quota(there + 1, there).await;
    let mark = scene.world.mark();
    scene.world.token_with("clusters", scene.spec(json!({}))).await;
    scene.world.was_refused(mark, 4).await;
    let token = scene.world.not_ready("clusters", "Pending").await;
    let message = ready(&token).expect("Ready").message.clone();
    assert!(message.contains("exceeded quota"), "{message}");
    assert_eq!(scene.calls(), 1, "the token was fetched again though it was there");
    scene.world.quota(there + 2, there + 1).await;
    scene.world.ready("clusters").await;
    assert_eq!(scene.calls(), 1);
    row(29)
        .injected("a quota that leaves room for the session and none for the output")
        .logins(scene.calls(), 1)
        .holds("four refused writes, one login; the message names the quota; written when there is room");
}

#[tokio::test]
async fn a_one_time_token_is_not_spent_while_its_session_may_not_be_written() {
    let lone = Lone::new().await;
    lone.company.renewing("infra").await;
    lone.world().freeze_sessions().await;
    let mark = lone.world().mark();
    lone.world().was_refused(mark, 1).await;
    let before = refreshes(&lone.company.virtana.history());
    let mark = lone.world().mark();
    lone.world().was_refused(mark, 3).await;
    assert_eq!(refreshes(&lone.company.virtana.history()), before, "a token was spent that could not be stored");
    let said = |token: &_| ready(token).is_some_and(|one| one.message.contains("sessions are frozen here"));
    let told = lone.world().get("infra").await;
    let told = said(&told) || lone.world().operator().logs().iter().any(|line| line.contains("422"));
    assert!(told, "nobody is told: {:?}", ready(&lone.world().get("infra").await));
    lone.world().thaw_sessions().await;
    lone.company.next_refresh("infra").await;
    lone.company.spent(1);
    row(29)
        .injected("an admission policy that denies changes of sessions; one-time refresh tokens")
        .judged(&oracles::one_time(&lone.company.virtana.history()))
        .logins(lone.company.virtana.logins().len(), 1)
        .holds("the intent is refused, so nothing is presented; the same session goes on when it may be written");
}

#[tokio::test]
async fn tokens_are_renewed_where_the_status_may_not_be_written() {
    let lone = Lone::new().await;
    lone.company.renewing("infra").await;
    let forbidden = Answer::refusal(403, "Forbidden", "apitokens \"infra\" is forbidden");
    let rule = lone.proxy.answer(When::Before, writes_status, forbidden);
    lone.company.next_refresh("infra").await;
    lone.company.next_refresh("infra").await;
    rule.first(PATIENCE).await.expect("a status that is refused");
    let labels = [("resource", "apitokens/status"), ("outcome", "forbidden")];
    let counted = lone.world().operator().metric("apitoken_api_requests_total", &labels).await.expect("metrics");
    assert!(counted.is_some_and(|count| count >= 1.0), "{counted:?}");
    let told = |line: &str| line.contains("apitokens/status") && line.contains("403");
    lone.world().operator().wait_for_log(told, PATIENCE).await.expect("a line about it");
    let tries = rule.met().len();
    drop(rule);
    lone.company.next_refresh("infra").await;
    lone.company.spent(1);
    row(30)
        .injected("403 to every write of the status, for two refreshes")
        .judged(&oracles::one_time(&lone.company.virtana.history()))
        .logins(lone.company.virtana.logins().len(), 1)
        .holds(format!("both refreshes came through; {tries} tries of the status; metric and log name it"));
}
