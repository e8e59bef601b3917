//! Reads, and only reads: first what the index knows, then, where that does not suffice, the objects themselves.

mod credentials;
pub(super) mod output;
mod session;

use std::sync::Arc;

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
    jiff::{SignedDuration, Timestamp},
};
use kube::Api;
use tokio::time::Instant;

use self::session::Found;
use super::{
    Operator,
    cluster::{ApiError, Target, Urgency},
    entry::{Key, SecretRole},
    index::Known,
    keeper::Keeper,
    pass::{Pass, Stored, Version},
    route, tls_reading,
};
use crate::{
    api::ApiToken,
    token::{
        facts::SeenCredentials,
        observation::{CredentialsView, Observation, Seen, TokenView},
    },
};

/// An ApiToken that is as new as this is not looked for before its first login.
const NEW_FOR: SignedDuration = SignedDuration::from_secs(5);

pub use self::session::{is_free, session_as_stored};

/// Why a pass could not find out what it had to know.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error("Secret {0} has the name of a session and is none of ours: delete it, and it is made anew")]
    ForeignSession(Key),
}

/// What the index alone can tell. No request is made. `None`: the ApiToken is gone.
#[must_use]
pub fn glance(operator: &Operator, key: &Key, now: Timestamp) -> Option<Pass> {
    let token = operator.index.token(key)?;
    let route = route::resolve(&operator.index, &operator.presets, operator.cluster_providers, key, &token);
    let (route, provider) = match route {
        Ok(route) => (Some(route.clone()), Ok(route.view)),
        Err(block) => (None, Err(block)),
    };
    let mark = route::spec_mark(&operator.index, key, &token);
    let credentials = credentials::at_a_glance(operator, key, &token, route.as_ref(), now);
    let keeper = Keeper::find(&operator.index, &token, route.as_ref(), &credentials);
    let seen = Observation {
        token: TokenView {
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            uid: token.uid.clone(),
            generation: token.generation,
            created_at: token.created_at,
            deleting: token.deleting,
            spec: Arc::clone(&token.spec),
            refresh_requested: token.refresh_requested.clone(),
            spec_mark: mark.mark,
            spec_seen_at: mark.seen_at,
        },
        provider,
        credentials,
        session: Seen::Unknown,
        output: output::at_a_glance(operator, key, &token, route.as_ref(), now),
        rejection: None,
        accepted: false,
        interrupted: None,
        spent_elsewhere: false,
        last_errand: operator.errands.last(&token.uid),
    };
    let mut pass =
        Pass { key: key.clone(), token, route, seen, at: now, keeper, stored: None, credentials: None, read_at: None };
    session::glance(operator, &mut pass, now);
    remember_rejection(operator, &mut pass);
    Some(pass)
}

/// When the token expires that the session in the index holds; `None` where that is over, or nothing is known.
#[must_use]
pub fn expiry(operator: &Operator, key: &Key, now: Timestamp) -> Option<Timestamp> {
    let token = operator.index.token(key)?;
    let keeper = match operator.index.kept_for(&token.uid) {
        None => Keeper::Token,
        // Or it has kept it: the provider may be another by now.
        Some(_) => glance(operator, key, now)?.keeper,
    };
    let at = keeper.session(key, &token)?;
    let Known::There(entry) = operator.index.secret(&at, now) else { return None };
    let SecretRole::Session { facts: Some(facts), .. } = &entry.role else { return None };
    facts.issued.as_ref().map(|issued| issued.expires_at).filter(|at| now < *at)
}

/// Reads what a decision or a request needs: the session by a quorum GET, the credentials if they are wanted or were
/// not read yet, the output's metadata if the index does not know it.
///
/// # Errors
/// When a read fails; nothing was changed.
pub async fn look(operator: &Operator, key: &Key, wants_credentials: bool) -> Result<Option<Pass>, ObserveError> {
    if let Some(token) = operator.index.token(key) {
        tls_reading::refresh(operator, &token.provider(key), Urgency::Renewal).await?;
    }
    // Not before: what that has found is part of what is looked at.
    let now = operator.now();
    let Some(mut pass) = glance(operator, key, now) else { return Ok(None) };
    if pass.keeper == Keeper::Unknown {
        find_keeper(operator, &mut pass, now).await?;
    }
    let unread = pass.credentials.is_none()
        && matches!(pass.seen.credentials, CredentialsView::Unknown | CredentialsView::There { .. })
        && (wants_credentials || pass.seen.credentials_content().is_none());
    let urgency = pass.urgency();
    let (found, credentials, output) = tokio::join!(
        session::look(operator, &pass, urgency),
        async {
            match &pass.route {
                Some(route) if unread => credentials::read(operator, &pass, route, now).await.map(Some),
                _ => Ok(None),
            }
        },
        async {
            match pass.seen.output.secret {
                Seen::Unknown => output::read(operator, &pass).await.map(Some),
                _ => Ok(None),
            }
        },
    );
    if let Some((view, content)) = credentials? {
        pass.seen.credentials = view;
        pass.credentials = content;
    }
    if let Some(secret) = output? {
        pass.seen.output.secret = secret;
    }
    match found? {
        Found::Stored(stored) => {
            let is_new = now.duration_since(pass.token.created_at) < NEW_FOR;
            if stored.at.is_none() && !is_new && !is_there(operator, &pass, urgency).await? {
                operator.index.remove_token(key, &pass.token.uid);
                return Ok(None);
            }
            take_in(operator, &mut pass, *stored);
        }
        Found::Anothers(user) => session::belongs_to(&mut pass, &user),
        Found::Nowhere => pass.seen.session = Seen::Absent,
    }
    pass.read_at = Some(Instant::now());
    remember_rejection(operator, &mut pass);
    Ok(Some(pass))
}

fn take_in(operator: &Operator, pass: &mut Pass, stored: Stored) {
    if let Some(failure) = &stored.session.facts.login_failure
        && !pass.keeper.is_credentials()
    {
        // The leader before may have written it when the index did not know it yet.
        operator.rejections.recall(failure, &pass.key);
    }
    if pass.seen.output.plan.is_none() {
        pass.seen.output.plan = output::plan_from_session(pass, &stored);
    }
    pass.seen.session = if stored.at.is_some() { Seen::There(stored.session.facts.clone()) } else { Seen::Absent };
    pass.stored = Some(stored);
}

/// Only the credentials themselves tell where the session is that belongs to them.
async fn find_keeper(operator: &Operator, pass: &mut Pass, now: Timestamp) -> Result<(), ObserveError> {
    fetch_credentials(operator, pass, now).await?;
    pass.keeper = Keeper::find(&operator.index, &pass.token, pass.route.as_ref(), &pass.seen.credentials);
    Ok(())
}

/// Whether the ApiToken that the index knows exists. Where its watch is silent and it was deleted, its session is gone,
/// too, and each login for it would be in vain: what is stored for it is removed with it.
async fn is_there(operator: &Operator, pass: &Pass, urgency: Urgency) -> Result<bool, ObserveError> {
    let Key { namespace, name } = &pass.key;
    let target = Target { verb: "get", resource: "apitokens", namespace, name };
    let tokens: Api<ApiToken> = Api::namespaced(operator.cluster.client.clone(), namespace);
    match operator.cluster.call(urgency, target, || tokens.get_metadata(name)).await {
        Ok(found) => Ok(found.metadata.uid.as_deref() == Some(&pass.token.uid)),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Looks up what is remembered of these credentials, by whichever ApiToken they were tried.
pub fn remember_rejection(operator: &Operator, pass: &mut Pass) {
    let Some(route) = &pass.route else { return };
    let Some(content) = pass.seen.credentials_content() else { return };
    let origin = route.view.definition.origin().to_string();
    let interrupted = operator.rejections.interrupted(&route.view.fingerprint, &content.fingerprint);
    let accepted = operator.rejections.is_accepted(&origin, &content.fingerprint);
    let rejection = operator.rejections.of(&origin, &content.fingerprint, &pass.key);
    let spent_elsewhere = is_spent_elsewhere(operator, pass, content);
    pass.seen.rejection = rejection;
    pass.seen.interrupted = interrupted;
    pass.seen.spent_elsewhere = spent_elsewhere;
    pass.seen.accepted = accepted;
}

/// Whether the refresh token of the credentials was presented for the session of another Secret.
fn is_spent_elsewhere(operator: &Operator, pass: &Pass, content: &SeenCredentials) -> bool {
    let Some(seed) = content.seed.as_ref().filter(|_| pass.is_good_for_one_login()) else { return false };
    let spent_here = pass.seen.facts().is_some_and(|facts| facts.has_spent(seed));
    !spent_here && pass.session().is_some_and(|own| operator.index.has_spent(seed, &own))
}

/// Whether what the pass has read is still what the index knows: nobody has written any of it since.
#[must_use]
pub fn is_current(operator: &Operator, pass: &Pass) -> bool {
    let now = operator.now();
    let same = |at: Key, uid: &str, resource_version: &str| match operator.index.secret(&at, now) {
        Known::There(entry) => entry.uid == uid && entry.resource_version == resource_version,
        Known::Absent(_) | Known::Unknown => false,
    };
    let token = operator.index.token(&pass.key);
    let token = token.is_some_and(|token| token.uid == pass.token.uid && token.version == pass.token.version);
    let specs = route::spec_mark(&operator.index, &pass.key, &pass.token).mark == pass.seen.token.spec_mark;
    let session = match pass.stored.as_ref().map(|stored| &stored.at) {
        Some(Some(at)) => pass.session().is_some_and(|key| same(key, &at.uid, &at.resource_version)),
        Some(None) => pass.session().is_some_and(|key| !matches!(operator.index.secret(&key, now), Known::There(_))),
        None => false,
    };
    let credentials = match (&pass.seen.credentials, &pass.token.spec.credentials_ref) {
        (CredentialsView::There { uid, resource_version, .. }, Some(reference)) => {
            same(Key::new(&*pass.key.namespace, &*reference.name), uid, resource_version)
        }
        (CredentialsView::NotNeeded, _) => true,
        _ => false,
    };
    token && specs && session && credentials
}

/// Reads the credentials into a pass that can no longer be read anew: its refresh was refused, and a login follows.
///
/// # Errors
/// When the read fails.
pub async fn fetch_credentials(operator: &Operator, pass: &mut Pass, now: Timestamp) -> Result<(), ObserveError> {
    let Some(route) = pass.route.clone() else { return Ok(()) };
    let (view, content) = credentials::read(operator, pass, &route, now).await?;
    pass.seen.credentials = view;
    pass.credentials = content;
    remember_rejection(operator, pass);
    Ok(())
}

pub(super) fn version(metadata: &ObjectMeta) -> Version {
    Version {
        uid: metadata.uid.clone().unwrap_or_default(),
        resource_version: metadata.resource_version.clone().unwrap_or_default(),
    }
}
