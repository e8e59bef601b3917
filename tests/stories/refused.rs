//! Credentials that the vendor refuses: tried once, by whoever, however often the operator starts.

use apitoken_operator::api::ApiToken;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use testbed::{
    eventually::await_until,
    reliability::{figures::Figure, oracles, row},
    vendors::{Fault, On, Palette, Virtana},
};

use crate::world::{PATIENCE, World, condition, ready};

/// A vendor with one account, and a provider object for it.
async fn virtana(world: &World) -> (Virtana, String) {
    let virtana = Virtana::start(&world.ca).expect("Virtana");
    virtana.add_account("client", "correct");
    let provider = world.preset("Virtana", &virtana.base_url()).await;
    (virtana, provider)
}

fn message(token: &ApiToken) -> String {
    ready(token).expect("a Ready condition").message.clone()
}

#[tokio::test]
async fn a_wrong_password_shared_by_fifty_apitokens_is_tried_once_and_never_again_by_three_restarts() {
    let mut world = World::new().await;
    let (virtana, provider) = virtana(&world).await;
    virtana.script(|script| script.lockout_after = Some(2));
    world.credentials("login", &[("clientId", "client"), ("clientSecret", "wrong")]).await;
    let names: Vec<_> = (0..50).map(|number| format!("infra-{number}")).collect();
    for name in &names {
        world.token(name, &provider, "login").await;
    }
    for name in &names {
        let token = world.not_ready(name, "CredentialsRejected").await;
        assert_eq!(condition(&token, "Stalled").map(|stalled| stalled.status.as_str()), Some("True"), "{name}");
    }
    assert_eq!(virtana.logins_of("client"), 1);

    for _ in 0..3 {
        world.stop_operator().await;
        world.start_operator().await;
        world.every_apitoken_was_looked_at(50).await;
    }
    assert_eq!(virtana.logins_of("client"), 1);

    world.edit_secret("login", &[("clientSecret", "correct")]).await;
    for name in &names {
        world.ready(name).await;
    }
    assert_eq!(virtana.logins_of("client"), 1 + 50, "each ApiToken has a session of its own, and one login for it");
    virtana.assert_no_protocol_errors();
    row(47)
        .injected("a wrong password at a vendor that locks after two, three restarts")
        .figure(Figure::WrongPasswordAttempts, 1.0)
        .holds("one attempt in all; not locked");
    row(48).injected("fifty ApiTokens with one wrong password").holds("one attempt in all, over three restarts");
    row(49).injected("the password is corrected").holds("all fifty log in at once, each for a session of its own");
}

#[tokio::test]
async fn a_wrong_password_that_two_namespaces_repeat_is_tried_once_in_all() {
    let mut world = World::without_operator().await;
    let other = World::without_operator().await;
    world.namespaces.push(other.namespace.clone());
    world.start_operator().await;
    let (virtana, provider) = virtana(&world).await;
    for place in [&world, &other] {
        place.credentials("login", &[("clientId", "client"), ("clientSecret", "wrong")]).await;
    }
    for place in [&world, &other] {
        place.token("infra", &provider, "login").await;
    }
    for place in [&world, &other] {
        place.not_ready("infra", "CredentialsRejected").await;
    }
    assert_eq!(virtana.logins_of("client"), 1);

    world.stop_operator().await;
    world.start_operator().await;
    world.every_apitoken_was_looked_at(2).await;
    assert_eq!(virtana.logins_of("client"), 1);

    // One is mended: the other's values are still the wrong ones.
    other.edit_secret("login", &[("clientSecret", "correct")]).await;
    other.ready("infra").await;
    assert_eq!(virtana.logins_of("client"), 2);
    world.not_ready("infra", "CredentialsRejected").await;
    row(48)
        .injected("the same wrong password in two Secrets of two namespaces")
        .holds("one attempt in all; one more for the one that is corrected");
}

#[tokio::test]
async fn edits_of_two_apitokens_after_a_refusal_allow_one_attempt_in_all() {
    let world = World::new().await;
    let (virtana, provider) = virtana(&world).await;
    world.credentials("login", &[("clientId", "client"), ("clientSecret", "wrong")]).await;
    for name in ["one", "two"] {
        world.token(name, &provider, "login").await;
        world.not_ready(name, "CredentialsRejected").await;
    }
    for name in ["one", "two"] {
        let edit = json!({ "spec": { "refresh": { "atPercent": 50 } } });
        world.edit_token(name, edit).await;
    }
    // A minute after the first attempt, and so longer than other waits.
    virtana.wait_for("second attempt", PATIENCE * 3, |seen| seen.len() == 2).await;
    for name in ["one", "two"] {
        world.until(name, "the second failure is told", |token| failures(token) == Some(2)).await;
    }
    assert_eq!(virtana.logins_of("client"), 2);
}

fn failures(token: &ApiToken) -> Option<i32> {
    Some(token.status.as_ref()?.failures.as_ref()?.count)
}

#[tokio::test]
async fn a_second_factor_that_is_wanted_is_a_refusal_that_says_so() {
    let world = World::new().await;
    let palette = Palette::start(&world.ca).expect("Palette");
    palette.add_account("ops@example.com", "correct");
    palette.script(|script| script.quirks.is_mfa = true);
    let provider = world.preset("Palette", &palette.base_url()).await;
    world.credentials("login", &[("emailId", "ops@example.com"), ("password", "correct")]).await;
    world.token("clusters", &provider, "login").await;

    let token = world.not_ready("clusters", "CredentialsRejected").await;
    assert!(message(&token).contains("MfaRequired"), "{}", message(&token));
    assert!(world.all_data("clusters").await.is_none(), "the token that came with it is good for nothing");
    assert_eq!(palette.logins_of("ops@example.com"), 1);
    palette.assert_no_protocol_errors();
    row(52)
        .injected("the vendor wants a second factor")
        .judged(&oracles::asked(&palette.history()))
        .logins(palette.logins().len(), 1)
        .holds("CredentialsRejected with the vendor's word for it; one login");
}

#[tokio::test]
async fn a_crash_loop_during_the_first_login_does_not_repeat_it_at_once() {
    let mut world = World::without_operator().await;
    let (virtana, provider) = virtana(&world).await;
    virtana.fail_always(On::Login, Fault::Hang);
    world.credentials("login", &[("clientId", "client"), ("clientSecret", "correct")]).await;
    let names = ["infra", "infra-a", "infra-b", "infra-c"];
    for name in names {
        world.token(name, &provider, "login").await;
    }
    world.start_operator().await;
    virtana.wait_for("first login", PATIENCE, |seen| seen.len() == 1).await;

    for _ in 0..3 {
        world.kill_operator();
        // The next process has to tell it anew.
        for name in names {
            forget_status(&world, name).await;
        }
        world.start_operator().await;
        for name in names {
            let token = world.not_ready(name, "ProviderUnavailable").await;
            assert!(message(&token).contains("interrupted"), "{}", message(&token));
        }
        assert_eq!(virtana.logins_of("client"), 1);
    }

    virtana.heal();
    for name in names {
        world.ready(name).await;
    }
    assert_eq!(
        virtana.logins_of("client"),
        1 + names.len(),
        "one whose outcome nobody knows, and after the wait one each"
    );
    virtana.assert_no_protocol_errors();
    row(10)
        .injected("kill -9 three times during a first login that hangs, four ApiTokens")
        .judged(&oracles::asked(&virtana.history()))
        .holds("one login over all lives until its wait is over");
}

/// What is told after this was told after this.
async fn forget_status(world: &World, name: &str) {
    let empty = json!({ "status": { "conditions": [], "observedGeneration": -1 } });
    let patch = Patch::Merge(empty);
    world.tokens().patch_status(name, &PatchParams::default(), &patch).await.expect("the status is emptied");
}

impl World {
    /// Waits until this operator process has ended a pass for each of so many ApiTokens.
    pub async fn every_apitoken_was_looked_at(&self, count: u32) {
        let passes = "apitoken_reconcile_duration_seconds_count";
        await_until("a pass for each ApiToken", PATIENCE, async || {
            let ended = self.operator().metric(passes, &[]).await.map_err(|error| error.to_string())?;
            ended.filter(|ended| *ended >= f64::from(count)).ok_or_else(|| format!("{ended:?} passes"))
        })
        .await;
    }
}
