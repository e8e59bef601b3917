//! Every reason with its three conditions, as docs/status.md promises them.

use std::{collections::BTreeSet, time::Duration};

use apitoken_operator::api::{ApiToken, reasons};
use kube::api::DeleteParams;
use serde_json::{Value, json};
use testbed::vendors::{Damage, Fault, On, Palette};

use crate::{
    scene::{ACCOUNT, LOGIN, Scene},
    world::{World, condition, ready, repository},
};

/// Reason, Ready, Reconciling, Stalled.
type Row = [String; 4];

fn documented() -> Vec<Row> {
    let page = std::fs::read_to_string(repository().join("docs/status.md")).expect("docs/status.md");
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows = page.lines().filter(|line| line.starts_with("| ")).map(cells);
    let rows = rows.filter(|cells| !matches!(cells[1].as_str(), "Reason" | "---"));
    rows.map(|cells| [cells[1].clone(), cells[2].clone(), cells[3].clone(), cells[4].clone()]).collect()
}

fn reported(token: &ApiToken) -> Row {
    let all = ["Ready", "Reconciling", "Stalled"].map(|kind| condition(token, kind).expect(kind));
    assert!(all.iter().all(|one| one.reason == all[0].reason), "the conditions disagree: {all:?}");
    assert!(all.iter().all(|one| one.observed_generation == token.metadata.generation));
    [all[0].reason.clone(), all[0].status.clone(), all[1].status.clone(), all[2].status.clone()]
}

#[test]
fn the_page_documents_every_reason_in_the_order_of_the_code() {
    let mut names: Vec<_> = documented().into_iter().map(|row| row[0].clone()).collect();
    names.dedup();
    assert_eq!(names, reasons::ALL);
}

/// An ApiToken for each row: its name, and the row's reason and Ready.
struct Drive {
    world: World,
    vendors: Vec<Palette>,
    driven: Vec<(&'static str, &'static str, &'static str)>,
}

impl Drive {
    /// A vendor of its own with this fault, and a provider for it.
    async fn at(&mut self, name: &'static str, fault: Option<Fault>) -> Value {
        let palette = Palette::start(&self.world.ca).expect("Palette");
        palette.add_account(ACCOUNT, "correct");
        if let Some(fault) = fault {
            palette.fail_always(On::Login, fault);
        }
        let spec =
            json!({ "preset": "Palette", "url": palette.base_url(), "tls": { "caBundle": self.world.ca.pem() } });
        let provider = self.world.provider(name, spec).await;
        self.vendors.push(palette);
        json!({ "providerRef": { "name": provider }, "credentialsRef": { "name": LOGIN } })
    }

    async fn token(&mut self, name: &'static str, reason: &'static str, value: &'static str, spec: Value) {
        self.world.token_with(name, spec).await;
        self.driven.push((name, reason, value));
    }

    async fn providers(&mut self) {
        let good = self.at("good", None).await;
        self.token("issued", "Issued", "True", good.clone()).await;
        let mut suspended = good.clone();
        suspended["suspend"] = json!(true);
        self.token("suspended", "Suspended", "False", suspended).await;
        self.token("unfounded", "ProviderNotFound", "False", json!({ "providerRef": { "name": "nowhere" } })).await;
        let closed =
            json!({ "preset": "Palette", "allowedNamespaces": { "selector": { "matchLabels": { "no": "body" } } } });
        let closed = self.world.provider("closed", closed).await;
        self.token("closed", "ProviderNotAllowed", "False", json!({ "providerRef": { "name": closed } })).await;
        let wrong = self.world.provider("wrong", json!({ "preset": "Palet" })).await;
        self.token("wrong", "ProviderInvalid", "False", json!({ "providerRef": { "name": wrong } })).await;
        let without_url = json!({ "providerRef": { "kind": "Preset", "name": "Vault" } });
        self.token("without-url", "ProviderInvalid", "False", without_url).await;
        let limited = self.at("limited", Some(Fault::rate_limited("30"))).await;
        self.token("limited", "RateLimited", "False", limited).await;
        let away = self.at("away", Some(Fault::status(503))).await;
        self.token("away", "ProviderUnavailable", "False", away).await;
        let tokenless = self.at("tokenless", Some(Fault::Token(Damage::Missing))).await;
        self.token("tokenless", "ResponseInvalid", "False", tokenless).await;
        self.world.secret("conflict", None, &[("theirs", "precious")]).await;
        self.token("conflict", "OutputConflict", "False", good).await;
    }

    async fn credentials(&mut self) {
        let mut spec = self.at("strict", None).await;
        let of = |spec: &mut Value, name: &str| {
            spec["credentialsRef"]["name"] = json!(name);
            spec.clone()
        };
        self.token("missing", "CredentialsNotFound", "False", of(&mut spec, "nowhere")).await;
        self.world.secret("private", None, &[("emailId", ACCOUNT), ("password", "correct")]).await;
        self.token("private-login", "CredentialsNotLabelled", "False", of(&mut spec, "private")).await;
        self.world.credentials("half", &[("emailId", ACCOUNT)]).await;
        self.token("half-login", "CredentialsIncomplete", "False", of(&mut spec, "half")).await;
        self.world.credentials("wrong-login", &[("emailId", ACCOUNT), ("password", "wrong")]).await;
        self.token("rejected", "CredentialsRejected", "False", of(&mut spec, "wrong-login")).await;
    }

    /// Those that had a token before.
    async fn with_a_past(&mut self) {
        let spec = self.at("short", None).await;
        let vendor = self.vendors.last().expect("a vendor");
        vendor.script(|script| script.lifetime = Duration::from_secs(8));
        self.world.token_with("expired", spec).await;
        self.world.ready("expired").await;
        vendor.fail_always(On::Both, Fault::status(503));
        self.driven.push(("expired", "TokenExpired", "False"));

        let spec = self.at("long", None).await;
        self.world.token_with("resting", spec.clone()).await;
        self.world.ready("resting").await;
        self.world.edit_token("resting", json!({ "spec": { "suspend": true } })).await;
        self.driven.push(("resting", "Suspended", "True"));

        // The garbage collector cannot remove an output that somebody holds with a finalizer.
        self.world.token_with("again", spec.clone()).await;
        self.world.ready("again").await;
        self.world.patch_secret("again", json!({ "metadata": { "finalizers": ["example.com/held"] } })).await;
        self.world.tokens().delete("again", &DeleteParams::default()).await.expect("deleted");
        self.token("again", "Pending", "False", spec).await;
    }
}

#[tokio::test]
async fn every_reason_comes_with_the_conditions_that_the_page_promises() {
    let world = World::new().await;
    world.credentials(LOGIN, &[("emailId", ACCOUNT), ("password", "correct")]).await;
    let mut drive = Drive { world, vendors: Vec::new(), driven: Vec::new() };
    drive.with_a_past().await;
    drive.providers().await;
    drive.credentials().await;
    let mut seen = BTreeSet::new();
    for (name, reason, value) in &drive.driven {
        let what = format!("{reason} with Ready={value}");
        let holds = |token: &ApiToken| ready(token).is_some_and(|one| one.reason == *reason && one.status == *value);
        let token = drive.world.until(name, &what, holds).await;
        assert!(!ready(&token).expect("Ready").message.is_empty(), "{name} has nothing to say");
        seen.insert(reported(&token));
    }
    assert_eq!(seen, documented().into_iter().collect());
    drive.world.patch_secret("again", json!({ "metadata": { "finalizers": null } })).await;
    drive.world.ready("again").await;
}

/// How kstatus reads an object of a kind that it does not know.
fn reads_current(token: &ApiToken) -> bool {
    let says = |kind: &str, value: &str| condition(token, kind).is_some_and(|one| one.status == value);
    let observed = token.status.as_ref().and_then(|status| status.observed_generation);
    observed.is_none_or(|observed| Some(observed) == token.metadata.generation)
        && !says("Reconciling", "True")
        && !says("Stalled", "True")
        && !says("Ready", "False")
        && !says("Ready", "Unknown")
}

#[tokio::test]
async fn kstatus_never_takes_an_apitoken_for_done_before_it_has_its_token() {
    let mut scene = Scene::new().await;
    scene.world.stop_operator().await;
    let made = scene.world.token("clusters", &scene.provider, LOGIN).await;
    assert!(!reads_current(&made));
    scene.palette.fail_next(On::Login, Fault::status(503));
    scene.world.start_operator().await;
    let waits = scene.world.not_ready("clusters", "ProviderUnavailable").await;
    assert!(!reads_current(&waits));
    let done = scene.world.ready("clusters").await;
    assert!(reads_current(&done));
    let edited = scene.world.edit_token("clusters", json!({ "spec": { "providerRef": { "name": "nowhere" } } })).await;
    assert!(!reads_current(&edited), "a new generation was not looked at yet");
}
