//! The status that was reported last, folded: enough to see that another one differs, and what has changed in kind.
//!
//! A status takes more than a kilobyte, ten times what is looked at again. Nothing here decides what is done with a
//! token.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};

use crate::{
    api::{
        ApiTokenStatus,
        http::FailureClass,
        reasons,
        status::{Failures, READY, RECONCILING, STALLED},
    },
    token::status::CANNOT_BE_RENEWED,
};

/// Types of the conditions, in the order in which their transitions are kept.
const TYPES: [&str; 3] = [READY, RECONCILING, STALLED];
/// Values of a condition.
const VALUES: [&str; 3] = ["True", "False", "Unknown"];

/// A status, folded.
#[derive(Clone, Debug)]
pub struct Reported {
    /// Of the whole status: another digest is another status.
    digest: [u8; 16],
    transitions: [Option<Transition>; 3],
    /// Of the condition Ready.
    reason: Cow<'static, str>,
    message: Box<str>,
    failures: Option<Box<Failures>>,
    expires_at: Option<Timestamp>,
    renew_at: Option<Timestamp>,
}

/// What a condition is, and since when.
#[derive(Clone, Copy, Debug)]
struct Transition {
    value: &'static str,
    at: Timestamp,
}

impl Reported {
    #[must_use]
    pub fn fold(status: ApiTokenStatus) -> Self {
        let digest = digest_of(&status);
        let of_type = |wanted: &str| status.conditions.iter().find(|condition| condition.type_ == wanted);
        let transitions = TYPES.map(|wanted| of_type(wanted).and_then(Transition::of));
        let ready = of_type(READY);
        let reason = ready.map_or(reasons::PENDING, |ready| ready.reason.as_str());
        let known = reasons::ALL.iter().find(|known| **known == reason);
        Self {
            digest,
            transitions,
            reason: known.map_or_else(|| Cow::Owned(reason.to_owned()), |known| Cow::Borrowed(*known)),
            message: ready.map_or("", |ready| ready.message.as_str()).into(),
            failures: status.failures.map(Box::new),
            expires_at: status.expires_at.map(|time| time.0),
            renew_at: status.renew_at.map(|time| time.0),
        }
    }

    /// Whether it was this status that was folded.
    #[must_use]
    pub fn is(&self, status: &ApiTokenStatus) -> bool {
        self.digest == digest_of(status)
    }

    /// As much of the status as is looked back at: its conditions, with reason and message for Ready alone, and the
    /// failures.
    #[must_use]
    pub fn outline(&self) -> ApiTokenStatus {
        let conditions = TYPES.iter().zip(&self.transitions).filter_map(|(type_, transition)| {
            let (transition, is_ready) = (transition.as_ref()?, *type_ == READY);
            Some(Condition {
                type_: (*type_).to_owned(),
                status: transition.value.to_owned(),
                reason: if is_ready { self.reason.to_string() } else { String::new() },
                message: if is_ready { self.message.to_string() } else { String::new() },
                observed_generation: None,
                last_transition_time: Time(transition.at),
            })
        });
        ApiTokenStatus {
            conditions: conditions.collect(),
            failures: self.failures.as_deref().cloned(),
            ..ApiTokenStatus::default()
        }
    }

    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.transitions[0].is_some_and(|ready| ready.value == "True")
    }

    /// Reason of the condition Ready.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What the last attempt failed of, and how many have failed since one succeeded.
    #[must_use]
    pub fn failing(&self) -> Option<(FailureClass, u32)> {
        let failures = self.failures.as_ref()?;
        Some((failures.class, u32::try_from(failures.count).unwrap_or_default()))
    }

    /// Whether nothing happens before somebody acts, be the token still valid or not.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        let stalled = self.transitions[2].is_some_and(|stalled| stalled.value == "True");
        stalled || self.message.contains(CANNOT_BE_RENEWED)
    }

    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    #[must_use]
    pub fn renew_at(&self) -> Option<Timestamp> {
        self.renew_at
    }
}

impl Transition {
    fn of(condition: &Condition) -> Option<Self> {
        let value = VALUES.into_iter().find(|value| *value == condition.status)?;
        Some(Self { value, at: condition.last_transition_time.0 })
    }
}

fn digest_of(status: &ApiTokenStatus) -> [u8; 16] {
    let json = serde_json::to_vec(status).expect("invariant: a status has only string keys");
    let mut kept = [0; 16];
    kept.copy_from_slice(&digest(&SHA256, &json).as_ref()[..16]);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_somebody_is_blocked_be_its_token_valid_or_not() {
        let with = |condition: usize, change: &dyn Fn(&mut Condition)| {
            let mut status = status();
            change(&mut status.conditions[condition]);
            Reported::fold(status).is_blocked()
        };
        assert!(!with(0, &|_| ()));
        assert!(with(0, &|ready| ready.message = format!("good, {CANNOT_BE_RENEWED}: CredentialsNotFound")));
        assert!(with(1, &|stalled| stalled.status = "True".to_owned()));
    }

    fn status() -> ApiTokenStatus {
        serde_json::from_value(serde_json::json!({
            "observedGeneration": 2,
            "conditions": [
                { "type": "Ready", "status": "True", "reason": "Issued", "message": "good", "observedGeneration": 2,
                  "lastTransitionTime": "2026-01-02T03:04:05Z" },
                { "type": "Stalled", "status": "False", "reason": "Issued", "message": "", "observedGeneration": 2,
                  "lastTransitionTime": "2026-01-02T03:04:06Z" },
            ],
            "secretName": "assets",
            "expiresAt": "2026-01-02T04:04:05Z",
        }))
        .unwrap()
    }

    #[test]
    fn a_folded_status_knows_itself_and_no_other() {
        let reported = Reported::fold(status());
        assert!(reported.is(&status()));
        assert!(!reported.is(&ApiTokenStatus { secret_name: Some("other".to_owned()), ..status() }));
        assert!(!reported.is(&ApiTokenStatus { renew_at: status().expires_at, ..status() }));
    }

    #[test]
    fn the_outline_tells_what_the_conditions_were_and_since_when() {
        let outline = Reported::fold(status()).outline();
        let told = |at: usize| {
            let condition = &outline.conditions[at];
            let since = condition.last_transition_time.0.to_string();
            (condition.type_.as_str(), condition.status.as_str(), since)
        };
        assert_eq!(told(0), ("Ready", "True", "2026-01-02T03:04:05Z".to_owned()));
        assert_eq!(told(1), ("Stalled", "False", "2026-01-02T03:04:06Z".to_owned()));
        assert_eq!((outline.conditions[0].reason.as_str(), outline.conditions[0].message.as_str()), ("Issued", "good"));
        assert_eq!(outline.failures, None);
    }
}
