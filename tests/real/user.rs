//! A user of PocketBase: an account there, the copied definition and the credentials here, and what was asked so far.

use std::time::Duration;

use serde_json::json;
use testbed::{
    real::{Passed, PocketBase},
    vendors::{
        Consumer,
        consumer::{Call, client, present},
    },
};

use crate::{
    customers::example,
    world::{PATIENCE, World},
};

pub const EMAIL: &str = "robot@example.com";
pub const PASSWORD: &str = "correct horse";
const LOGIN: &str = "pocketbase-login";

/// What PocketBase was asked for by the operator, and its answer's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Login(u16),
    Refresh(u16),
}

pub struct User {
    pub world: World,
    pub pocketbase: PocketBase,
    /// PocketBase's id of the user.
    pub id: String,
    pub provider: String,
}

impl User {
    /// Tokens live this long, at least 10 s; that is PocketBase's own limit.
    pub async fn with_tokens_of(lifetime: Duration) -> Self {
        let world = World::new().await;
        let pocketbase = PocketBase::start(&world.ca).await.expect("PocketBase");
        let seconds = json!({ "authToken": { "duration": lifetime.as_secs() } });
        pocketbase.configure_users(&seconds).await.expect("a lifetime");
        let id = pocketbase.add_user(EMAIL, PASSWORD).await.expect("a user");
        world.credentials(LOGIN, &[("identity", EMAIL), ("password", PASSWORD)]).await;
        let url = pocketbase.front.url();
        let provider = world.copied("pocketbase", example("pocketbase.yaml"), &url, |_| ()).await;
        Self { world, pocketbase, id, provider }
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

    pub async fn says_the_password(&self, password: &str) {
        self.world.edit_secret(LOGIN, &[("password", password)]).await;
    }

    /// A pod that reads the user's own record with what stands in the output.
    pub fn consumer(&self, output: &str) -> Consumer {
        let url = self.pocketbase.own_record_url(&self.id);
        self.world.consumer(output, Call::new(url, client(&self.world.ca), present::bare("token")))
    }

    pub fn asked(&self) -> Vec<Asked> {
        asked(&self.pocketbase.front.passed())
    }

    pub fn logins(&self) -> usize {
        self.asked().iter().filter(|asked| matches!(asked, Asked::Login(_))).count()
    }

    /// Waits for this many good refreshes in all.
    pub async fn refreshed(&self, times: usize) {
        let refreshed = |passed: &[Passed]| count(&asked(passed), Asked::Refresh(200)) >= times;
        self.pocketbase.front.wait_for(&format!("{times} refreshes"), PATIENCE, refreshed).await;
    }

    /// How many good refreshes there were.
    pub fn refreshes(&self) -> usize {
        count(&self.asked(), Asked::Refresh(200))
    }
}

pub fn count(all: &[Asked], one: Asked) -> usize {
    all.iter().filter(|asked| **asked == one).count()
}

/// In the order of the answers; 502 where PocketBase gave none.
pub fn asked(passed: &[Passed]) -> Vec<Asked> {
    let operation = |passed: &Passed| {
        let status = passed.status.unwrap_or(502);
        match passed.path.as_str() {
            "/api/collections/users/auth-with-password" => Asked::Login(status),
            "/api/collections/users/auth-refresh" => Asked::Refresh(status),
            other => panic!("PocketBase was asked for {other}"),
        }
    };
    passed.iter().map(operation).collect()
}
