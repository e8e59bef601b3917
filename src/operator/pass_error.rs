//! Why a pass did not come to its end, and what follows from that.

use std::time::Duration;

use super::{cluster::ApiError, observe::ObserveError};

/// Why a pass did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Observe(#[from] ObserveError),
    #[error("the operator is stopping, or another replica leads")]
    Stopping,
}

impl PassError {
    /// The API server has refused, and asking again changes nothing before somebody acts.
    #[must_use]
    pub fn needs_somebody(&self) -> bool {
        match self {
            Self::Api(error) | Self::Observe(ObserveError::Api(error)) => !self.is_race() && !error.is_passing(),
            Self::Observe(ObserveError::ForeignSession(_)) => true,
            Self::Stopping => false,
        }
    }

    /// Nothing is wrong: this process does no more.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        match self {
            Self::Api(error) | Self::Observe(ObserveError::Api(error)) => error.is_not_ours(),
            Self::Observe(ObserveError::ForeignSession(_)) => false,
            Self::Stopping => true,
        }
    }

    /// How long the API server wants to be left alone; zero: it has not said.
    #[must_use]
    pub fn wanted_wait(&self) -> Duration {
        match self {
            Self::Api(error) | Self::Observe(ObserveError::Api(error)) => error.wanted_wait(),
            Self::Observe(ObserveError::ForeignSession(_)) | Self::Stopping => Duration::ZERO,
        }
    }

    /// Somebody else wrote first: nothing is wrong, read again.
    #[must_use]
    pub fn is_race(&self) -> bool {
        match self {
            Self::Api(error) => error.is_conflict() || error.is_not_found(),
            Self::Observe(ObserveError::Api(error)) => error.is_conflict(),
            Self::Observe(_) | Self::Stopping => false,
        }
    }
}
