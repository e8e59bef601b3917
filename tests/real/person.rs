//! A person who consented at Hydra: the refresh token of that is the seed in the credentials.

use std::time::Duration;

use serde_json::json;
use testbed::{
    eventually::await_until,
    real::{Hydra, Lives, Passed},
};

use crate::{
    customers::example,
    world::{PATIENCE, World},
};

pub const CLIENT: &str = "robot";
pub const SECRET: &str = "secret";
pub const SUBJECT: &str = "ann";
const LOGIN: &str = "hydra-login";

pub struct Person {
    pub world: World,
    pub hydra: Hydra,
    provider: String,
    /// The refresh token in the credentials.
    pub seed: String,
}

impl Person {
    /// Access tokens live this long; a refresh token that was used is spent at once.
    pub async fn with_tokens_of(access_token: Duration) -> Self {
        Self::with(Lives { access_token, rotation_grace: Duration::ZERO }, "OneTime").await
    }

    /// The same at a Hydra that is set up otherwise, or with another `reuse` in the definition.
    pub async fn with(lives: Lives, reuse: &str) -> Self {
        let world = World::new().await;
        let hydra = Hydra::start(&world.ca, lives).await.expect("Hydra");
        hydra.add_client_for_people(CLIENT, SECRET).await.expect("a client");
        let seed = hydra.consent(CLIENT, SECRET, SUBJECT).await.expect("consent");
        let credentials = [("clientId", CLIENT), ("clientSecret", SECRET), ("refreshToken", &seed)];
        world.credentials(LOGIN, &credentials).await;
        let mut spec = example("hydra-refresh-token.yaml")["spec"].take();
        spec["oauth2"]["tokenURL"] = json!(format!("{}/oauth2/token", hydra.front.url()));
        spec["oauth2"]["refresh"] = json!({ "reuse": reuse });
        spec["tls"] = json!({ "caBundle": world.ca.pem() });
        let provider = world.provider("hydra", spec).await;
        Self { world, hydra, provider, seed }
    }

    /// Makes an ApiToken that is renewed at this part of its life, and does not wait.
    pub async fn token(&self, name: &str, at_percent: i32) {
        let spec = json!({
            "providerRef": { "name": self.provider },
            "credentialsRef": { "name": LOGIN },
            "refresh": { "atPercent": at_percent },
        });
        self.world.token_with(name, spec).await;
    }

    /// Consents again, and replaces the seed.
    pub async fn consents_again(&mut self) {
        self.seed = self.hydra.consent(CLIENT, SECRET, SUBJECT).await.expect("consent");
        self.world.edit_secret(LOGIN, &[("refreshToken", &self.seed)]).await;
    }

    pub async fn says_the_secret(&self, secret: &str) {
        self.world.edit_secret(LOGIN, &[("clientSecret", secret)]).await;
    }

    /// Waits for this many tokens in all, the first of them for the seed.
    pub async fn given(&self, times: usize) -> Vec<Passed> {
        let given = |passed: &[Passed]| passed.iter().filter(|passed| passed.is_good()).count() >= times;
        self.hydra.front.wait_for(&format!("{times} tokens"), PATIENCE, given).await
    }

    /// How often this refresh token was presented.
    pub fn presented(&self, refresh_token: &str) -> usize {
        let with = |passed: &&Passed| passed.form.get("refresh_token").is_some_and(|it| it == refresh_token);
        self.hydra.front.passed().iter().filter(with).count()
    }

    /// Waits until this token stands in the output.
    pub async fn holds(&self, output: &str, token: &str) {
        await_until("the newest token in the output", PATIENCE, async || {
            if self.world.data(output, "token").await == token { Ok(()) } else { Err("another token") }
        })
        .await;
    }

    /// Whether the token in the output is good now.
    pub async fn holds_a_good_token(&self, output: &str) -> bool {
        let held = self.world.data(output, "token").await;
        self.hydra.is_active(&held).await.expect("an answer")
    }
}

/// Each request presented the refresh token of the one before, and nothing else.
#[track_caller]
pub fn assert_a_chain(passed: &[Passed], seed: &str) {
    let mut next = seed.to_owned();
    for one in passed {
        assert_eq!(one.form["grant_type"], "refresh_token");
        assert_eq!(one.form["refresh_token"], next, "not the newest refresh token");
        assert_ne!(one.text("refresh_token"), next, "Hydra did not rotate the refresh token");
        one.text("refresh_token").clone_into(&mut next);
    }
}
