//! The token by which the operator logs in to the API server is replaced in its file, and the old one dies.

use std::{fs, time::Instant};

use k8s_openapi::api::{
    authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec, TokenReview, TokenReviewSpec},
    core::v1::ServiceAccount,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, PostParams},
};
use serde_json::json;
use testbed::{
    eventually::await_until,
    reliability::{oracles, row},
    users::User,
    vendors::Operation,
};

use crate::{
    replicas::Company,
    world::{PATIENCE, World},
};

const ACCOUNT: &str = "operator";

impl World {
    async fn account_with_rights(&self) {
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &self.namespace);
        let account = serde_json::from_value(json!({ "metadata": { "name": ACCOUNT } })).expect("a ServiceAccount");
        api.create(&PostParams::default(), &account).await.expect("the ServiceAccount is made");
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": { "name": format!("{}-operator", self.namespace) },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "apitoken-operator" },
            "subjects": [{ "kind": "ServiceAccount", "name": ACCOUNT, "namespace": self.namespace }],
        });
        self.cluster.apply(&User::Admin, &binding.to_string()).await.expect("its rights");
    }

    /// A token of the account that dies with a Secret of this name.
    async fn token_bound_to(&self, secret: &str) -> String {
        self.secret(secret, None, &[]).await;
        let bound = self.secrets().get(secret).await.expect("just made");
        let bound_object_ref = BoundObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Secret".to_owned()),
            name: Some(secret.to_owned()),
            uid: bound.uid(),
        };
        let spec = TokenRequestSpec { bound_object_ref: Some(bound_object_ref), ..TokenRequestSpec::default() };
        let wanted = TokenRequest { spec, ..TokenRequest::default() };
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &self.namespace);
        let made = api.create_token_request(ACCOUNT, &PostParams::default(), &wanted).await.expect("a token");
        made.status.expect("a token").token
    }

    async fn until_dead(&self, token: &str) {
        let api: Api<TokenReview> = Api::all(self.client.clone());
        let spec = TokenReviewSpec { token: Some(token.to_owned()), ..TokenReviewSpec::default() };
        let review = TokenReview { spec, ..TokenReview::default() };
        await_until("the old token is dead", PATIENCE, async || {
            let answer = api.create(&PostParams::default(), &review).await.map_err(|error| error.to_string())?;
            let alive = answer.status.and_then(|status| status.authenticated) == Some(true);
            if alive { Err("it lives".to_owned()) } else { Ok(()) }
        })
        .await;
    }
}

#[tokio::test]
async fn an_operator_whose_own_token_is_replaced_goes_on_with_the_new_one() {
    let mut company = Company::new().await;
    company.world.flags.clear();
    company.world.account_with_rights().await;
    let directory = tempfile::tempdir().expect("a directory");
    let (token_file, kubeconfig) = (directory.path().join("token"), directory.path().join("kubeconfig"));
    let old = company.world.token_bound_to("old").await;
    fs::write(&token_file, &old).expect("writable");
    let cluster =
        json!({ "server": company.world.cluster.url(), "certificate-authority": company.world.cluster.ca_path() });
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{ "name": "c", "cluster": cluster }],
        "users": [{ "name": "u", "user": { "tokenFile": token_file } }],
        "contexts": [{ "name": "x", "context": { "cluster": "c", "user": "u" } }],
    });
    fs::write(&kubeconfig, config.to_string()).expect("writable");
    company.world.kubeconfig = kubeconfig;
    company.world.start_operator().await;
    company.renewing("infra").await;

    let new = company.world.token_bound_to("new").await;
    fs::write(&token_file, &new).expect("writable");
    company.world.secrets().delete("old", &DeleteParams::default()).await.expect("deleted");
    company.world.until_dead(&old).await;
    let dead = Instant::now();
    // kube reads the file again after a minute at most.
    company
        .virtana
        .wait_for("a refresh with the new token", PATIENCE * 2, {
            let before = crate::lone::refreshes(&company.virtana.history());
            move |all| crate::lone::refreshes(all) > before
        })
        .await;
    company.holds_the_newest("infra").await;
    let took = dead.elapsed();
    company.next_refresh("infra").await;
    company.spent(1);
    row(32)
        .injected("the file of the service account's token has a new one, and the old one is revoked at once")
        .judged(&oracles::one_time(&company.virtana.history()))
        .logins(company.virtana.logins().iter().filter(|one| one.operation == Operation::Login).count(), 1)
        .took("the old service account token is dead, the next refresh is in the output", took)
        .holds("the file is read again within a minute; nothing is spent in vain");
}
