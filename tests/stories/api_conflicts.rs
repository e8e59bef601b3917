//! Writes that meet a conflict, and writes that are applied though their answer is lost: no provider is asked twice.

use std::time::Duration;

use kube::ResourceExt;
use serde_json::json;
use testbed::{
    api_proxy::{Answer, ApiRequest, When},
    reliability::{oracles, row},
};

use crate::{
    lone::{Lone, announces, on_its_way, stores_answer, writes_output, writes_status},
    world::PATIENCE,
};

fn note() -> serde_json::Value {
    json!({ "metadata": { "annotations": { "example.com/note": "seen" } } })
}

#[tokio::test]
async fn a_session_that_somebody_annotates_while_the_vendor_answers_costs_no_second_call() {
    let lone = Lone::new().await;
    lone.company.virtana.script(|script| script.refresh_latency = Duration::from_secs(2));
    lone.company.renewing("infra").await;
    lone.company.virtana.wait_for("a refresh is on its way", PATIENCE, on_its_way).await;
    lone.company.virtana.script(|script| script.refresh_latency = Duration::ZERO);
    let session = lone.world().session_name("infra").await;
    lone.world().patch_secret(&session, note()).await;
    lone.company.next_refresh("infra").await;
    lone.company.next_refresh("infra").await;
    lone.company.spent(1);
    row(25)
        .injected("the session Secret is annotated by somebody else between a refresh and its storage")
        .judged(&oracles::one_time(&lone.company.virtana.history()))
        .judged_all(&lone.company.held())
        .logins(lone.company.virtana.logins().len(), 1)
        .holds("409; the session is read again, says the same, and takes the answer: no login");
}

#[tokio::test]
async fn an_output_and_a_status_that_somebody_else_writes_first_cost_no_call() {
    let lone = Lone::new().await;
    lone.company.renewing("infra").await;
    let hold = lone.proxy.hold(When::Before, writes_output);
    hold.first(PATIENCE).await.expect("the output is about to be written");
    lone.world().patch_secret("infra", note()).await;
    hold.release();
    lone.company.holds_the_newest("infra").await;
    let hold = lone.proxy.hold(When::Before, writes_status);
    hold.first(PATIENCE).await.expect("the status is about to be written");
    lone.world().edit_token("infra", note()).await;
    hold.release();
    lone.company.next_refresh("infra").await;
    let (newest, _) = lone.company.virtana.newest_token("client").expect("a token");
    let issued = lone.company.virtana.token(&newest).expect("known").issued_at;
    lone.world()
        .until("infra", "the status of the newest token", |token| {
            let told = token.status.as_ref().and_then(|status| status.issued_at.as_ref());
            told.is_some_and(|at| at.0.as_second() >= issued.as_second())
        })
        .await;
    let output = lone.world().secrets().get("infra").await.expect("an output");
    for kept in [output.annotations(), lone.world().get("infra").await.annotations()] {
        assert_eq!(kept.get("example.com/note").map(String::as_str), Some("seen"), "{kept:?}");
    }
    lone.company.spent(1);
    row(25)
        .injected("output and ApiToken are annotated by somebody else right before their writes")
        .judged(&oracles::one_time(&lone.company.virtana.history()))
        .judged_all(&lone.company.held())
        .logins(lone.company.virtana.logins().len(), 1)
        .holds("409; read and decided again; both are written, and his annotations stay");
}

#[tokio::test]
async fn a_write_that_is_applied_though_its_answer_is_lost_leads_to_no_second_call() {
    let lone = Lone::new().await;
    lone.company.renewing("infra").await;
    let kinds: [fn(&ApiRequest) -> bool; 3] = [stores_answer, writes_output, writes_status];
    for kind in kinds {
        let timeout = Answer::refusal(504, "Timeout", "request did not complete within the allotted timeout");
        let lost = lone.proxy.answer(When::After, kind, timeout);
        lost.first(PATIENCE).await.expect("a write whose answer is 504");
        drop(lost);
        lone.company.next_refresh("infra").await;
        let cut = lone.proxy.hold(When::After, kind);
        cut.first(PATIENCE).await.expect("a write whose connection is reset");
        cut.reset();
        lone.company.next_refresh("infra").await;
    }
    lone.world().ready("infra").await;
    lone.company.spent(1);
    row(26)
        .injected("answer, output and status: 504, and a connection that is reset, after the API server had written")
        .judged(&oracles::one_time(&lone.company.virtana.history()))
        .judged_all(&lone.company.held())
        .logins(lone.company.virtana.logins().len(), 1)
        .holds("six lost answers; what is there is read again; no login");
}

#[tokio::test]
async fn an_intent_that_is_stored_though_its_answer_is_lost_is_known_to_have_led_to_nothing() {
    let lone = Lone::new().await;
    lone.company.renewing("infra").await;
    let timeout = Answer::refusal(504, "Timeout", "request did not complete within the allotted timeout");
    let lost = lone.proxy.answer(When::After, announces, timeout);
    lost.first(PATIENCE).await.expect("an intent whose answer is 504");
    drop(lost);
    lone.company.next_refresh("infra").await;
    let cut = lone.proxy.hold(When::After, announces);
    cut.first(PATIENCE).await.expect("an intent whose connection is cut");
    drop(cut);
    lone.company.next_refresh("infra").await;
    lone.company.spent(1);
    row(26)
        .injected("the intent of a one-time refresh: 504, and a closed connection, after the API server had written it")
        .judged(&oracles::one_time(&lone.company.virtana.history()))
        .judged_all(&lone.company.held())
        .logins(lone.company.virtana.logins().len(), 1)
        .holds("the process knows that it sent nothing, and refreshes; only another process has to log in");
}
