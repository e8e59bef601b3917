//! The session: whose it is, and what it holds.

use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use kube::Api;

use super::{ObserveError, version};
use crate::{
    api::{ApiToken, names::SESSION_SECRET_TYPE},
    operator::{
        Operator,
        cluster::{Target, Urgency},
        entry::{Key, SecretRole, TokenEntry},
        index::Known,
        keeper::{Keeper, in_use},
        pass::{Pass, Stored},
        route,
    },
    token::{
        facts::{self, Facts, User},
        observation::{CredentialsView, Seen},
        session::{DOCUMENT_KEY, Session},
    },
};

/// Who uses a session.
enum Use {
    Ours,
    /// Another ApiToken, and it is there.
    Anothers(Key),
    /// Nobody, or an ApiToken that is not in sight any more.
    Free,
}

/// What the index tells of the session into the pass. That another ApiToken uses it stands in the way of the credentials.
pub(super) fn glance(operator: &Operator, pass: &mut Pass, now: Timestamp) {
    let Some(at) = pass.session() else { return };
    if operator.unsaved.has(pass.keeper_uid()) {
        return;
    }
    let Known::There(entry) = operator.index.secret(&at, now) else { return };
    let SecretRole::Session { facts: Some(facts), .. } = &entry.role else { return };
    match used_by(operator, pass, facts) {
        Use::Ours => {
            let mut facts = (**facts).clone();
            operator.unsaved.drop_unsent(pass.keeper_uid(), &mut facts);
            pass.seen.session = Seen::There(facts);
        }
        Use::Anothers(user) => belongs_to(pass, &user),
        // It has to be taken over first.
        Use::Free => {}
    }
}

/// What a quorum read has shown of the session.
pub(super) enum Found {
    /// As it is stored, or not there. What nobody uses any more is among it: see [`is_free`].
    Stored(Box<Stored>),
    /// Another ApiToken uses it.
    Anothers(Key),
    /// Without its credentials nobody knows where it is.
    Nowhere,
}

pub(super) async fn look(operator: &Operator, pass: &Pass, urgency: Urgency) -> Result<Found, ObserveError> {
    let Some(at) = pass.session() else { return Ok(Found::Nowhere) };
    let mut stored = read(operator, pass, &at, urgency).await?;
    operator.unsaved.drop_unsent(pass.keeper_uid(), &mut stored.session.facts);
    if stored.at.is_none() {
        return Ok(Found::Stored(Box::new(stored)));
    }
    let user = match used_by(operator, pass, &stored.session.facts) {
        Use::Ours => None,
        Use::Anothers(user) => Some(user),
        Use::Free => still_there(operator, pass, stored.session.facts.user.as_ref(), urgency).await?,
    };
    Ok(user.map_or_else(|| Found::Stored(Box::new(stored)), Found::Anothers))
}

/// The session as it is stored now, whoever uses it. `None` while nobody knows where it is.
///
/// # Errors
/// When it cannot be read.
pub async fn session_as_stored(operator: &Operator, pass: &Pass) -> Result<Option<Stored>, ObserveError> {
    match pass.session() {
        Some(at) => read(operator, pass, &at, Urgency::Answer).await.map(Some),
        None => Ok(None),
    }
}

/// Whether the session that was read is one that this ApiToken may take over, and has to before it goes on from it.
#[must_use]
pub fn is_free(pass: &Pass) -> bool {
    let ours = |user: &User| user.uid == pass.token.uid;
    let read = pass.stored.as_ref().filter(|stored| stored.at.is_some() && pass.keeper.is_credentials());
    read.is_some_and(|stored| !stored.session.facts.user.as_ref().is_some_and(ours))
}

pub(super) fn belongs_to(pass: &mut Pass, user: &Key) {
    pass.seen.session = Seen::Absent;
    pass.seen.credentials = CredentialsView::Blocked(in_use(&pass.token, user));
}

fn used_by(operator: &Operator, pass: &Pass, facts: &Facts) -> Use {
    let Some(user) = facts.user.as_ref().filter(|_| pass.keeper.is_credentials()) else {
        return if pass.keeper.is_credentials() { Use::Free } else { Use::Ours };
    };
    if user.uid == pass.token.uid {
        return Use::Ours;
    }
    let at = Key::new(&*pass.key.namespace, &*user.name);
    match operator.index.token(&at) {
        Some(token) if token.uid == user.uid && uses(operator, &at, &token, &pass.keeper) => Use::Anothers(at),
        _ => Use::Free,
    }
}

/// Whether an ApiToken names these credentials, and a provider to which they are good for one login.
fn uses(operator: &Operator, key: &Key, token: &TokenEntry, keeper: &Keeper) -> bool {
    let names = token.spec.credentials_ref.as_ref().map(|reference| reference.name.as_str());
    let route = route::resolve(&operator.index, &operator.presets, operator.cluster_providers, key, token);
    // A provider that cannot be used now may be back in a moment.
    let presents = route.map_or(true, |route| route.view.definition.one_time_seed().is_some());
    presents && matches!(keeper, Keeper::Credentials(secret) if names == Some(secret.name.as_str()))
}

/// The user of a session, if it is there after all: a watch can be silent, and must not bring in a second user.
async fn still_there(
    operator: &Operator,
    pass: &Pass,
    user: Option<&User>,
    urgency: Urgency,
) -> Result<Option<Key>, ObserveError> {
    let Some(User { name, uid }) = user else { return Ok(None) };
    let at = Key::new(&*pass.key.namespace, &**name);
    if operator.index.token(&at).is_some_and(|token| token.uid == *uid) {
        // It was seen to use something else.
        return Ok(None);
    }
    let target = Target { verb: "get", resource: "apitokens", namespace: &at.namespace, name };
    let tokens: Api<ApiToken> = Api::namespaced(operator.cluster.client.clone(), &at.namespace);
    match operator.cluster.call(urgency, target, || tokens.get_metadata(name)).await {
        Ok(found) => Ok((found.metadata.uid.as_deref() == Some(uid)).then_some(at)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A quorum read of the session, whoever uses it.
async fn read(operator: &Operator, pass: &Pass, at: &Key, urgency: Urgency) -> Result<Stored, ObserveError> {
    let target = Target { verb: "get", resource: "secrets", namespace: &at.namespace, name: &at.name };
    let secrets: Api<Secret> = Api::namespaced(operator.cluster.client.clone(), &at.namespace);
    let secret = match operator.cluster.call(urgency, target, || secrets.get(&at.name)).await {
        Err(error) if error.is_not_found() => return Ok(Stored { at: None, session: Session::default() }),
        other => other?,
    };
    let uid = pass.keeper.uid(&pass.token);
    let owned = secret.metadata.owner_references.iter().flatten().any(|owner| Some(owner.uid.as_str()) == uid);
    if !owned || secret.type_.as_deref() != Some(SESSION_SECRET_TYPE) {
        return Err(ObserveError::ForeignSession(at.clone()));
    }
    let document = secret.data.as_ref().and_then(|data| data.get(DOCUMENT_KEY)).map(|bytes| bytes.0.as_slice());
    let session = Session::from_document(document).unwrap_or_else(|error| {
        // What cannot be read is worth nothing: the next login writes it anew.
        tracing::warn!(secret = %at, %error, "the session is not usable; logging in again");
        let annotation = secret.metadata.annotations.as_ref().and_then(|all| all.get(facts::ANNOTATION));
        let facts = Facts::from_annotation(annotation.map(String::as_str)).unwrap_or_default();
        // What was spent stays spent.
        Session { facts: Facts { spent: facts.spent, user: facts.user, ..Facts::default() }, ..Session::default() }
    });
    Ok(Stored { at: Some(version(&secret.metadata)), session })
}
