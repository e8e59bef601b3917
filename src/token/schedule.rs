//! When to act next. Every function takes the time and returns a time; nothing here waits.
//!
//! Jitter comes from the object's uid, so that it is the same after a restart and different for each object.

pub mod errand;
#[cfg(test)]
mod tests;

use k8s_openapi::jiff::Timestamp;

use super::facts::{FailureRecord, Issued};
use crate::api::{http::FailureClass, token::RefreshPolicy};

/// Share of the lifetime after which a token is renewed when its owner says nothing.
const DEFAULT_PERCENT: f64 = 67.0;
/// Where in its life a token is renewed that was issued unplanned: from this share of it to the default one, evenly by
/// uid. From 15 % on, thousands that began together come evenly after one round: less than 1.5 times the mean at most.
const UNPLANNED_FROM_PERCENT: f64 = 15.0;
/// A renewal is late if it comes by more than this share of the lifetime, and by more than so many seconds, after its
/// time.
const LATE: (f64, f64) = (0.05, 5.0);
/// The kubelet takes 60 to 90 s to show a changed Secret to a pod; below this age renewing is only load.
const MIN_AGE: f64 = 5.0;
/// A token that lives no longer than the youngest age at which it may be renewed cannot be kept valid: once a minute.
const HOPELESS_RETRY: f64 = 60.0;
/// Early login: at 80 % of the session's limit, plus up to 15 % of it by uid.
const EARLY_LOGIN: (f64, f64) = (0.80, 0.15);
/// Until when a first token should be there, in seconds after its ApiToken was made.
const FIRST_ISSUE: f64 = 60.0;
/// A token whose renewal fails gives way for so many seconds: twice as many after each failure, up to a bound.
const GIVES_WAY: (f64, f64) = (60.0, 960.0);

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;

/// A fraction in `[0, 1)` that is always the same for the same texts (FNV-1a with a final mix).
#[must_use]
pub fn fraction(uid: &str, salt: &str) -> f64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in uid.bytes().chain([0]).chain(salt.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    #[expect(clippy::cast_precision_loss, reason = "32 bits fit into the mantissa")]
    let unit = (hash >> 32) as f64 / 2f64.powi(32);
    unit
}

/// When the token shall be renewed: 67 % of its lifetime or what the policy says, up to 10 % earlier by uid, between
/// 10 % and 95 % of the lifetime and at least 5 s after issue. One that was issued unplanned, and for which the policy
/// says nothing: anywhere from 15 % to 67 % by uid.
#[must_use]
pub fn renew_at(issued: &Issued, policy: Option<&RefreshPolicy>, uid: &str) -> Timestamp {
    let lifetime = seconds(issued.lifetime());
    let offset = if lifetime <= 0.0 || lifetime <= MIN_AGE && !issued.no_progress {
        HOPELESS_RETRY
    } else if issued.no_progress {
        lifetime / 2.0
    } else {
        let jittered = match wanted_offset(lifetime, policy) {
            None if issued.unplanned => {
                let spread = DEFAULT_PERCENT - UNPLANNED_FROM_PERCENT;
                lifetime * (DEFAULT_PERCENT - spread * fraction(uid, "unplanned")) / 100.0
            }
            wanted => wanted.unwrap_or(lifetime * DEFAULT_PERCENT / 100.0) * (1.0 - 0.1 * fraction(uid, "renew")),
        };
        jittered.clamp(lifetime * 0.10, lifetime * 0.95)
    };
    later(issued.issued_at, offset.max(MIN_AGE))
}

fn wanted_offset(lifetime: f64, policy: Option<&RefreshPolicy>) -> Option<f64> {
    match policy? {
        RefreshPolicy { before: Some(before), .. } => Some(lifetime - before.get().as_secs_f64()),
        RefreshPolicy { at_percent, .. } => at_percent.map(|percent| lifetime * f64::from(percent) / 100.0),
    }
}

/// What was planned for a moment in the life of this token is so late that the plan counts no more.
#[must_use]
pub fn is_late(issued: &Issued, planned: Timestamp, now: Timestamp) -> bool {
    let (share, least) = LATE;
    let late = seconds(now.as_second() - planned.as_second());
    issued.is_expired(now) || late > least.max(share * seconds(issued.lifetime()))
}

/// When to log in although the session still refreshes; `None` for a session without an end, and for one that is over
/// as soon as it has begun: its token is renewed by a login when it is due, and no sooner.
#[must_use]
pub fn early_login_at(issued: &Issued, uid: &str) -> Option<Timestamp> {
    let end = issued.session_expires_at?;
    let limit = seconds(end.as_second() - issued.started_at.as_second());
    let (at, spread) = EARLY_LOGIN;
    let offset = limit * (at + spread * fraction(uid, "early-login"));
    (offset >= MIN_AGE).then(|| later(issued.started_at, offset))
}

/// What a failed attempt knows when it asks for the time of the next one.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    pub class: FailureClass,
    /// Failures of this kind in a row, this one included; at least 1.
    pub count: u32,
    pub now: Timestamp,
    /// Expiry of the token that is still exposed, if any.
    pub expires_at: Option<Timestamp>,
    /// What the provider asked for, in seconds.
    pub retry_after: Option<u64>,
    pub uid: &'a str,
}

/// When to try again after a failure: later each time, but never so late that a valid token dies untried.
#[must_use]
pub fn next_attempt(attempt: &Attempt<'_>) -> Timestamp {
    let doubled = |base: f64, most: f64| (base * 2f64.powi(exponent(attempt.count))).min(most);
    let jitter = 1.0 - 0.5 * fraction(attempt.uid, &attempt.count.to_string());
    let remaining =
        attempt.expires_at.map(|at| seconds(at.as_second() - attempt.now.as_second())).filter(|&left| left > 0.0);
    #[expect(clippy::cast_precision_loss, reason = "a Retry-After is bounded when it is read")]
    let told = attempt.retry_after.map(|told| told as f64);
    let delay = match attempt.class {
        FailureClass::Rejected => return later(attempt.now, doubled(HOUR, 32.0 * HOUR)),
        FailureClass::Misconfigured => doubled(MINUTE, 15.0 * MINUTE),
        FailureClass::RateLimited => {
            let told = told.unwrap_or_else(|| doubled(2.0, 2.0 * MINUTE)).min(HOUR);
            // Spread those that were told the same time, after it and not before.
            told + told.min(MINUTE) * 0.1 * (1.0 - jitter)
        }
        FailureClass::Transient | FailureClass::SessionOver => {
            told.map_or_else(|| doubled(1.0, MINUTE) * jitter, |told| told.min(HOUR))
        }
    };
    let bound = remaining.map_or(f64::INFINITY, |left| bound(attempt.class, left));
    later(attempt.now, delay.min(bound).max(1.0))
}

/// Until when a token should be there: the order in which those that wait for a provider are let in. `failure`: of the
/// same request, the last time.
///
/// One that fails for ever always is the one that expired first. If that put it first, it would take the turns of all
/// whose renewal works, until they had expired too.
#[must_use]
pub fn deadline(
    created_at: Timestamp,
    issued: Option<&Issued>,
    failure: Option<&FailureRecord>,
    now: Timestamp,
) -> Timestamp {
    let wanted = issued.map_or_else(|| later(created_at, FIRST_ISSUE), |issued| issued.expires_at);
    let Some(failure) = failure else { return wanted };
    let (first, most) = GIVES_WAY;
    // A clock that was set back must put nobody behind all others.
    wanted.max(later(failure.at.min(now), (first * 2f64.powi(exponent(failure.count))).min(most)))
}

/// The wait before the login after one whose outcome nobody knows: 30 s doubling; from the third on as if rejected.
#[must_use]
pub fn after_unknown_outcome(at: Timestamp, count: u32) -> Timestamp {
    let delay = if count < 3 {
        30.0 * 2f64.powi(exponent(count))
    } else {
        (HOUR * 2f64.powi(exponent(count - 2))).min(32.0 * HOUR)
    };
    later(at, delay)
}

/// When refused credentials are probed again after a probe that has shown nothing: 5 min, doubling up to the hour after
/// which a refusal is probed first. `count`: such probes in a row, at least 1.
#[must_use]
pub fn after_probe_without_verdict(at: Timestamp, count: u32) -> Timestamp {
    later(at, (5.0 * MINUTE * 2f64.powi(exponent(count))).min(HOUR))
}

/// How much of what is left of a token a failure may wait: told waits are honoured as long as one try still fits in.
fn bound(class: FailureClass, left: f64) -> f64 {
    if class == FailureClass::RateLimited { left * 0.9 } else { left / 3.0 }
}

fn exponent(count: u32) -> i32 {
    i32::try_from(count.saturating_sub(1).min(20)).expect("invariant: at most 20")
}

#[expect(clippy::cast_precision_loss, reason = "token lifetimes are far below 2^52 seconds")]
fn seconds(whole: i64) -> f64 {
    whole as f64
}

/// The second in which a moment lies.
#[must_use]
pub fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// Whole seconds: Kubernetes keeps no fractions, and a schedule that does comes out early (cert-manager#4399).
fn later(from: Timestamp, by: f64) -> Timestamp {
    #[expect(clippy::cast_possible_truncation, reason = "bounded by the caller, saturating by the language")]
    let by = by.min(4e9) as i64;
    Timestamp::from_second(from.as_second().saturating_add(by)).unwrap_or(Timestamp::MAX)
}
