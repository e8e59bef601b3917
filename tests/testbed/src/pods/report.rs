//! What the pods tell and are told, as JSON.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::vendors::{Counts, On, Operation};

/// What a consumer answers to `GET /`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerReport {
    pub counts: Counts,
    /// The first content of the files, and every other one after it.
    pub changes: Vec<Change>,
}

/// The files of the mounted Secret have changed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// When the consumer saw it, at most one interval after it was there.
    pub seen: Timestamp,
    /// When the kubelet wrote it.
    pub written: Timestamp,
    /// `jti` of the token, which stands in [`Served::issued`] too.
    pub token_id: Option<String>,
}

/// What a vendor answers to `GET /palette`, `/tenovos` or `/virtana` on the control port.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VendorReport {
    /// Calls of the protected endpoint with a good token. They are only counted.
    pub accepted: u64,
    /// All other requests, in the order of arrival.
    pub exchanges: Vec<Served>,
    /// Requests that a real vendor would not have understood.
    pub protocol_errors: Vec<String>,
}

/// One request.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Served {
    pub operation: Operation,
    pub account: Option<String>,
    pub received: Timestamp,
    pub answered: Option<Timestamp>,
    pub status: Option<u16>,
    /// Why the vendor refused it.
    pub refusal: Option<String>,
    /// The ids of the tokens that were given.
    pub issued: Vec<String>,
    /// Logins and refreshes of the account in flight when it arrived, itself included.
    pub in_flight: usize,
}

/// What a vendor is to be: the body of `POST /palette`, `/tenovos`, `/virtana`, and of `--setup` under these names.
/// What is not said stays as it is.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Setup {
    /// Of access tokens.
    pub lifetime_seconds: Option<u64>,
    /// Since login.
    pub session_limit_seconds: Option<u64>,
    pub login_latency_milliseconds: Option<u64>,
    pub refresh_latency_milliseconds: Option<u64>,
    /// To be opened, or replaced.
    pub accounts: Vec<AccountSetup>,
    /// Takes all faults back, before `fail` counts.
    pub heal: bool,
    /// What every such request meets from now on.
    pub fail: Option<Failing>,
    /// Forgets the history, last of all.
    pub clear: bool,
}

/// An account.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct AccountSetup {
    pub name: String,
    pub password: String,
    /// Palette.
    pub org: Option<String>,
    /// Tenovos.
    pub api_key: Option<String>,
}

/// A standing fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Failing {
    pub on: On,
    pub how: How,
}

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum How {
    /// No answer, and the connection stays open.
    Hang,
    /// The connection is closed before the first byte.
    Close,
    /// This status, with an empty body.
    Status(u16),
}
