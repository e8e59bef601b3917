//! Judges recordings: what a vendor was asked, and what stood in an output. Knows nothing of what the operator says.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::figures::Figure;
use crate::{
    outputs::Version,
    vendors::{Exchange, Operation, Token},
};

/// What a recording shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// Promises that were broken, in words.
    pub broken: Vec<String>,
    pub figures: BTreeMap<Figure, f64>,
}

impl Findings {
    fn figure(&mut self, figure: Figure, value: f64) {
        self.figures.insert(figure, value);
    }
}

/// A vendor's history, where each refresh token may be used once: none was presented twice, and no account had two
/// requests in flight.
#[must_use]
pub fn one_time(history: &[Exchange]) -> Findings {
    let (mut findings, once) = (asked(history), presented_once(history));
    findings.broken.extend(once.broken);
    findings.figures.extend(once.figures);
    findings
}

/// The same where several operators ask without knowing of each other: only that nothing was presented twice.
#[must_use]
pub fn presented_once(history: &[Exchange]) -> Findings {
    let mut findings = Findings::default();
    let mut seen: HashMap<&str, u64> = HashMap::new();
    let (mut presented, mut twice) = (0, 0);
    for refresh in history.iter().filter(|exchange| exchange.operation == Operation::Refresh) {
        for token in &refresh.presented {
            presented += 1;
            if let Some(before) = seen.insert(token, refresh.number) {
                twice += 1;
                let told = format!("exchange {} presented again what {before} had presented", refresh.number);
                findings.broken.push(told);
            }
        }
    }
    findings.figure(Figure::Presented, count(presented));
    findings.figure(Figure::PresentedTwice, count(twice));
    findings
}

/// A vendor's history: one request in flight for each account, each in a form that the vendor knows.
#[must_use]
pub fn asked(history: &[Exchange]) -> Findings {
    let mut findings = Findings::default();
    let renewing = |exchange: &&Exchange| matches!(exchange.operation, Operation::Login | Operation::Refresh);
    let mut most = 0;
    for exchange in history.iter().filter(renewing) {
        most = most.max(exchange.in_flight);
        if exchange.in_flight > 1 {
            findings.broken.push(format!("exchange {} came while another of its account ran", exchange.number));
        }
        findings.broken.extend(exchange.protocol_errors.iter().cloned());
    }
    let presented: usize =
        history.iter().filter(|one| one.operation == Operation::Refresh).map(|one| one.presented.len()).sum();
    findings.figure(Figure::Presented, count(presented));
    findings.figure(Figure::InFlight, count(most));
    findings
}

/// The versions of an output, oldest first: none holds an expired token or one older than the version before, and none
/// stays until its token has expired. `until`: the recording ended then.
#[must_use]
pub fn output(versions: &[Version], key: &str, until: Timestamp, known: impl Fn(&str) -> Option<Token>) -> Findings {
    let mut findings = order(versions, key, &known);
    let mut gap: f64 = 0.0;
    for (number, version) in versions.iter().enumerate() {
        let Some(token) = version.text(key).and_then(&known) else { continue };
        let stayed_until = versions.get(number + 1).map_or(until, |next| next.seen_at);
        if let Some(expired) = token.expires_at.filter(|at| *at < stayed_until) {
            let since = expired.max(version.seen_at);
            gap = gap.max(stayed_until.duration_since(since).as_secs_f64());
            findings.broken.push(format!("version {} stayed though its token had expired", version.resource_version));
        }
    }
    findings.figure(Figure::ExpiryGap, gap);
    findings
}

/// The same where a token may expire, because nobody could renew it: each holds a token of the vendor, and none an older
/// one than the version before.
#[must_use]
pub fn order(versions: &[Version], key: &str, known: impl Fn(&str) -> Option<Token>) -> Findings {
    let mut findings = Findings::default();
    let mut before: Option<Token> = None;
    for version in versions {
        let Some(token) = version.text(key).and_then(&known) else {
            findings.broken.push(format!("version {} holds no token of the vendor", version.resource_version));
            continue;
        };
        if before.as_ref().is_some_and(|before| before.serial > token.serial) {
            findings.broken.push(format!("version {} holds an older token", version.resource_version));
        }
        before = Some(token);
    }
    findings.figure(Figure::OutputVersions, count(versions.len()));
    findings
}

/// The logins that an account refused, each with the same wrong password: so many at most.
#[must_use]
pub fn wrong_password(history: &[Exchange], most: usize) -> Findings {
    let refused = |exchange: &&Exchange| exchange.operation == Operation::Login && exchange.refusal.is_some();
    let attempts = history.iter().filter(refused).count();
    let mut findings = Findings::default();
    if attempts > most {
        findings.broken.push(format!("{attempts} attempts with a wrong password, where {most} are allowed"));
    }
    findings.figure(Figure::WrongPasswordAttempts, count(attempts));
    findings
}

/// A count as a figure.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "the counts of one story")]
pub fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
