//! A customer of each vendor: an account there, the credentials Secret here, and a consumer of the output.
//!
//! Judges outputs by what the vendor knows of its tokens, never by what the operator says.

use std::{collections::BTreeMap, time::Duration};

use kube::Api;
use serde_json::{Value, json};
use testbed::{
    outputs::{OutputWatcher, Version},
    vendors::{Consumer, Exchange, Operation, Palette, Tenovos, Token, Virtana, consumer::Call},
};

use crate::world::{World, operator_binary, repository};

pub const PALETTE_USER: &str = "ops@example.com";
pub const TENOVOS_USER: &str = "media";
pub const TENOVOS_KEY: &str = "key-1";
pub const VIRTANA_CLIENT: &str = "client";

/// Renewed after 5 s, the youngest age at which the operator renews, and valid for long enough after that.
pub const LIFETIME: Duration = Duration::from_secs(12);
const AT_PERCENT: i32 = 40;

/// For a story of twenty renewals on a loaded machine.
pub const PATIENCE_FOR_MANY: Duration = Duration::from_secs(300);
/// How often a consumer calls.
const CALLS_EVERY: Duration = Duration::from_millis(100);

impl World {
    /// The credentials Secret of each vendor's customer.
    pub async fn logins(&self) {
        self.credentials("palette-login", &[("emailId", PALETTE_USER), ("password", "correct")]).await;
        let tenovos = [("username", TENOVOS_USER), ("password", "correct"), ("apiKey", TENOVOS_KEY)];
        self.credentials("tenovos-login", &tenovos).await;
        self.credentials("virtana-login", &[("clientId", VIRTANA_CLIENT), ("clientSecret", "secret")]).await;
    }

    pub fn palette(&self) -> Palette {
        let palette = Palette::start(&self.ca).expect("Palette");
        palette.add_account(PALETTE_USER, "correct");
        palette.script(|script| script.lifetime = LIFETIME);
        palette
    }

    pub fn tenovos(&self) -> Tenovos {
        let tenovos = Tenovos::start(&self.ca).expect("Tenovos");
        tenovos.add_account(TENOVOS_USER, "correct", TENOVOS_KEY);
        tenovos.script(|script| script.lifetime = LIFETIME);
        tenovos
    }

    pub fn virtana(&self) -> Virtana {
        let virtana = Virtana::start(&self.ca).expect("Virtana");
        virtana.add_account(VIRTANA_CLIENT, "secret");
        virtana.script(|script| script.lifetime = LIFETIME);
        virtana
    }

    /// An ApiToken that is renewed early, so that a loaded machine has time to spare. Returns when it is Ready.
    pub async fn early_token(&self, name: &str, provider: &str, credentials: &str) {
        self.early_token_soon(name, provider, credentials).await;
        self.ready(name).await;
    }

    /// The same without waiting. Returns the uid.
    pub async fn early_token_soon(&self, name: &str, provider: &str, credentials: &str) -> String {
        let spec = json!({
            "providerRef": { "name": provider },
            "credentialsRef": { "name": credentials },
            "refresh": { "atPercent": AT_PERCENT },
        });
        self.token_with(name, spec).await.metadata.uid.expect("a uid")
    }

    /// A definition as people copy it, with this vendor's address in it and changed by `change`.
    pub async fn copied(&self, name: &str, mut manifest: Value, url: &str, change: impl FnOnce(&mut Value)) -> String {
        manifest["spec"]["url"] = json!(url);
        manifest["spec"]["tls"] = json!({ "caBundle": self.ca.pem() });
        change(&mut manifest["spec"]);
        self.provider(name, manifest["spec"].take()).await
    }

    /// A ClusterTokenProvider with a preset, where a story has several of the same.
    pub async fn preset_named(&self, name: &str, preset: &str, url: &str) -> String {
        let spec = json!({ "preset": preset, "url": url, "tls": { "caBundle": self.ca.pem() } });
        self.provider(name, spec).await
    }

    /// A pod that calls the vendor with what stands in the output.
    pub fn consumer(&self, output: &str, call: Call) -> Consumer {
        let (secrets, name) = (self.secrets(), output.to_owned());
        Consumer::start(call, CALLS_EVERY, move || {
            let (secrets, name) = (secrets.clone(), name.clone());
            async move { read(&secrets, &name).await }
        })
    }

    pub async fn watch(&self, output: &str) -> OutputWatcher {
        OutputWatcher::start(self.client.clone(), &self.namespace, output).await.expect("the output is watched")
    }
}

async fn read(secrets: &Api<k8s_openapi::api::core::v1::Secret>, name: &str) -> Option<BTreeMap<String, String>> {
    let data = secrets.get_opt(name).await.ok()??.data?;
    data.into_iter().map(|(key, value)| Some((key, String::from_utf8(value.0).ok()?))).collect()
}

/// What `apitoken-operator preset NAME` prints.
pub fn printed_preset(name: &str) -> Value {
    let output =
        std::process::Command::new(operator_binary()).args(["preset", name]).output().expect("the binary runs");
    let yaml = String::from_utf8(output.stdout).expect("text");
    serde_saphyr::from_str(&yaml).expect("a manifest")
}

/// A manifest of `examples/providers`.
pub fn example(file: &str) -> Value {
    let path = repository().join("examples/providers").join(file);
    serde_saphyr::from_str(&std::fs::read_to_string(path).expect("the example is there")).expect("a manifest")
}

/// No version held an expired token, nor one older than that of the version before, and none stayed until it expired.
///
/// # Panics
/// If one did.
#[track_caller]
pub fn assert_never_stale(versions: &[Version], key: &str, known: impl Fn(&str) -> Option<Token>) {
    let mut before: Option<Token> = None;
    for version in versions {
        assert!(!version.deleted, "the output was deleted");
        let text = version.text(key).expect("the output has its key");
        let token = known(text).expect("the output holds a token of the vendor");
        let expired = |token: &Token| token.expires_at.is_some_and(|at| at <= version.seen_at);
        assert!(!expired(&token), "version {} held an expired token", version.resource_version);
        if let Some(before) = before {
            assert!(token.serial >= before.serial, "version {} held an older token", version.resource_version);
            assert!(!expired(&before), "a token stayed in the output until it expired: {before:?}");
        }
        before = Some(token);
    }
}

/// The consumer was served, and never refused.
///
/// # Panics
/// If not.
#[track_caller]
pub fn assert_always_served(consumer: Consumer) {
    let counts = consumer.stop();
    assert!(counts.accepted > 0, "the consumer was never served: {counts:?}");
    assert!(counts.refused.is_empty() && counts.unanswered.is_empty(), "the consumer was not served: {counts:?}");
    assert_eq!(counts.without_token, 0, "the consumer found no token");
}

/// So many refreshes were answered with tokens.
pub fn refreshed(exchanges: &[Exchange], times: usize) -> bool {
    let good = |exchange: &&Exchange| exchange.operation == Operation::Refresh && exchange.status == Some(200);
    exchanges.iter().filter(good).count() >= times
}

/// Waits until a consumer that has just begun was served this often.
pub async fn served(consumer: &Consumer, times: u64) {
    testbed::eventually::await_until("calls that the vendor accepts", crate::world::PATIENCE, async || {
        let counts = consumer.counts();
        if counts.accepted >= times { Ok(()) } else { Err(format!("{counts:?}")) }
    })
    .await;
}
