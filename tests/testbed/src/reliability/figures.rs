//! What is counted over all stories of a run.

use serde::{Deserialize, Serialize};

/// A number that stories add to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Figure {
    /// Seconds for which an output held an expired token while its provider could be reached; the longest.
    ExpiryGap,
    /// Versions of outputs that were looked at.
    OutputVersions,
    /// Refresh tokens that were presented.
    Presented,
    /// Of those that may be used once: presented again.
    PresentedTwice,
    /// Logins beyond those that the story's faults make due.
    LoginsNotDue,
    /// The most logins with the same wrong password.
    WrongPasswordAttempts,
    /// The most requests in flight at once for one account.
    InFlight,
}

/// How the notes of many stories make one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    Sum,
    Longest,
}

impl Figure {
    pub const ALL: [Self; 7] = [
        Self::ExpiryGap,
        Self::OutputVersions,
        Self::Presented,
        Self::PresentedTwice,
        Self::LoginsNotDue,
        Self::WrongPasswordAttempts,
        Self::InFlight,
    ];

    #[must_use]
    pub fn over(self) -> Over {
        match self {
            Self::ExpiryGap | Self::WrongPasswordAttempts | Self::InFlight => Over::Longest,
            Self::OutputVersions | Self::Presented | Self::PresentedTwice | Self::LoginsNotDue => Over::Sum,
        }
    }

    /// What it is, for the page.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::ExpiryGap => "longest time that an output held an expired token while its provider could be asked, s",
            Self::OutputVersions => "versions of outputs judged for that, none older than the one before",
            Self::Presented => "refresh tokens presented",
            Self::PresentedTwice => "one-time refresh tokens presented twice",
            Self::LoginsNotDue => "logins beyond those that were due",
            Self::WrongPasswordAttempts => "most logins with one wrong password, before it was corrected",
            Self::InFlight => "most requests in flight at once for one account",
        }
    }

    /// The number over all notes; 0 where nothing was noted.
    #[must_use]
    pub fn total(self, values: impl Iterator<Item = f64>) -> f64 {
        match self.over() {
            Over::Sum => values.sum(),
            Over::Longest => values.fold(0.0, f64::max),
        }
    }
}
