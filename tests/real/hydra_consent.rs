//! Ory Hydra and refresh tokens to which a person consented: each is good for one use, and the second use of one ends
//! the whole family, the access token that is in use included.

use std::time::Duration;

use kube::api::DeleteParams;
use testbed::real::{Lives, Passed};

use crate::{
    person::{CLIENT, Person, SUBJECT, assert_a_chain},
    world::PATIENCE,
};

/// Renewed after 5 s, the youngest age at which the operator renews.
const SHORT: Duration = Duration::from_secs(12);
const EARLY: i32 = 40;
/// Renewed after 6 s, and then good for most of a minute: time to start something again on a loaded machine.
const LONG: Duration = Duration::from_secs(60);
const VERY_EARLY: i32 = 10;

#[tokio::test]
async fn each_refresh_token_is_presented_once_and_buys_the_next() {
    let person = Person::with_tokens_of(SHORT).await;
    person.token("api", EARLY).await;
    person.world.ready("api").await;
    let passed = person.given(5).await;
    assert_a_chain(&passed, &person.seed);
    person.holds("api", passed[4].text("access_token")).await;
    // Documented by Hydra: a refresh ends the access token before it.
    assert!(!person.hydra.is_active(passed[3].text("access_token")).await.expect("an answer"));
}

#[tokio::test]
async fn an_operator_that_starts_again_goes_on_with_the_newest_refresh_token() {
    let mut person = Person::with_tokens_of(LONG).await;
    person.token("api", VERY_EARLY).await;
    person.world.ready("api").await;
    person.given(2).await;
    person.world.stop_operator().await;
    let before = person.hydra.front.passed().len();
    person.world.start_operator().await;
    let passed = person.given(before + 1).await;
    assert_a_chain(&passed, &person.seed);
    person.world.ready("api").await;
}

#[tokio::test]
async fn a_server_that_is_away_when_a_renewal_is_due_costs_no_consent_where_one_may_be_presented_again() {
    let lives = Lives { access_token: LONG, rotation_grace: Duration::ZERO };
    let person = Person::with(lives, "Reusable").await;
    person.token("api", VERY_EARLY).await;
    person.world.ready("api").await;
    person.hydra.stop();
    let away = |passed: &[Passed]| passed.iter().any(|passed| passed.status.is_none());
    person.hydra.front.wait_for("a renewal in vain", PATIENCE, away).await;
    person.hydra.start_again().await.expect("Hydra is back");
    person.given(2).await;
    assert_eq!(person.presented(&person.seed), 1);
}

#[tokio::test]
async fn a_consent_that_was_revoked_is_told_and_a_new_one_is_taken_at_once() {
    let mut person = Person::with_tokens_of(SHORT).await;
    person.token("api", EARLY).await;
    person.world.ready("api").await;
    person.given(2).await;
    person.hydra.revoke_consent(SUBJECT).await.expect("revoked");
    person.world.not_ready("api", "CredentialsRejected").await;
    let old = person.seed.clone();
    assert_eq!(person.presented(&old), 1);
    person.consents_again().await;
    person.world.ready("api").await;
    assert!(person.holds_a_good_token("api").await);
    assert_eq!(person.presented(&old), 1);
}

/// Waits until the operator has given up; the answer to the first refresh was lost. Returns that refresh token.
async fn loses_an_answer(person: &Person) -> String {
    person.token("api", EARLY).await;
    let current = person.given(1).await[0].text("refresh_token").to_owned();
    person.hydra.front.lose_next_answer();
    person.world.not_ready("api", "CredentialsRejected").await;
    current
}

#[tokio::test]
async fn an_answer_that_was_lost_costs_a_consent_where_hydra_grants_no_grace() {
    let lives = Lives { access_token: SHORT, rotation_grace: Duration::ZERO };
    let mut person = Person::with(lives, "Reusable").await;
    let current = loses_an_answer(&person).await;
    // Once in vain, for Hydra had taken it.
    assert_eq!(person.presented(&current), 2);
    person.consents_again().await;
    person.world.ready("api").await;
    assert!(person.holds_a_good_token("api").await);
    assert_eq!(person.presented(&current), 2);
}

#[tokio::test]
async fn an_answer_that_was_lost_costs_nothing_where_hydra_grants_a_grace() {
    let lives = Lives { access_token: LONG, rotation_grace: Duration::from_secs(60) };
    let person = Person::with(lives, "Reusable").await;
    person.token("api", VERY_EARLY).await;
    person.world.ready("api").await;
    let current = person.given(1).await[0].text("refresh_token").to_owned();
    person.hydra.front.lose_next_answer();
    let passed = person.given(4).await;
    assert_eq!(person.presented(&current), 2);
    assert_eq!(person.presented(&person.seed), 1);
    // The second answer to the same refresh token is the one that counts.
    assert_a_chain(&passed[2..], &current);
    person.world.ready("api").await;
}

#[tokio::test]
async fn a_refresh_token_that_is_good_for_one_time_is_not_presented_again_to_find_out() {
    let mut person = Person::with_tokens_of(SHORT).await;
    let current = loses_an_answer(&person).await;
    assert_eq!((person.presented(&person.seed), person.presented(&current)), (1, 1));
    person.consents_again().await;
    person.world.ready("api").await;
    assert!(person.holds_a_good_token("api").await);
}

#[tokio::test]
async fn an_apitoken_that_is_made_anew_goes_on_where_the_one_before_ended() {
    let person = Person::with_tokens_of(SHORT).await;
    person.token("api", EARLY).await;
    person.world.ready("api").await;
    person.given(2).await;
    person.world.tokens().delete("api", &DeleteParams::default()).await.expect("deleted");
    person.token("api", EARLY).await;
    person.world.ready("api").await;
    let before = person.hydra.front.passed().len();
    let passed = person.given(before + 1).await;
    assert_a_chain(&passed, &person.seed);
}

#[tokio::test]
async fn a_client_secret_that_changed_needs_no_new_consent() {
    let person = Person::with_tokens_of(SHORT).await;
    person.token("api", EARLY).await;
    person.world.ready("api").await;
    person.hydra.set_secret(CLIENT, "another secret").await.expect("another secret");
    person.world.not_ready("api", "CredentialsRejected").await;
    let refused = |passed: &[Passed], status| passed.iter().filter(|passed| passed.status == Some(status)).count();
    assert_eq!(refused(&person.hydra.front.passed(), 401), 1);
    person.says_the_secret("another secret").await;
    person.world.ready("api").await;
    assert!(person.holds_a_good_token("api").await);
    assert_eq!(person.presented(&person.seed), 1);
}
