//! What `try` does with an issuer: the operator's own discovery, with what passes written down.
//!
//! Metadata are public, so the two members that count are shown; of all else only that it is there.

use std::{
    fmt::Write as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{FutureExt, future::BoxFuture};
use k8s_openapi::jiff::Timestamp;
use secrecy::ExposeSecret;

use super::{
    try_input::Trial,
    try_mask::{self, Masks},
};
use crate::{
    api::ProviderKind,
    operator::{
        address::Tenancy,
        discovery::Discovery,
        egress::{Carrier, Egress, Unanswered},
        entry::ProviderKey,
        route::Route,
        tls::TlsMaterial,
    },
    provider::{
        definition::Definition,
        grant::Failure,
        interpret::Reply,
        oauth2::{
            self,
            metadata::{Metadata, places},
        },
        render::Request,
    },
    token::observation::ProviderView,
};

/// Stands for a token endpoint that nobody was asked for.
const NOT_ASKED: &str = "https://token-endpoint.invalid/";
/// More is no issuer and no endpoint.
const MOST_CHARACTERS: usize = 300;

/// The way to the issuer.
struct Watched<'a> {
    egress: &'a Egress,
    seen: Mutex<String>,
    /// At one place already.
    asked: AtomicBool,
}

/// Asks the issuer: what passed, and the definition with its token endpoint.
pub async fn discover(trial: &Trial, egress: &Egress) -> (String, Result<Arc<Definition>, Failure>) {
    let watched = Watched { egress, seen: Mutex::new("\nDiscovery\n".to_owned()), asked: AtomicBool::new(false) };
    let located = Discovery::default().locate(&watched, &route(trial), &Timestamp::now).await;
    (watched.seen.into_inner().unwrap_or_else(PoisonError::into_inner), located)
}

/// What would be asked, and the definition with a stand-in for what would be told.
#[must_use]
pub fn pretend(definition: &Definition) -> (String, Arc<Definition>) {
    let [first, second] = places(&definition.base);
    let text = format!("\nDiscovery\n  GET {first}\n  and, where that is answered with 404,\n  GET {second}\n");
    let located = oauth2::located(definition, NOT_ASKED).expect("invariant: it is https, without a fragment or a user");
    (text, Arc::new(located))
}

/// A line of a shown request, with words for the stand-in.
#[must_use]
pub fn worded(line: &str) -> String {
    line.replace(NOT_ASKED, "(the token_endpoint that the metadata names)")
}

fn route(trial: &Trial) -> Route {
    let key =
        ProviderKey { kind: ProviderKind::ClusterTokenProvider, namespace: None, name: trial.manifest.name.clone() };
    let view = ProviderView {
        definition: Arc::clone(&trial.definition),
        parameters: trial.parameters.clone(),
        fingerprint: String::new(),
    };
    Route { key, view, tls: Arc::new(trial.tls.clone()), tenancy: trial.tenancy, plan: trial.plan.clone() }
}

impl Carrier for Watched<'_> {
    fn carry<'a>(
        &'a self,
        request: Request,
        tls: &'a TlsMaterial,
        tenancy: Tenancy,
        timeout: Duration,
        now: &'a (dyn Fn() -> Timestamp + Sync),
    ) -> BoxFuture<'a, Result<Reply, Unanswered>> {
        if self.asked.swap(true, Ordering::Relaxed) {
            self.note(&[String::new()]);
        }
        self.note(&try_mask::lines(&request, &Masks::default()));
        async move {
            let started = Instant::now();
            let outcome = self.egress.carry(request, tls, tenancy, timeout, now).await;
            if let Ok(reply) = &outcome {
                self.note(&shown(reply, started.elapsed()));
            }
            outcome
        }
        .boxed()
    }
}

impl Watched<'_> {
    fn note(&self, lines: &[String]) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for line in lines {
            let _ = writeln!(seen, "{}", format!("  {line}").trim_end());
        }
    }
}

fn shown(reply: &Reply, took: Duration) -> Vec<String> {
    let size = reply.body.expose_secret().len();
    let mut lines = vec![String::new(), format!("{} after {:.2} s, {size} bytes", reply.status, took.as_secs_f64())];
    if let (200..=299, Ok(metadata)) = (reply.status, Metadata::read(reply.body.expose_secret())) {
        lines.push(format!("issuer:         {}", quoted(&metadata.issuer)));
        lines.push(format!("token_endpoint: {}", quoted(metadata.token_endpoint.as_deref().unwrap_or_default())));
        let alias = metadata.mtls_endpoint_aliases.and_then(|aliases| aliases.token_endpoint);
        lines.extend(alias.map(|alias| format!("for certificates: {}", quoted(&alias))));
    }
    lines
}

/// With nothing in it that a terminal would obey.
fn quoted(text: &str) -> String {
    if text.chars().count() > MOST_CHARACTERS { "(very long)".to_owned() } else { format!("{text:?}") }
}
