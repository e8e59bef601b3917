//! A client of Hydra's: registered there, the copied definition and the credentials here, and what was asked so far.

use std::time::Duration;

use serde_json::json;
use testbed::{
    real::{Hydra, Lives, Passed},
    vendors::{
        Consumer,
        consumer::{Call, client, present},
    },
};

use crate::{customers::example, world::World};

pub const CLIENT: &str = "robot";
/// What encodings are for: each of these means something in a header, a form or a URL.
pub const SECRET: &str = "s%41c+r:e/t &=é\"";
pub const LOGIN: &str = "hydra-login";

pub struct Client {
    pub world: World,
    pub hydra: Hydra,
    pub provider: String,
}

/// How the client shows who it is; the two ways are two examples.
#[derive(Clone, Copy)]
pub enum Auth {
    Basic,
    Body,
}

impl Auth {
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Basic => ("client_secret_basic", "hydra-client-basic.yaml"),
            Self::Body => ("client_secret_post", "hydra-client-body.yaml"),
        }
    }
}

impl Client {
    /// With client credentials, and access tokens that live this long.
    pub async fn with_tokens_of(lifetime: Duration, auth: Auth) -> Self {
        let world = World::new().await;
        let lives = Lives { access_token: lifetime, rotation_grace: Duration::ZERO };
        let hydra = Hydra::start(&world.ca, lives).await.expect("Hydra");
        let (method, file) = auth.names();
        let registration = json!({
            "client_id": CLIENT, "client_secret": SECRET, "grant_types": ["client_credentials"],
            "token_endpoint_auth_method": method, "scope": "openid read",
        });
        hydra.add_client(&registration).await.expect("a client");
        world.credentials(LOGIN, &[("clientId", CLIENT), ("clientSecret", SECRET)]).await;
        let provider = world.copied("hydra", example(file), &hydra.front.url(), |_| ()).await;
        Self { world, hydra, provider }
    }

    /// Makes an ApiToken with this scope, renewed at this part of its life, and does not wait.
    pub async fn token(&self, name: &str, at_percent: i32, scope: &str) {
        let spec = json!({
            "providerRef": { "name": self.provider },
            "credentialsRef": { "name": LOGIN },
            "parameters": { "scope": scope },
            "refresh": { "atPercent": at_percent },
        });
        self.world.token_with(name, spec).await;
    }

    pub async fn says_the_secret(&self, secret: &str) {
        self.world.edit_secret(LOGIN, &[("clientSecret", secret)]).await;
    }

    /// A pod that asks Hydra, with what stands in the output, whose token that is: the scope has to be `openid`.
    pub fn consumer(&self, output: &str) -> Consumer {
        let call = Call::new(self.hydra.whose_token_url(), client(&self.world.ca), present::bearer("token"));
        self.world.consumer(output, call)
    }
}

/// The statuses of the requests for a token, in the order of the answers; 502 where Hydra gave none.
pub fn statuses(passed: &[Passed]) -> Vec<u16> {
    assert!(passed.iter().all(|passed| passed.path == "/oauth2/token"), "{passed:?}");
    passed.iter().map(|passed| passed.status.unwrap_or(502)).collect()
}

/// This many tokens were given.
pub fn given(passed: &[Passed], times: usize) -> bool {
    statuses(passed).iter().filter(|status| **status == 200).count() >= times
}
