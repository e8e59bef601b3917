//! The rules, one table a question. Each row: what is seen, and what follows.

mod errands;
mod properties;
#[rustfmt::skip] // A row is a line.
mod seeds;
#[rustfmt::skip] // A row is a line.
mod table;

use k8s_openapi::jiff::Timestamp;

use super::*;
use crate::token::{fixtures::*, schedule};

/// A decision in words, its time named by what it is the time of.
fn in_words(seen: &Observation, next: &Next, now: Timestamp) -> String {
    match next {
        Next::Look => "look".to_owned(),
        Next::Errand(Errand::Probe) => "probe".to_owned(),
        Next::Errand(Errand::Revoke) => "revoke".to_owned(),
        Next::Adopt(_) => "remember the rejection".to_owned(),
        Next::Call(Call { operation, intent, occasion }) => {
            let operation = if *operation == Operation::Login { "log in" } else { "refresh" };
            let intent = intent.map(|count| format!(", intent {count} first")).unwrap_or_default();
            let occasion = match occasion {
                Occasion::Planned => ", being due",
                Occasion::Overdue => ", overdue",
                Occasion::Unplanned => "",
            };
            format!("{operation}{intent}{occasion}")
        }
        Next::Wait(Wait { until, why }) => {
            let why = match why {
                Why::Fresh => "fresh".to_owned(),
                Why::Suspended => "suspended".to_owned(),
                Why::Blocked(block) => block.reason.to_owned(),
                Why::Held { reason, .. } => format!("held, {reason}"),
            };
            format!("wait {}: {why}", time_in_words(seen, *until, now))
        }
    }
}

fn time_in_words(seen: &Observation, until: Option<Timestamp>, now: Timestamp) -> String {
    let Some(until) = until else { return "for an event".to_owned() };
    let issued = seen.facts().and_then(|facts| facts.issued.as_ref());
    let named = issued.and_then(|issued| {
        let policy = seen.token.spec.refresh.as_ref();
        let uid = &seen.token.uid;
        [
            (Some(schedule::renew_at(issued, policy, uid)), "until renewal"),
            (Some(issued.expires_at), "until expiry"),
            (schedule::early_login_at(issued, uid), "until the early login"),
            (issued.session_expires_at, "until the session's end"),
        ]
        .into_iter()
        .find_map(|(at, name)| (at == Some(until)).then(|| name.to_owned()))
    });
    named.unwrap_or_else(|| format!("{} s", until.as_second() - now.as_second()))
}

/// The rule that decided, and the decision in words.
fn decided(scene: &Scene) -> (&'static str, String) {
    let (rule, next) = next(&scene.0, now());
    (rule, in_words(&scene.0, &next, now()))
}
