//! Requests about a token that bring none: what a provider makes of a probe and of a revocation, and what is told of
//! them.

use apitoken_operator::token::decide::Errand;

use crate::{
    carry::Road,
    fault::{HOUR, MINUTE},
    history::{Event, Inquiry},
    observe::is_other,
    order::Order,
    rng::Rng,
    sim::{NAMESPACE, State},
    store::Id,
    vendor::{Answer, Vendor},
};

/// Of a provider that wants to be left alone.
const RETRY_AFTER: i64 = 30;

/// What a provider offers beside logins and refreshes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offers {
    /// Milliseconds between two probes; the definition says so.
    pub probe: Option<i64>,
    pub revoke: bool,
}

impl Offers {
    /// Intervals that leave some probes within a lifetime.
    pub fn new(lifetime: i64, rng: &mut Rng) -> Self {
        let short = lifetime <= HOUR;
        let intervals = if short { [MINUTE, 2 * MINUTE, 5 * MINUTE] } else { [12 * HOUR, 24 * HOUR, 24 * HOUR] };
        Self { probe: rng.percent(50).then(|| rng.pick(&intervals)), revoke: rng.percent(50) }
    }
}

impl Vendor {
    /// Both are offered, and tokens live long enough for them.
    pub fn with_errands(mut self) -> Self {
        (self.lifetime, self.offers) = (HOUR, Offers { probe: Some(5 * MINUTE), revoke: true });
        self
    }

    /// What it says to a request about this token.
    pub fn asked_about(&mut self, errand: Errand, token: &str, now: i64) -> Answer {
        if let Some(status) = self.odd_errands.pop_front() {
            let retry_after = matches!(status, 429 | 503).then_some(RETRY_AFTER);
            return Answer { retry_after, ..Answer::of(status) };
        }
        let issue = self.issues.get(token);
        let good = issue.filter(|issue| !self.ended.contains(&issue.serial));
        match errand {
            Errand::Probe => {
                let lives = good.is_some_and(|issue| issue.expires_at.is_none_or(|at| now < at));
                Answer::of(if lives { 200 } else { 401 })
            }
            // RFC 7009 section 2.2: a token that is dead already is no error.
            Errand::Revoke => {
                self.ended.extend(issue.map(|issue| issue.serial));
                Answer::of(200)
            }
        }
    }

    /// Somebody else ends all its tokens; returns those that were good until now.
    pub fn end_all(&mut self) -> Vec<u64> {
        let good = self.issues.values().map(|issue| issue.serial).filter(|serial| !self.ended.contains(serial));
        let good: Vec<_> = good.collect();
        self.ended.extend(&good);
        good
    }
}

impl Road {
    /// A request about a token has left.
    pub fn inquired(&self, order: &Order, errand: Errand, in_flight: usize, state: &mut State, now: i64) {
        let about = order.body["token"].as_str().unwrap_or_default();
        let inquiry = Inquiry {
            process: self.process,
            token: order.token.clone(),
            uid: order.uid.clone(),
            provider: order.provider,
            errand,
            about: state.vendors[order.provider].issues.get(about).map_or(0, |issue| issue.serial),
            in_flight,
        };
        state.note(now, Event::Inquired(inquiry));
    }

    /// The answer to it has arrived, or never will.
    pub fn heard_about(&self, order: &Order, errand: Errand, status: Option<u16>) {
        let now = self.sim.now();
        let mut state = self.sim.lock();
        let refused = status == Some(401);
        if errand == Errand::Revoke || refused {
            // It may be remembered, whoever leads meanwhile.
            state.processes[self.process].owes.insert(order.token.clone());
        }
        let about = order.body["token"].as_str().unwrap_or_default();
        let about = state.vendors[order.provider].issues.get(about).map_or(0, |issue| issue.serial);
        let good = status.filter(|status| matches!(status, 200 | 401)).map(|status| status == 200);
        if errand == Errand::Probe {
            state.note(now, Event::Proved { token: order.token.clone(), about, good });
        }
    }
}

impl State {
    /// The provider has been asked about a token; if it ends it, whether that is the one in the asker's output.
    pub fn answer_about(&mut self, order: (usize, &str), errand: Errand, about: &str, now: i64) -> Answer {
        let (provider, token) = order;
        let answer = self.vendors[provider].asked_about(errand, about, now);
        let issue = self.vendors[provider].issues.get(about);
        if let Some(serial) =
            issue.map(|issue| issue.serial).filter(|_| errand == Errand::Revoke && answer.status == 200)
        {
            let exposed = self.exposed(token) == Some(serial);
            self.note(now, Event::Revoked { token: token.to_owned(), serial, exposed });
        }
        answer
    }

    /// The token that the output of an ApiToken holds.
    fn exposed(&self, token: &str) -> Option<u64> {
        let output = self.store.get(&Id::secret(NAMESPACE, token)).filter(|_| !is_other(token))?;
        Some(self.issue_in(output)?.serial)
    }

    /// The text of that token.
    pub fn exposed_text(&self, order: &Order) -> Option<String> {
        let serial = self.exposed(&order.token)?;
        let issues = &self.vendors[order.provider].issues;
        issues.iter().find(|(_, issue)| issue.serial == serial).map(|(text, _)| text.clone())
    }
}
