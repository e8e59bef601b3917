//! An operator whose picture of the cluster is old: it starts against lists from some time ago, or an event never comes.

use http::Request;
use serde_json::json;
use testbed::{
    api_proxy::{Answer, ApiRequest, When},
    eventually::await_until,
    reliability::{oracles, row},
    vendors::Operation,
};

use crate::{
    lone::{Lone, asks_for_rights, is_watch, logins},
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

#[tokio::test]
async fn a_password_whose_change_no_watch_tells_of_is_used_at_the_next_login() {
    let lone = Lone::new().await;
    lone.company.renewing("infra").await;
    let lost = lone.proxy.skip_events(|event| event["object"]["metadata"]["name"] == "login");
    lone.company.virtana.set_password("client", "changed");
    lone.world().patch_secret("login", json!({ "stringData": { "clientSecret": "changed" } })).await;
    lost.first(PATIENCE).await.expect("the watch would have told of it");
    lone.company.virtana.revoke_sessions();
    lone.company.virtana.wait_for("a login", PATIENCE, |all| logins(all) == 2).await;
    lone.company.holds_the_newest("infra").await;
    lone.company.next_refresh("infra").await;
    let history = lone.company.virtana.history();
    row(23)
        .injected("a watch that goes on without the event of a new password; then the vendor ends the session")
        .judged(&oracles::one_time(&history))
        .judged(&oracles::wrong_password(&history, 0))
        .judged_all(&lone.company.held())
        .logins(logins(&history), 2)
        .holds("the credentials are read before they are sent: the old password is not tried");
}

#[tokio::test]
async fn an_apitoken_whose_deletion_no_watch_tells_of_is_noticed_when_it_is_due_and_nothing_comes_back() {
    let lone = Lone::new().await;
    lone.company.renewing("infra").await;
    let session = lone.world().session_name("infra").await;
    let lost = lone.proxy.skip_events(|event| {
        let object = &event["object"];
        event["type"] == "DELETED" && (object["kind"] == "ApiToken" || object["metadata"]["name"] != "login")
    });
    let mark = lone.world().mark();
    lone.world().delete_token("infra").await;
    lone.world().until_gone(&session).await;
    lost.first(PATIENCE).await.expect("the watch would have told of it");
    await_until("it is looked for, and found to be gone", PATIENCE, async || {
        let asked = lone.world().asked_by_operator(&mark);
        let found = asked.iter().any(|one| one.resource == "apitokens" && one.verb == "get" && one.code == 404);
        if found { Ok(()) } else { Err(format!("{asked:#?}")) }
    })
    .await;
    // Whatever that pass still does is done before this one has its token.
    lone.company.resting("other").await;
    for name in ["infra", session.as_str()] {
        assert!(lone.world().all_data(name).await.is_none(), "{name} came back");
    }
    let history = lone.company.virtana.history();
    row(23)
        .injected("a watch that goes on without the event of a deletion")
        .judged(&oracles::one_time(&history))
        .logins(logins(&history), 2)
        .holds("the ApiToken is looked for before a provider is asked: no login for it, and no Secret comes back");
}
