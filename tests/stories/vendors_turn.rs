//! What vendors do to sessions and connections of their own accord, and what it costs.

use std::time::{Duration, Instant};

use serde_json::json;
use testbed::{
    reliability::{oracles, row},
    vendors::{Exchange, Fault, On, Operation},
};

use crate::{
    customers::assert_never_stale,
    lone::{logins, refreshes},
    replicas::Company,
    scene::{Scene, text},
    world::{PATIENCE, World, ready},
};

#[tokio::test]
async fn a_connection_that_the_vendor_has_closed_costs_nothing_and_a_lost_answer_costs_one_login() {
    let mut company = Company::new().await;
    company.world.flags.clear();
    company.world.start_operator().await;
    company.renewing("infra").await;
    company.next_refresh("infra").await;
    company.virtana.stop();
    company.virtana.restart().expect("it is back");
    company.next_refresh("infra").await;
    company.spent(1);
    company.virtana.fail_next(On::Refresh, Fault::LostReply);
    company.virtana.wait_for("a login after the lost answer", PATIENCE, |all| logins(all) == 2).await;
    company.next_refresh("infra").await;
    company.spent(2);
    row(45)
        .injected("the vendor closes kept connections between two refreshes; later it takes a one-time token and closes without an answer")
        .judged(&oracles::one_time(&company.virtana.history()))
        .logins(company.virtana.logins().len(), 2)
        .holds("a closed connection costs nothing; what may have been taken is not sent again: one login");
}

#[tokio::test]
async fn everything_that_was_revoked_by_somebody_else_is_healed_by_the_annotation() {
    let scene = Scene::new().await;
    scene.issued("clusters", json!({})).await;
    let before = scene.world.data("clusters", "token").await;
    scene.palette.revoke_everything();
    let asked = Instant::now();
    let annotation = json!({ "metadata": { "annotations": { "apitoken.dev/refresh-requested-at": "now" } } });
    scene.world.edit_token("clusters", annotation).await;
    // At most one request a minute.
    scene.palette.wait_for("a login", PATIENCE * 2, |all| logins(all) == 2).await;
    scene.world.until_secret("clusters", "a new token", |now| text(now, "token") != Some(before.as_str())).await;
    let took = asked.elapsed();
    let token = scene.world.data("clusters", "token").await;
    assert!(scene.palette.token(&token).expect("known").dead.is_none());
    assert_eq!(scene.palette.refreshes().len(), 1);
    row(60)
        .injected("the session and its valid access token are revoked at the vendor; the annotation asks for a refresh")
        .judged(&oracles::asked(&scene.palette.history()))
        .logins(scene.palette.logins().len(), 2)
        .took("a revoked token is annotated, a good one is in the output (at most one request a minute)", took)
        .holds("one refused refresh, one login; without the annotation nobody notices before the next renewal");
}

#[tokio::test]
async fn where_a_refresh_kills_the_token_before_it_the_gap_is_the_time_of_two_writes() {
    let world = World::new().await;
    world.logins().await;
    let palette = world.palette();
    palette.script(|script| script.refresh_kills_previous = true);
    world.early_token("clusters", &world.preset("Palette", &palette.base_url()).await, "palette-login").await;
    let watcher = world.watch("clusters").await;
    palette.wait_for("six refreshes", PATIENCE * 2, |all| refreshes(all) > 6).await;
    let versions = watcher.versions().expect("no gaps");
    assert_never_stale(&versions, "token", |text| palette.token(text));
    let mut gaps: Vec<f64> = Vec::new();
    for version in &versions {
        let held = version.text("token").and_then(|text| palette.token(text)).expect("a token of Palette");
        let gave =
            |one: &&Exchange| one.operation == Operation::Refresh && one.issued.iter().any(|it| it.id == held.id);
        let history = palette.history();
        let Some(answered) = history.iter().find(gave).and_then(|one| one.answered) else { continue };
        gaps.push(version.seen_at.duration_since(answered).as_secs_f64());
    }
    assert!(gaps.len() >= 5, "{} refreshes were measured", gaps.len());
    let most = gaps.iter().copied().fold(0.0, f64::max);
    row(61)
        .injected("a vendor whose refresh kills the access token before it, at once")
        .judged(&oracles::asked(&palette.history()))
        .logins(palette.logins().len(), 1)
        .took("such a vendor gives a new token, it is in the output (longest)", Duration::from_secs_f64(most.max(0.0)))
        .holds("between the vendor's answer and the output the old token is dead: two writes; renew late (spec.refresh) to have few of them");
}

#[tokio::test]
async fn a_lifetime_that_the_vendor_shortens_counts_from_the_next_token_on() {
    let mut company = Company::new().await;
    company.world.flags.clear();
    company.world.start_operator().await;
    company.virtana.script(|script| script.lifetime = Duration::from_secs(100));
    company.token("infra", 10).await;
    company.world.ready("infra").await;
    let outputs = company.world.watch("infra").await;
    company.virtana.script(|script| script.lifetime = Duration::from_secs(20));
    company.next_refresh("infra").await;
    let token = company.world.until("infra", "a short life", |token| {
        let status = token.status.clone().unwrap_or_default();
        status.issued_at.zip(status.expires_at).is_some_and(|(from, to)| to.0.duration_since(from.0).as_secs() <= 21)
    });
    let status = token.await.status.expect("a status");
    let renewed = status.renew_at.expect("a time").0.duration_since(status.issued_at.expect("a time").0).as_secs();
    company.next_refresh("infra").await;
    company.next_refresh("infra").await;
    let versions = outputs.versions().expect("no gaps");
    company.spent(1);
    row(56)
        .injected("the vendor shortens the lifetime from 100 s to 20 s")
        .judged(&oracles::output(&versions, "token", jiff::Timestamp::now(), |text| company.virtana.token(text)))
        .judged(&oracles::one_time(&company.virtana.history()))
        .logins(company.virtana.logins().len(), 1)
        .holds(format!("renewed {renewed} s after its issue, and on"));
}

#[tokio::test]
async fn a_token_that_has_all_but_expired_when_it_arrives_is_asked_for_again_with_patience() {
    let scene = Scene::new().await;
    scene.palette.script(|script| script.lifetime = Duration::from_secs(1));
    scene.world.token_with("clusters", scene.spec(json!({}))).await;
    scene.palette.wait_for("a second call", PATIENCE * 2, |all| all.len() >= 2).await;
    let calls = scene.palette.history();
    let apart = calls[1].received.duration_since(calls[0].received).as_secs_f64();
    assert!(apart >= 5.0, "calls {apart} s apart are a loop");
    let token = scene.world.get("clusters").await;
    let condition = ready(&token).expect("Ready");
    assert_ne!(condition.reason, "Pending");
    row(54)
        .injected("tokens that live for a second")
        .judged(&oracles::asked(&calls))
        .holds(format!("{apart:.0} s between calls; Ready tells {}", condition.reason));
}

#[tokio::test]
async fn an_apitoken_can_be_deleted_while_the_operator_is_down() {
    let mut scene = Scene::new().await;
    scene.issued("clusters", json!({})).await;
    let session = scene.world.session_name("clusters").await;
    scene.world.stop_operator().await;
    scene.world.tokens().delete("clusters", &kube::api::DeleteParams::default()).await.expect("deleted");
    assert!(scene.world.tokens().get_opt("clusters").await.expect("an answer").is_none(), "something holds it");
    scene.world.until_gone("clusters").await;
    scene.world.until_gone(&session).await;
    row(73)
        .injected("an ApiToken is deleted while no operator runs")
        .holds("gone at once, and session and output with it");
}
