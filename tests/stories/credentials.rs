//! The credentials Secret is missing, not released, incomplete, goes away, changes: what is told, and what it costs.

use apitoken_operator::api::ApiToken;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use testbed::{
    eventually::await_until,
    reliability::{oracles, row},
    users::User,
    vendors::{Exchange, Operation, Virtana},
};
use tokio::process::Command;

use crate::world::{PATIENCE, World, ready};

const GOOD: &[(&str, &str)] = &[("clientId", "client"), ("clientSecret", "correct")];

/// A vendor with one account, and an ApiToken `infra` whose credentials Secret `login` is not made yet.
async fn waiting(world: &World) -> Virtana {
    let virtana = Virtana::start(&world.ca).expect("Virtana");
    virtana.add_account("client", "correct");
    let provider = world.preset("Virtana", &virtana.base_url()).await;
    world.token("infra", &provider, "login").await;
    virtana
}

async fn running(world: &World) -> Virtana {
    world.credentials("login", GOOD).await;
    let virtana = waiting(world).await;
    world.ready("infra").await;
    virtana
}

fn message(token: &ApiToken) -> &str {
    &ready(token).expect("a Ready condition").message
}

#[tokio::test]
async fn missing_credentials_are_awaited_and_lead_to_one_login_when_the_command_that_is_told_releases_them() {
    let world = World::new().await;
    let virtana = waiting(&world).await;
    let token = world.not_ready("infra", "CredentialsNotFound").await;
    world.secret("login", None, GOOD).await;
    world.follow(message(&token), &[]).await;
    world.ready("infra").await;
    assert_eq!(virtana.history().len(), 1);
    row(50)
        .injected("the credentials Secret is missing")
        .judged(&oracles::asked(&virtana.history()))
        .logins(virtana.logins().len(), 1)
        .holds("CredentialsNotFound with the command that helps; one login when it is made");
}

#[tokio::test]
async fn credentials_without_the_label_are_not_sent_before_the_command_that_is_told_releases_them() {
    let world = World::new().await;
    world.secret("login", None, GOOD).await;
    let virtana = waiting(&world).await;
    let token = world.not_ready("infra", "CredentialsNotLabelled").await;
    assert_eq!(virtana.history().len(), 0);
    world.follow(message(&token), &[]).await;
    world.ready("infra").await;
    assert_eq!(virtana.history().len(), 1);
}

#[tokio::test]
async fn a_key_that_is_missing_is_named_and_the_command_that_is_told_adds_it() {
    let world = World::new().await;
    world.credentials("login", &[("clientId", "client")]).await;
    let virtana = waiting(&world).await;
    let token = world.not_ready("infra", "CredentialsIncomplete").await;
    assert!(message(&token).contains("clientSecret"), "{}", message(&token));
    assert_eq!(virtana.history().len(), 0);
    world.follow(message(&token), &[("VALUE", "correct")]).await;
    world.ready("infra").await;
    assert_eq!(virtana.history().len(), 1);
    row(50)
        .injected("a key of the credentials is missing")
        .judged(&oracles::asked(&virtana.history()))
        .logins(virtana.logins().len(), 1)
        .holds("named, with the command that adds it; one login then");
}

#[tokio::test]
async fn a_token_outlives_its_deleted_credentials_to_its_end_and_one_login_follows_their_return() {
    let world = World::new().await;
    world.credentials("login", GOOD).await;
    let virtana = Virtana::start(&world.ca).expect("Virtana");
    virtana.add_account("client", "correct");
    // Long enough that the credentials are gone before it is renewed.
    virtana.script(|script| script.lifetime = std::time::Duration::from_secs(20));
    let provider = world.preset("Virtana", &virtana.base_url()).await;
    world.token("infra", &provider, "login").await;
    world.ready("infra").await;
    let output = world.all_data("infra").await;
    world.secrets().delete("login", &DeleteParams::default()).await.expect("the credentials are deleted");

    let kept = world.until("infra", "valid and blocked", |token| message(token).contains("CredentialsNotFound")).await;
    assert_eq!(ready(&kept).map(|ready| (&*ready.status, &*ready.reason)), Some(("True", "Issued")));
    await_until("an Event", PATIENCE, async || {
        let events = world.events("infra").await;
        if events.iter().any(|reason| reason == "RenewalBlocked") { Ok(()) } else { Err(format!("{events:?}")) }
    })
    .await;
    world.not_ready("infra", "CredentialsNotFound").await;
    assert_eq!(world.all_data("infra").await, output, "an output is never emptied");
    assert_eq!(virtana.history().len(), 1);

    virtana.script(|script| script.lifetime = std::time::Duration::from_secs(3600));
    world.credentials("login", GOOD).await;
    world.ready("infra").await;
    assert_eq!(virtana.history().len(), 2);
    row(50)
        .injected("the credentials are deleted while the token is valid")
        .judged(&oracles::asked(&virtana.history()))
        .logins(virtana.logins().len(), 2)
        .holds("the token stays to its end and the output is never emptied; one login on their return");
}

#[tokio::test]
async fn credentials_that_come_back_unchanged_while_the_token_is_valid_cost_no_login() {
    let world = World::new().await;
    let virtana = running(&world).await;
    world.secrets().delete("login", &DeleteParams::default()).await.expect("the credentials are deleted");
    world.until("infra", "valid and blocked", |token| message(token).contains("CredentialsNotFound")).await;
    world.credentials("login", GOOD).await;
    world.until("infra", "no longer blocked", |token| !message(token).contains("CredentialsNotFound")).await;
    assert_eq!(virtana.history().len(), 1);
}

#[tokio::test]
async fn credentials_whose_label_is_taken_away_are_not_used_until_the_command_that_is_told_gives_it_back() {
    let world = World::new().await;
    let virtana = running(&world).await;
    let unlabel = Patch::Merge(json!({ "metadata": { "labels": { "apitoken.dev/role": null } } }));
    world.secrets().patch("login", &PatchParams::default(), &unlabel).await.expect("the label is taken away");
    let kept = world.until("infra", "blocked", |token| message(token).contains("CredentialsNotLabelled")).await;
    assert_eq!(ready(&kept).map(|ready| ready.status.as_str()), Some("True"), "the token is left to expire");
    world.follow(message(&kept), &[]).await;
    world.until("infra", "no longer blocked", |token| !message(token).contains("CredentialsNotLabelled")).await;
    assert_eq!(virtana.history().len(), 1);
}

#[tokio::test]
async fn a_session_goes_on_refreshing_when_its_credentials_are_rotated_to_wrong_ones_that_are_tried_once() {
    let world = World::new().await;
    world.logins().await;
    let palette = world.palette();
    let provider = world.preset("Palette", &palette.base_url()).await;
    world.early_token("infra", &provider, "palette-login").await;
    world.edit_secret("palette-login", &[("password", "wrong")]).await;
    palette.wait_for("a login that is refused", PATIENCE, |seen| logins(seen) == 2).await;
    palette.wait_for("two refreshes after it", PATIENCE, |seen| seen.len() >= 4).await;
    let told =
        world.until("infra", "the refusal is told", |token| message(token).contains("CredentialsRejected")).await;
    assert_eq!(ready(&told).map(|ready| ready.status.as_str()), Some("True"), "{}", message(&told));
    assert_eq!(logins(&palette.history()), 2);
    palette.assert_no_protocol_errors();
}

fn logins(seen: &[Exchange]) -> usize {
    seen.iter().filter(|exchange| exchange.operation == Operation::Login).count()
}

#[tokio::test]
async fn credentials_rotated_while_the_token_is_valid_lead_to_exactly_one_login() {
    let world = World::new().await;
    let virtana = running(&world).await;
    let before = world.data("infra", "token").await;
    virtana.set_password("client", "rotated");
    world.edit_secret("login", &[("clientSecret", "rotated")]).await;
    await_until("the output has the new session's token", PATIENCE, async || {
        let now = world.data("infra", "token").await;
        if now == before { Err("still the old one") } else { Ok(()) }
    })
    .await;
    // What the login's own writes lead to is over when a later change has been dealt with.
    world.unrelated_change("login", json!({ "metadata": { "labels": { "team": "web" } } })).await;
    assert_eq!(virtana.history().len(), 2);
    assert_eq!(ready(&world.get("infra").await).map(|ready| ready.status.clone()).as_deref(), Some("True"));
    row(51)
        .injected("the credentials are rotated while the token is valid")
        .judged(&oracles::asked(&virtana.history()))
        .logins(virtana.logins().len(), 2)
        .holds("exactly one login; Ready all the time");
}

#[tokio::test]
async fn a_wrong_value_that_is_put_back_while_the_token_is_valid_is_no_failure_any_more_and_costs_no_login() {
    let world = World::new().await;
    let virtana = running(&world).await;
    let failed = |token: &ApiToken| token.status.as_ref().is_some_and(|status| status.failures.is_some());
    world.edit_secret("login", &[("clientSecret", "mistyped")]).await;
    let token = world.until("infra", "a refused login that is told", failed).await;
    assert!(message(&token).contains("correct the values in the credentials Secret"), "{}", message(&token));
    world.edit_secret("login", &[("clientSecret", "correct")]).await;
    let token = world.until("infra", "no failure", |token| !failed(token)).await;
    assert_eq!(message(&token), "Secret \"infra\" holds a valid token");
    assert_eq!(virtana.logins_of("client"), 2, "the first one and the refused one");
}

#[tokio::test]
async fn a_key_or_label_that_the_provider_does_not_use_costs_no_provider_call() {
    let world = World::new().await;
    let virtana = running(&world).await;
    world.unrelated_change("login", json!({ "stringData": { "note": "rotate in May" } })).await;
    world.unrelated_change("login", json!({ "metadata": { "labels": { "team": "web" } } })).await;
    world.unrelated_change("login", json!({ "metadata": { "annotations": { "contact": "web@example.com" } } })).await;
    assert_eq!(virtana.history().len(), 1);
}

#[tokio::test]
async fn a_value_with_a_newline_at_its_end_is_refused_with_a_hint() {
    let world = World::new().await;
    world.credentials("login", &[("clientId", "client"), ("clientSecret", "correct\n")]).await;
    let virtana = waiting(&world).await;
    let token = world.not_ready("infra", "CredentialsRejected").await;
    let told = message(&token);
    assert!(told.contains("clientSecret ends in white space"), "{told}");
    assert!(!told.contains("clientId ends"), "{told}");
    world.edit_secret("login", &[("clientSecret", "correct")]).await;
    world.ready("infra").await;
    assert_eq!(virtana.logins_of("client"), 2);
    row(49)
        .injected("a value with a newline at its end, corrected")
        .judged(&oracles::asked(&virtana.history()))
        .logins(virtana.logins().len(), 2)
        .holds("the hint names the key; the next login follows at once");
}

impl World {
    /// Does what a message says, letter by letter, with what stands in it for values of one's own replaced.
    async fn follow(&self, message: &str, values: &[(&str, &str)]) {
        let start = message.find("kubectl ").expect("a command in the message");
        let mut script = message[start..].to_owned();
        for (name, value) in values {
            assert!(script.contains(name), "no {name} in {script}");
            script = script.replace(name, value);
        }
        let kubectl = self.cluster.kubectl(&User::Admin).expect("kubectl");
        let kubectl = kubectl.as_std();
        let mut shell = Command::new("sh");
        // The words of the message reach kubectl as a person's shell would pass them on.
        shell.args(["-c", &format!("kubectl() {{ {} \"$@\"; }}; {script}", program(kubectl))]);
        shell.envs(kubectl.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = shell.output().await.expect("a shell");
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A change that must not matter, and the operator's look at it.
    async fn unrelated_change(&self, secret: &str, patch: Value) {
        let mark = self.cluster.audit().mark().expect("the audit log");
        self.secrets()
            .patch(secret, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .expect("the Secret is edited");
        await_until("the operator's look at the change", PATIENCE, async || {
            let events = self.asked_by_operator(&mark);
            let looked = events.iter().any(|event| event.verb == "get" && event.name == secret);
            if looked { Ok(()) } else { Err(format!("{events:?}")) }
        })
        .await;
    }
}

/// The command line of kubectl, quoted for a shell.
fn program(kubectl: &std::process::Command) -> String {
    let words = std::iter::once(kubectl.get_program()).chain(kubectl.get_args());
    words.map(|word| format!("'{}'", word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}
