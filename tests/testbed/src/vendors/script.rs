//! How a vendor behaves: what a test may change while it runs, and the faults it may inject.

use std::{collections::VecDeque, time::Duration};

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::{faults::Fault, history::Operation};

/// The behaviour that all vendors share; what is one vendor's own is in `quirks`.
#[derive(Clone, Debug)]
pub struct Script<Q> {
    /// Between the arrival of a login and its processing.
    pub login_latency: Duration,
    pub refresh_latency: Duration,
    /// Of access tokens. Rounded up to the next whole second of the clock: claims have no fractions.
    pub lifetime: Duration,
    /// Since login; after it a refresh is refused. `None`: for ever.
    pub session_limit: Option<Duration>,
    /// Whether the last tokens of a session are cut to what is left of it.
    pub session_end_cuts_lifetime: bool,
    /// What a wrong password is answered with.
    pub wrong_password_status: u16,
    /// What a refresh that is refused is answered with.
    pub refused_refresh_status: u16,
    /// After so many wrong passwords the right one is refused too.
    pub lockout_after: Option<u32>,
    /// Whether a login ends the other sessions of the account.
    pub single_session: bool,
    /// Whether a refresh kills the access token that it replaces.
    pub refresh_kills_previous: bool,
    /// For each first two segments of the path, as gateways count.
    pub rate_limit: Option<RateLimit>,
    /// How far the vendor's clock is ahead of ours: in tokens, in replies and in the `Date` header.
    pub clock_offset: SignedDuration,
    pub quirks: Q,
}

/// So many requests a second, and so many more at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    pub per_second: f64,
    pub burst: f64,
}

/// What becomes of a refresh token when it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It stays.
    Never,
    /// A new one is given; the old one stays good.
    Lenient,
    /// A new one is given; presenting the old one again later than `grace` kills the session with all its tokens.
    OneTime { grace: Duration },
}

/// How a refresh reply shows a refresh token that was not rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnrotatedReply {
    Repeated,
    Absent,
    Null,
    Empty,
}

/// Which requests a fault meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum On {
    Login,
    Refresh,
    /// Logins and refreshes.
    Both,
    Protected,
    Metadata,
}

/// Faults that wait for their request.
#[derive(Debug, Default)]
pub struct Faults {
    next: VecDeque<(On, Fault)>,
    standing: Vec<(On, Fault)>,
}

impl<Q: Default> Default for Script<Q> {
    fn default() -> Self {
        Self {
            login_latency: Duration::ZERO,
            refresh_latency: Duration::ZERO,
            lifetime: Duration::from_secs(3600),
            session_limit: None,
            session_end_cuts_lifetime: false,
            wrong_password_status: 401,
            refused_refresh_status: 401,
            lockout_after: None,
            single_session: false,
            refresh_kills_previous: false,
            rate_limit: None,
            clock_offset: SignedDuration::ZERO,
            quirks: Q::default(),
        }
    }
}

impl Rotation {
    /// One use, no grace.
    pub const ONE_TIME: Self = Self::OneTime { grace: Duration::ZERO };
}

impl On {
    fn meets(self, operation: Operation) -> bool {
        match operation {
            Operation::Login => matches!(self, Self::Login | Self::Both),
            Operation::Refresh => matches!(self, Self::Refresh | Self::Both),
            Operation::Protected => self == Self::Protected,
            Operation::Metadata => self == Self::Metadata,
            Operation::Other => false,
        }
    }
}

impl Faults {
    pub(super) fn queue(&mut self, on: On, fault: Fault) {
        self.next.push_back((on, fault));
    }

    pub(super) fn stand(&mut self, on: On, fault: Fault) {
        self.standing.push((on, fault));
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The fault for a request that arrives now: a queued one is used up, else the newest standing one holds.
    pub(super) fn take(&mut self, operation: Operation) -> Option<Fault> {
        if let Some(position) = self.next.iter().position(|(on, _)| on.meets(operation)) {
            return self.next.remove(position).map(|(_, fault)| fault);
        }
        self.standing.iter().rev().find(|(on, _)| on.meets(operation)).map(|(_, fault)| fault.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queued_fault_is_used_up_and_a_standing_one_holds_until_cleared() {
        let mut faults = Faults::default();
        faults.stand(On::Both, Fault::Hang);
        faults.queue(On::Refresh, Fault::CloseBeforeAnswer);
        assert_eq!(faults.take(Operation::Login), Some(Fault::Hang));
        assert_eq!(faults.take(Operation::Refresh), Some(Fault::CloseBeforeAnswer));
        assert_eq!(faults.take(Operation::Refresh), Some(Fault::Hang));
        assert_eq!(faults.take(Operation::Protected), None);
        faults.clear();
        assert_eq!(faults.take(Operation::Login), None);
    }
}
