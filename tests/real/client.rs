//! A client of Hydra's: registered there, the copied definition and the credentials here, and what was asked so far.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};
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

/// How the client shows who it is; each way is an example.
#[derive(Clone, Copy)]
pub enum Auth {
    Basic,
    Body,
    /// By basic authentication, at the endpoint that Hydra's metadata name.
    Issuer,
}

impl Auth {
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Basic => ("client_secret_basic", "hydra-client-basic.yaml"),
            Self::Issuer => ("client_secret_basic", "hydra-client-issuer.yaml"),
            Self::Body => ("client_secret_post", "hydra-client-body.yaml"),
        }
    }
}

impl Client {
    /// With client credentials, and access tokens that live this long.
    pub async fn with_tokens_of(lifetime: Duration, auth: Auth) -> Self {
        let world = World::new().await;
        let hydra = hydra(&world, lifetime).await;
        let (method, file) = auth.names();
        let registration = json!({
            "client_id": CLIENT, "client_secret": SECRET, "grant_types": ["client_credentials"],
            "token_endpoint_auth_method": method, "scope": "openid read",
        });
        hydra.add_client(&registration).await.expect("a client");
        world.credentials(LOGIN, &[("clientId", CLIENT), ("clientSecret", SECRET)]).await;
        let provider = copied(&world, file, &hydra).await;
        Self { world, hydra, provider }
    }

    /// With a key of its own: registered so, in `jwks`, or trusted as an issuer for the subject `robot`.
    pub async fn with_key(lifetime: Duration, file: &str, issuer: Option<&str>) -> Self {
        let world = World::new().await;
        let hydra = hydra(&world, lifetime).await;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let mut registration = json!({ "client_id": CLIENT, "scope": "openid read", "client_secret": SECRET });
        if let Some(issuer) = issuer {
            registration["grant_types"] = json!(["urn:ietf:params:oauth:grant-type:jwt-bearer"]);
            registration["token_endpoint_auth_method"] = json!("client_secret_post");
            hydra.trust(issuer, CLIENT, "openid", &jwk(&key)).await.expect("trust");
        } else {
            registration["grant_types"] = json!(["client_credentials"]);
            registration["token_endpoint_auth_method"] = json!("private_key_jwt");
            registration["token_endpoint_auth_signing_alg"] = json!("ES256");
            registration["jwks"] = json!({ "keys": [jwk(&key)] });
        }
        hydra.add_client(&registration).await.expect("a client");
        let credentials = [("clientId", CLIENT), ("clientSecret", SECRET), ("privateKey", &key.serialize_pem())];
        world.credentials(LOGIN, &credentials).await;
        let provider = copied(&world, file, &hydra).await;
        Self { world, hydra, provider }
    }

    /// Makes an ApiToken with this scope, renewed at this part of its life, and does not wait.
    pub async fn token(&self, name: &str, at_percent: i32, scope: &str) {
        self.token_with(name, at_percent, &json!({ "scope": scope })).await;
    }

    pub async fn token_with(&self, name: &str, at_percent: i32, parameters: &Value) {
        let spec = json!({
            "providerRef": { "name": self.provider },
            "credentialsRef": { "name": LOGIN },
            "parameters": parameters,
            "refresh": { "atPercent": at_percent },
        });
        self.world.token_with(name, spec).await;
    }

    /// Another key in the credentials, which Hydra does not know.
    pub async fn says_another_key(&self) {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        self.world.edit_secret(LOGIN, &[("privateKey", &key.serialize_pem())]).await;
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

async fn hydra(world: &World, lifetime: Duration) -> Hydra {
    let lives = Lives { access_token: lifetime, rotation_grace: Duration::ZERO };
    Hydra::start(&world.ca, lives).await.expect("Hydra")
}

/// The example as people copy it, with the address of this Hydra in it.
async fn copied(world: &World, file: &str, hydra: &Hydra) -> String {
    let mut spec = example(file)["spec"].take();
    let (field, url) = match spec["oauth2"].get("issuer") {
        Some(_) => ("issuer", hydra.front.url()),
        None => ("tokenURL", format!("{}/oauth2/token", hydra.front.url())),
    };
    spec["oauth2"][field] = json!(url);
    spec["tls"] = json!({ "caBundle": world.ca.pem() });
    world.provider("hydra", spec).await
}

/// The public half as a JWK (RFC 7517).
fn jwk(key: &KeyPair) -> Value {
    // An uncompressed point: 4, x, y.
    let (x, y) = key.public_key_raw()[1..].split_at(32);
    let text = |half| URL_SAFE_NO_PAD.encode(half);
    json!({ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y), "kid": "one", "use": "sig", "alg": "ES256" })
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
