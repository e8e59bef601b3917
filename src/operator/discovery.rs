//! From an issuer to its token endpoint.
//!
//! Asks through egress, as every request does, and keeps what it was told for a while. It is done before an intent is
//! recorded: where it fails, nothing was sent to any token endpoint, and no login is spent.

mod known;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use http::{Method, header};
use k8s_openapi::jiff::Timestamp;
use secrecy::ExposeSecret;
use tokio::time::Instant;

use self::known::Known;
use super::{egress::Carrier, entry::ProviderKey, route::Route, tls::Identity};
use crate::{
    api::http::FailureClass,
    provider::{
        definition::{Definition, Issuer},
        grant::Failure,
        interpret::{Reply, retry_after},
        oauth2::{
            self,
            metadata::{self, Metadata, MetadataFault},
        },
        render::Request,
    },
};

/// Token endpoints by provider and issuer: each provider is told by those whom its own TLS trusts, and none believes
/// what another was told.
#[derive(Default)]
pub struct Discovery {
    issuers: Mutex<HashMap<Asked, Arc<tokio::sync::Mutex<Known>>>>,
}

#[derive(PartialEq, Eq, Hash)]
struct Asked {
    provider: ProviderKey,
    issuer: String,
    trust: (Option<Identity>, Option<Identity>),
}

impl Discovery {
    /// The definition with its token endpoint; without an issuer it has one already. One request is in flight for an
    /// issuer: who comes meanwhile waits for its outcome.
    ///
    /// # Errors
    /// Transient, with what to do: there is no metadata, or it cannot be used. As [`egress`](super::egress) says where
    /// the request may not be sent.
    pub async fn locate(
        &self,
        egress: &dyn Carrier,
        route: &Route,
        now: &(dyn Fn() -> Timestamp + Sync),
    ) -> Result<Arc<Definition>, Failure> {
        let definition = &route.view.definition;
        let Some(issuer) = &definition.issuer else { return Ok(Arc::clone(definition)) };
        let came = Instant::now();
        let known = self.known(route, issuer);
        let mut known = known.lock().await;
        let told = if let Some(answer) = known.answer(came) {
            answer
        } else {
            let found = ask(egress, route, issuer, now).await;
            known.learn(found, Instant::now(), &route.key)
        };
        let located = oauth2::located(definition, &told?).map(Arc::new);
        located.map_err(|fault| unusable(None, &MetadataFault::Endpoint(fault)))
    }

    /// What came of a request to a token endpoint that was told by an issuer. Where it is not there (any more), the
    /// issuer is asked again before the next request, and nobody's credentials or session count as refused. `bool`:
    /// there was nobody to take what was presented, and it may be presented again.
    #[must_use]
    pub fn judge(&self, route: &Route, failure: Failure) -> (Failure, bool) {
        let Some(issuer) = &route.view.definition.issuer else { return (failure, false) };
        let not_there = matches!(failure.status, Some(404 | 405 | 410));
        let elsewhere = failure.class == FailureClass::Transient && matches!(failure.status, None | Some(300..=399));
        if not_there || elsewhere {
            // Locked: somebody asks at this moment.
            if let Ok(mut known) = self.known(route, issuer).try_lock() {
                known.doubt();
            }
        }
        if !not_there {
            return (failure, false);
        }
        let message = format!(
            "{}: the issuer's metadata names an endpoint that is not there; it is asked again",
            failure.message
        );
        (Failure { class: FailureClass::Transient, message, ..failure }, true)
    }

    /// Forgets what a provider was told, when the provider is gone.
    pub fn forget(&self, provider: &ProviderKey) {
        self.lock().retain(|asked, _| asked.provider != *provider);
    }

    fn known(&self, route: &Route, issuer: &Issuer) -> Arc<tokio::sync::Mutex<Known>> {
        let asked = Asked { provider: route.key.clone(), issuer: issuer.url.clone(), trust: route.tls.identities() };
        let mut issuers = self.lock();
        if let Some(known) = issuers.get(&asked) {
            return Arc::clone(known);
        }
        // Another issuer, or other authorities: what the provider was told before means nothing now.
        issuers.retain(|other, _| other.provider != asked.provider);
        Arc::clone(issuers.entry(asked).or_default())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Asked, Arc<tokio::sync::Mutex<Known>>>> {
        self.issuers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token endpoint as an issuer's metadata names it.
async fn ask(
    egress: &dyn Carrier,
    route: &Route,
    issuer: &Issuer,
    now: &(dyn Fn() -> Timestamp + Sync),
) -> Result<String, Failure> {
    let definition = &route.view.definition;
    let mut refused = None;
    for place in metadata::places(&definition.base) {
        let sent = egress.carry(request(&place), &route.tls, route.tenancy, definition.limits.timeout, now);
        let reply = sent.await.map_err(|unanswered| {
            let message = format!("discovery failed, and nothing was sent to a token endpoint: {unanswered}");
            Failure::without_answer(unanswered.class(), message)
        })?;
        if let 200..=299 = reply.status {
            return read(issuer, definition, &reply);
        }
        let found_nothing = reply.status == 404;
        refused = Some(reply);
        if !found_nothing {
            break;
        }
    }
    Err(unanswered(refused.as_ref()))
}

fn request(place: &str) -> Request {
    let headers = vec![(header::ACCEPT, "application/json".into())];
    Request { method: Method::GET, url: place.into(), headers, body: None }
}

/// What a good reply tells; a URL that is no token endpoint tells nothing.
fn read(issuer: &Issuer, definition: &Definition, reply: &Reply) -> Result<String, Failure> {
    let told = Metadata::read(reply.body.expose_secret()).and_then(|metadata| metadata.token_endpoint(issuer));
    let told = told.and_then(|url| oauth2::located(definition, &url).map(|_| url).map_err(Into::into));
    told.map_err(|fault| unusable(Some(reply.status), &fault))
}

/// No place has metadata.
fn unanswered(refused: Option<&Reply>) -> Failure {
    let status = refused.map(|reply| reply.status);
    let answered = status.map(|status| format!(" with HTTP {status}")).unwrap_or_default();
    let message = format!(
        "discovery was answered{answered}, and nothing was sent to a token endpoint: correct oauth2.issuer, or write \
         oauth2.tokenURL if the server has no metadata"
    );
    let retry_after = refused.and_then(retry_after);
    Failure { class: FailureClass::Transient, reason: None, status, message, retry_after }
}

fn unusable(status: Option<u16>, fault: &MetadataFault) -> Failure {
    let message = format!("discovery failed, and nothing was sent to a token endpoint: the issuer's metadata {fault}");
    Failure { class: FailureClass::Transient, reason: None, status, message, retry_after: None }
}
