//! What credentials that are good for one login change about a request and its answer.
//!
//! The refresh token in them is presented once. What the server made of it, if that is not a token, is final: no answer at
//! all, and each answer but a good one, counts as spent. Only what is known never to have been sent is tried again.

use secrecy::ExposeSecret;

use super::{
    Operator, act,
    cluster::Urgency,
    observe,
    pass::{Pass, Stored},
    unsaved::Basis,
};
use crate::{
    api::{
        http::{FailureClass, Operation},
        reasons,
    },
    provider::{definition::Definition, grant::Grant, values::Credentials},
    token::{
        facts::{FailureRecord, User},
        session::Session,
    },
};

/// Whether what this request presents must never be presented twice.
#[must_use]
pub fn presents_once(definition: &Definition, operation: Operation) -> bool {
    match operation {
        Operation::Login => definition.one_time_seed().is_some(),
        Operation::Refresh => definition.refreshes_once(),
    }
}

/// The hash of what a login is about to present.
#[must_use]
pub fn about_to_be_spent(pass: &Pass, operation: Operation) -> Option<String> {
    let presented = operation == Operation::Login && pass.is_good_for_one_login();
    pass.seen.credentials_content()?.seed.clone().filter(|_| presented)
}

/// The session with the name of the ApiToken that uses it from now on, where it belongs to credentials.
#[must_use]
pub fn used_by_us(pass: &Pass, mut session: Session) -> Session {
    if pass.keeper.is_credentials() {
        session.facts.user = Some(User { name: pass.key.name.clone(), uid: pass.token.uid.clone() });
    }
    session
}

/// A server that gives back the refresh token of the credentials has given none: it was presented already.
#[must_use]
pub fn without_seed(mut grant: Grant, definition: &Definition, credentials: &Credentials) -> Grant {
    let seed = definition.one_time_seed().and_then(|key| credentials.get(key)).map(ExposeSecret::expose_secret);
    grant.refresh_token = grant.refresh_token.filter(|token| Some(token.expose_secret()) != seed);
    grant
}

/// The record of a failure after which somebody has to consent anew.
#[must_use]
pub fn for_good(record: FailureRecord) -> FailureRecord {
    FailureRecord { class: FailureClass::Rejected, reason: reasons::CREDENTIALS_REJECTED.to_owned(), ..record }
}

/// The request that was announced is not made after all. Whoever leads next would find the intent, take a consent for
/// spent, and nobody could log in: what is known here is worth as much as an answer.
pub async fn take_back(operator: &Operator, pass: &mut Pass) {
    let announced = |stored: &&Stored| pass.is_good_for_one_login() && stored.session.facts.intent.is_some();
    let Some(mut session) = pass.stored.as_ref().filter(announced).map(|stored| stored.session.clone()) else { return };
    session.facts.drop_intent();
    if let Err(error) = act::store_session(operator, pass, Urgency::Answer, session).await {
        tracing::warn!(token = %pass.key, %error, "a request was announced and not made, which could not be stored");
    }
}

/// After a conflict: whether no more has happened to the session than that another ApiToken has taken it over while the
/// provider was asked. Then the answer is the new user's.
pub async fn was_taken_over(operator: &Operator, pass: &mut Pass, basis: &Basis, answer: &mut Session) -> bool {
    if !pass.keeper.is_credentials() {
        return false;
    }
    let uid = |stored: &Stored| stored.at.as_ref().map(|at| at.uid.clone());
    let before = pass.stored.as_ref().and_then(uid);
    match observe::session_as_stored(operator, pass).await {
        Ok(Some(read)) if uid(&read) == before && Basis::of(&read.session.facts) == *basis => {
            answer.facts.user.clone_from(&read.session.facts.user);
            pass.stored = Some(read);
            true
        }
        _ => false,
    }
}
