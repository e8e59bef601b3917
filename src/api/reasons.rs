//! Reasons of the `Ready` condition. Stable: people alert on them.

pub const ISSUED: &str = "Issued";
pub const PENDING: &str = "Pending";
pub const SUSPENDED: &str = "Suspended";
pub const PROVIDER_NOT_FOUND: &str = "ProviderNotFound";
pub const PROVIDER_NOT_ALLOWED: &str = "ProviderNotAllowed";
pub const PROVIDER_INVALID: &str = "ProviderInvalid";
pub const CREDENTIALS_NOT_FOUND: &str = "CredentialsNotFound";
pub const CREDENTIALS_NOT_LABELLED: &str = "CredentialsNotLabelled";
pub const CREDENTIALS_INCOMPLETE: &str = "CredentialsIncomplete";
pub const CREDENTIALS_REJECTED: &str = "CredentialsRejected";
pub const RATE_LIMITED: &str = "RateLimited";
pub const PROVIDER_UNAVAILABLE: &str = "ProviderUnavailable";
pub const RESPONSE_INVALID: &str = "ResponseInvalid";
pub const OUTPUT_CONFLICT: &str = "OutputConflict";
pub const TOKEN_EXPIRED: &str = "TokenExpired";

/// All of them, in the order of the documentation's table.
pub const ALL: &[&str] = &[
    ISSUED,
    PENDING,
    SUSPENDED,
    PROVIDER_NOT_FOUND,
    PROVIDER_NOT_ALLOWED,
    PROVIDER_INVALID,
    CREDENTIALS_NOT_FOUND,
    CREDENTIALS_NOT_LABELLED,
    CREDENTIALS_INCOMPLETE,
    CREDENTIALS_REJECTED,
    RATE_LIMITED,
    PROVIDER_UNAVAILABLE,
    RESPONSE_INVALID,
    OUTPUT_CONFLICT,
    TOKEN_EXPIRED,
];
