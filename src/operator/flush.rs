//! The last thing before the process ends: answers that are still unsaved are offered to the API server.
//!
//! Writes nothing else. It may do so after leadership is lost, because the write is conditional on the very version that
//! the answer follows from.

use futures::future::join_all;

use super::{Operator, act, cluster::Urgency, entry::Key, observe, pass::Stored, unsaved::Answer};

/// Offers each unsaved answer once. Returns whether none is left.
pub async fn flush(operator: &Operator) -> bool {
    let offers = operator.unsaved.all().into_iter().map(|(uid, answer)| async move {
        if is_settled(operator, &uid, answer).await {
            operator.unsaved.forget(&uid);
        }
    });
    join_all(offers).await;
    operator.unsaved.is_empty()
}

/// It is stored, or it is of no use any more.
async fn is_settled(operator: &Operator, uid: &str, Answer { key, base, session, .. }: Answer) -> bool {
    let Some(mut pass) = observe::glance(operator, &key, operator.now()).filter(|pass| pass.keeper_uid() == uid) else {
        return true;
    };
    pass.stored = Some(Stored { at: base, session: session.clone() });
    match act::store_session(operator, &mut pass, Urgency::Answer, session).await {
        Ok(()) => {
            tracing::info!(namespace = key.namespace, name = key.name, "an answer was stored before the end");
            true
        }
        Err(error) if error.is_not_found() => true,
        Err(error) if error.is_conflict() => !follows(operator, &key, uid).await,
        Err(error) => {
            tracing::warn!(namespace = key.namespace, name = key.name, %error, "an answer is not stored yet");
            false
        }
    }
}

/// Whether the answer still follows from the session as it is now; then it is offered again on that version.
async fn follows(operator: &Operator, key: &Key, uid: &str) -> bool {
    match observe::look(operator, key, false).await {
        Ok(Some(read)) => read.stored.is_some_and(|stored| operator.unsaved.rebase(uid, &stored)),
        Ok(None) => false,
        Err(_) => true,
    }
}
