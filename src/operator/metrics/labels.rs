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
