//! An operator that starts against an API server which shows Secrets and ApiTokens as they were some time ago.

use http::Request;
use testbed::{
    api_proxy::{Answer, ApiRequest, When},
    reliability::{oracles, row},
    vendors::Operation,
};

use crate::{
    lone::{Lone, asks_for_rights, is_watch},
    world::PATIENCE,
};

/// What the operator's watch of Secrets lists.
const SELECTED: &str = "labelSelector=apitoken.dev%2Frole+in+%28credentials%2Coutput%2Csession%29";
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

impl Lone {
    async fn listed(&self, path: &str, accept: &str) -> Answer {
        let request = Request::get(path).header("accept", accept).body(Vec::new()).expect("a request");
        let body = self.world().client.request_text(request).await.expect("a list");
        Answer { status: 200, content_type: "application/json", retry_after: None, body }
    }
}

fn lists(request: &ApiRequest, resource: &str) -> bool {
    request.path.ends_with(resource) && !request.query.contains("watch=") && !asks_for_rights(request)
}

#[tokio::test]
async fn an_operator_that_is_shown_an_old_state_presents_nothing_again_and_deletes_nothing_newer() {
    let mut lone = Lone::new().await;
    lone.company.renewing("infra").await;
    let namespace = lone.world().namespace.clone();
    let secrets = lone.listed(&format!("/api/v1/namespaces/{namespace}/secrets?{SELECTED}"), METADATA).await;
    let tokens = format!("/apis/apitoken.dev/v1alpha1/namespaces/{namespace}/apitokens");
    let tokens = lone.listed(&tokens, "application/json").await;
    // What the old state does not show: two refreshes, and an ApiToken with all that belongs to it.
    lone.company.next_refresh("infra").await;
    lone.company.next_refresh("infra").await;
    lone.company.resting("newer").await;
    let session = lone.world().session_name("newer").await;
    lone.company.world.kill_operator();
    let before = lone.asked(Operation::Refresh);

    let old_secrets = lone.proxy.answer(When::Before, |request| lists(request, "/secrets"), secrets);
    let _old_tokens = lone.proxy.answer(When::Before, |request| lists(request, "/apitokens"), tokens);
    let _silent = lone.proxy.hold(When::Before, is_watch);
    let operator = testbed::operator::OperatorProcess::start(&lone.world().operator_options()).expect("it starts");
    old_secrets.first(PATIENCE).await.expect("the old list is shown");
    let more = |all: &[testbed::vendors::Exchange]| crate::lone::refreshes(all) > before;
    lone.company.virtana.wait_for("a refresh by who saw the old state", PATIENCE, more).await;
    lone.company.holds_the_newest("infra").await;
    for name in ["newer", session.as_str()] {
        assert!(lone.world().all_data(name).await.is_some(), "{name} was deleted");
    }
    operator.kill9();
    lone.company.spent(2);
    row(23)
        .injected("a restart onto lists of ApiTokens and Secrets from before two refreshes and a new ApiToken, and watches that bring nothing")
        .judged(&oracles::one_time(&lone.company.virtana.history()))
        .logins(lone.asked(Operation::Login), 2)
        .holds("the session is read before it is used, and a read is never from a cache: the newest refresh token is presented, nothing is deleted. A second API server with a paused etcd does not answer such reads at all: row 28");
}
