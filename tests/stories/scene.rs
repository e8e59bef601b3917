//! Where many stories begin: one Palette with one account, its provider, its credentials, and an operator.

use k8s_openapi::api::core::v1::Secret;
use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use testbed::{eventually::await_until, users::User, vendors::Palette};

use crate::world::{PATIENCE, World};

pub const ACCOUNT: &str = "ops@example.com";
pub const LOGIN: &str = "palette-login";

pub struct Scene {
    pub world: World,
    pub palette: Palette,
    pub provider: String,
}

impl Scene {
    /// Tokens live a quarter of an hour here: no renewal falls due within a story.
    pub async fn new() -> Self {
        Self::within(World::new().await).await
    }

    pub async fn within(world: World) -> Self {
        let palette = Palette::start(&world.ca).expect("Palette");
        palette.add_account(ACCOUNT, "correct");
        world.credentials(LOGIN, &[("emailId", ACCOUNT), ("password", "correct")]).await;
        let provider = world.preset("Palette", &palette.base_url()).await;
        Self { world, palette, provider }
    }

    /// The spec of an ApiToken here, with more of it merged in.
    pub fn spec(&self, more: Value) -> Value {
        let mut spec = json!({ "providerRef": { "name": self.provider }, "credentialsRef": { "name": LOGIN } });
        if let (Some(spec), Value::Object(more)) = (spec.as_object_mut(), more) {
            spec.extend(more);
        }
        spec
    }

    /// Makes an ApiToken and waits until it is ready.
    pub async fn issued(&self, name: &str, more: Value) {
        self.world.token_with(name, self.spec(more)).await;
        self.world.ready(name).await;
    }

    /// Logins and refreshes so far.
    pub fn calls(&self) -> usize {
        self.palette.logins().len() + self.palette.refreshes().len()
    }
}

impl World {
    pub async fn patch_secret(&self, name: &str, patch: Value) -> Secret {
        let answer = self.secrets().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        answer.expect("the Secret is patched")
    }

    /// Waits until a Secret is as it should be.
    pub async fn until_secret(&self, name: &str, what: &str, holds: impl Fn(&Secret) -> bool) -> Secret {
        let api = self.secrets();
        await_until(&format!("Secret {}/{name}: {what}", self.namespace), PATIENCE, async || {
            match api.get_opt(name).await {
                Ok(Some(secret)) if holds(&secret) => Ok(secret),
                // Its values are left out: they are tokens.
                Ok(Some(secret)) => Err(format!("{:?} with keys {:?}", secret.metadata.annotations, keys(&secret))),
                Ok(None) => Err("there is none".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await
    }

    pub async fn until_gone(&self, name: &str) {
        let api = self.secrets();
        await_until(&format!("Secret {}/{name} is gone", self.namespace), PATIENCE, async || {
            match api.get_metadata_opt(name).await {
                Ok(None) => Ok(()),
                Ok(Some(there)) => Err(format!("{:?}", there.metadata)),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
    }

    /// Makes the operator look at an ApiToken again and waits until it has: an edit of the spec without a meaning.
    pub async fn looked_again(&self, name: &str) {
        let percent = if self.get(name).await.spec.refresh.is_some_and(|refresh| refresh.at_percent == Some(66)) {
            65
        } else {
            66
        };
        self.edit_token(name, json!({ "spec": { "refresh": { "atPercent": percent } } })).await;
        self.until(name, "seen in its new generation", |_| true).await;
    }

    /// How often the operator has written a Secret of this namespace since the mark.
    pub fn writes_of(&self, secret: &str, mark: testbed::audit::Mark) -> usize {
        let events = self.cluster.audit().since(&mark).expect("the audit log");
        let by_operator = |event: &testbed::audit::AuditEvent| {
            event.user == User::Operator.name()
                && event.resource == "secrets"
                && event.namespace == self.namespace
                && event.name == secret
                && ["create", "update", "patch", "delete"].contains(&event.verb.as_str())
        };
        events.iter().filter(|event| by_operator(event)).count()
    }

    pub fn mark(&self) -> testbed::audit::Mark {
        self.cluster.audit().mark().expect("the audit log")
    }
}

pub fn keys(secret: &Secret) -> Vec<&str> {
    secret.data.iter().flatten().map(|(key, _)| key.as_str()).collect()
}

pub fn text<'a>(secret: &'a Secret, key: &str) -> Option<&'a str> {
    str::from_utf8(&secret.data.as_ref()?.get(key)?.0).ok()
}

pub fn role(secret: &Secret) -> Option<&str> {
    secret.labels().get("apitoken.dev/role").map(String::as_str)
}
