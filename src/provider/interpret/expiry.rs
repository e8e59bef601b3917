//! When the token, or the session, ends: the earliest of all that the reply says.

use jiff::{SignedDuration, Timestamp};

use super::{
    Reply, dates,
    read::{Document, cookie},
};
use crate::provider::{
    definition::{Expiry, Source, TokenName, Unit},
    jwt,
};

/// What is further ahead was meant as "never", or in another unit: ten years.
const FURTHEST: SignedDuration = SignedDuration::from_secs(3653 * 24 * 3600);
/// `epochMilliseconds` below this is in seconds: as milliseconds it would lie in 1973.
const SECONDS_BELOW: f64 = 1e11;
/// A smaller difference of clocks is the network's.
const SMALLEST_OFFSET: SignedDuration = SignedDuration::from_secs(5);
/// A larger difference of clocks is no difference of clocks.
const LARGEST_OFFSET: SignedDuration = SignedDuration::from_hours(24);

/// What expiry entries are read from.
pub(super) struct Times<'a, T> {
    pub document: &'a Document<'a>,
    pub offset: Option<SignedDuration>,
    /// The value of a name as it is after this reply.
    pub token: T,
}

impl<'a, T: Fn(&TokenName) -> Option<&'a str>> Times<'a, T> {
    /// In whole seconds, rounded down. `after` counts only if no other entry yields.
    pub fn earliest(&self, entries: &[Expiry]) -> Option<Timestamp> {
        let (after, other): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| matches!(entry, Expiry::After(_)));
        let earliest = |entries: Vec<&Expiry>| entries.into_iter().filter_map(|entry| self.yields(entry)).min();
        earliest(other).or_else(|| earliest(after)).map(whole_seconds)
    }

    /// What one entry says, whatever the others do.
    pub fn yields(&self, entry: &Expiry) -> Option<Timestamp> {
        let sent_at = self.document.reply.sent_at;
        let furthest = sent_at.checked_add(FURTHEST).unwrap_or(Timestamp::MAX);
        match entry {
            Expiry::After(span) => sent_at.checked_add(*span).ok(),
            entry => self.entry(entry).filter(|at| *at <= furthest),
        }
    }

    fn entry(&self, entry: &Expiry) -> Option<Timestamp> {
        match entry {
            Expiry::In(unit, source) => self.after_sending(unit.in_seconds(self.number(source)?)),
            Expiry::Epoch(unit, source) => self.absolute(epoch(*unit, self.number(source)?)?),
            Expiry::Timestamp(source) => match self.document.find(source) {
                super::read::Found::Text(text) => self.absolute(dates::timestamp(&text)?),
                _ => None,
            },
            Expiry::Jwt(name) => self.absolute(jwt::expiry((self.token)(name)?)?),
            Expiry::Cookie(name) => self.cookie(name),
            Expiry::After(_) => None,
        }
    }

    fn number(&self, source: &Source) -> Option<f64> {
        self.document.number(source)
    }

    /// Counted from before the request was sent: what it took is the token's own time.
    fn after_sending(&self, seconds: f64) -> Option<Timestamp> {
        let span = SignedDuration::try_from_secs_f64(seconds).ok().filter(SignedDuration::is_positive)?;
        self.document.reply.sent_at.checked_add(span).ok()
    }

    /// From the provider's clock to ours.
    fn absolute(&self, theirs: Timestamp) -> Option<Timestamp> {
        self.offset.map_or(Some(theirs), |offset| theirs.checked_sub(offset).ok())
    }

    fn cookie(&self, name: &str) -> Option<Timestamp> {
        let cookie = cookie(&self.document.reply.headers, name)?;
        let max_age = cookie.attribute("max-age").and_then(|it| it.parse::<f64>().ok());
        max_age
            .and_then(|seconds| self.after_sending(seconds))
            .or_else(|| self.absolute(dates::http_date(cookie.attribute("expires")?)?))
    }
}

/// A negative time is as past as 1970.
fn epoch(unit: Unit, count: f64) -> Option<Timestamp> {
    let seconds = match unit {
        Unit::Milliseconds if count < SECONDS_BELOW => count,
        unit => unit.in_seconds(count),
    };
    let span = SignedDuration::try_from_secs_f64(seconds.max(0.0)).ok()?;
    Timestamp::UNIX_EPOCH.checked_add(span).ok()
}

pub(super) fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// How far the provider's clock is ahead of ours, if that is worth a correction.
///
/// Its `Date` was written at some moment between our two; within them it proves nothing.
pub(super) fn clock_offset(reply: &Reply) -> Option<SignedDuration> {
    let date = date(reply)?;
    let nearest = date.clamp(reply.sent_at.min(reply.received_at), reply.received_at);
    let offset = date.duration_since(nearest);
    (offset.abs() > SMALLEST_OFFSET && offset.abs() < LARGEST_OFFSET).then_some(offset)
}

pub(super) fn date(reply: &Reply) -> Option<Timestamp> {
    dates::http_date(reply.headers.get(http::header::DATE)?.to_str().ok()?)
}
