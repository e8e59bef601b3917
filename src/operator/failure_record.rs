//! What is remembered of an attempt that brought no token: its class, when to try again, and what to tell people.

use k8s_openapi::jiff::Timestamp;

use super::{Operator, pass::Pass, route::Route};
use crate::{
    api::{
        http::{FailureClass, Operation},
        reasons,
    },
    provider::grant::Failure,
    token::{
        facts::FailureRecord,
        observation::CredentialsView,
        schedule::{self, Attempt},
    },
};

/// The record of a failed attempt, with when to try again.
pub fn record_of(
    operator: &Operator,
    pass: &Pass,
    route: &Route,
    operation: Operation,
    failure: &Failure,
) -> FailureRecord {
    // The API server keeps whole seconds; a fraction would make every comparison with it fail.
    let now = schedule::whole_seconds(operator.now());
    let blank = blank_record(pass, route);
    let facts = pass.seen.facts();
    let same = |old: &&FailureRecord| {
        old.class == failure.class && old.credentials_fingerprint == blank.credentials_fingerprint
    };
    let before = facts.and_then(|facts| facts.failure(operation)).filter(same).map_or(0, |old| old.count);
    let before = pass.seen.rejection.as_ref().map_or(before, |rejection| before.max(rejection.count));
    let count = before.saturating_add(1);
    let attempt = Attempt {
        class: failure.class,
        count,
        now,
        expires_at: facts.and_then(|facts| facts.issued.as_ref()).map(|issued| issued.expires_at),
        retry_after: failure.retry_after.map(|wait| wait.as_secs()),
        uid: &pass.token.uid,
    };
    FailureRecord {
        class: failure.class,
        count,
        at: now,
        next_at: schedule::next_attempt(&attempt),
        reason: reason_of(failure.class).to_owned(),
        message: explained(pass, failure),
        ..blank
    }
}

/// The failure in words, with the remedy, and the commonest mistake if it may have been made.
fn explained(pass: &Pass, failure: &Failure) -> String {
    let mut message = match &failure.reason {
        Some(reason) => format!("{reason}: {}", failure.message),
        None => failure.message.clone(),
    };
    if failure.class == FailureClass::Rejected && !pass.is_good_for_one_login() {
        // No name: other ApiTokens with the same values in other Secrets are told the same.
        message.push_str("; correct the values in the credentials Secret, which are then tried at once");
    }
    let CredentialsView::There { untrimmed, .. } = &pass.seen.credentials else { return message };
    if !untrimmed.is_empty() && matches!(failure.class, FailureClass::Rejected | FailureClass::Misconfigured) {
        message.push_str("; note that the value of ");
        message.push_str(&untrimmed.join(", "));
        message.push_str(" ends in white space, such as the newline that echo adds");
    }
    message
}

/// A record of nothing yet: whom it is about.
pub fn blank_record(pass: &Pass, route: &Route) -> FailureRecord {
    FailureRecord {
        class: FailureClass::Transient,
        count: 0,
        at: Timestamp::UNIX_EPOCH,
        next_at: Timestamp::UNIX_EPOCH,
        reason: String::new(),
        message: String::new(),
        provider_fingerprint: route.view.fingerprint.clone(),
        credentials_fingerprint: pass.seen.credentials_content().map(|content| content.fingerprint.clone()),
        origin: route.view.definition.origin().to_string(),
        spec_mark: pass.seen.token.spec_mark.clone(),
    }
}

const fn reason_of(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Rejected => reasons::CREDENTIALS_REJECTED,
        FailureClass::RateLimited => reasons::RATE_LIMITED,
        FailureClass::Misconfigured => reasons::RESPONSE_INVALID,
        FailureClass::Transient | FailureClass::SessionOver => reasons::PROVIDER_UNAVAILABLE,
    }
}
