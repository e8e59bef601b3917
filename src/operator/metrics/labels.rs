//! The sets of labels, each bounded: by the source where a label is `'static`, by the providers that exist elsewhere.

use prometheus_client::encoding::EncodeLabelSet;

use crate::api::http::{FailureClass, Operation};

pub(super) const OPERATIONS: [Operation; 2] = [Operation::Login, Operation::Refresh];
pub(super) const FAILURE_CLASSES: [FailureClass; 5] = [
    FailureClass::Rejected,
    FailureClass::SessionOver,
    FailureClass::RateLimited,
    FailureClass::Transient,
    FailureClass::Misconfigured,
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestLabels {
    pub(super) provider: String,
    pub(super) operation: &'static str,
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OperationLabels {
    pub(super) provider: String,
    pub(super) operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ProviderLabels {
    pub(super) provider: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OutcomeLabels {
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ApiLabels {
    pub(super) verb: &'static str,
    pub(super) resource: &'static str,
    pub(super) outcome: &'static str,
}

/// What came of a request about a token that brings none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrandOutcome {
    /// The token is good.
    Good,
    Revoked,
    /// Of a probe: the token is refused. Of a revocation: the provider does not do it.
    Refused,
    /// Nothing was found out, or done: no answer, or one of trouble.
    Unproven,
    /// It had no turn in time.
    LeftOut,
}

pub(super) const ERRAND_OUTCOMES: [ErrandOutcome; 5] = [
    ErrandOutcome::Good,
    ErrandOutcome::Revoked,
    ErrandOutcome::Refused,
    ErrandOutcome::Unproven,
    ErrandOutcome::LeftOut,
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ErrandLabels {
    pub(super) provider: String,
    pub(super) outcome: &'static str,
}

impl ErrandLabels {
    pub(super) fn new(provider: &str, outcome: ErrandOutcome) -> Self {
        Self { provider: provider.to_owned(), outcome: outcome.as_str() }
    }
}

impl ErrandOutcome {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "Good",
            Self::Revoked => "Revoked",
            Self::Refused => "Refused",
            Self::Unproven => "Unproven",
            Self::LeftOut => "LeftOut",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct WatchLabels {
    pub(super) watch: &'static str,
}

impl RequestLabels {
    pub(super) fn new(provider: &str, operation: Operation, outcome: Result<(), FailureClass>) -> Self {
        Self { provider: provider.to_owned(), operation: operation_label(operation), outcome: outcome_label(outcome) }
    }
}

impl OperationLabels {
    pub(super) fn new(provider: &str, operation: Operation) -> Self {
        Self { provider: provider.to_owned(), operation: operation_label(operation) }
    }
}

impl ProviderLabels {
    pub(super) fn new(provider: &str) -> Self {
        Self { provider: provider.to_owned() }
    }
}

const fn operation_label(operation: Operation) -> &'static str {
    match operation {
        Operation::Login => "Login",
        Operation::Refresh => "Refresh",
    }
}

pub(super) const fn outcome_label(outcome: Result<(), FailureClass>) -> &'static str {
    match outcome {
        Ok(()) => "Succeeded",
        Err(FailureClass::Rejected) => "Rejected",
        Err(FailureClass::SessionOver) => "SessionOver",
        Err(FailureClass::RateLimited) => "RateLimited",
        Err(FailureClass::Transient) => "Transient",
        Err(FailureClass::Misconfigured) => "Misconfigured",
    }
}
