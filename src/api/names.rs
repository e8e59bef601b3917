//! The fixed names that the operator puts on objects and looks for.

/// API group of the three kinds, and prefix of every label and annotation of ours.
pub const GROUP: &str = "apitoken.dev";
/// Field manager of every write.
pub const FIELD_MANAGER: &str = "apitoken-operator";
/// Secret that holds the key of the credentials fingerprints, in the operator's namespace.
pub const KEY_SECRET: &str = "apitoken-operator-key";
/// Type of a session Secret.
pub const SESSION_SECRET_TYPE: &str = "apitoken.dev/session";

/// The label by which the operator sees a Secret at all, and by which its owner consents.
pub const ROLE_LABEL: &str = "apitoken.dev/role";
pub const ROLE_CREDENTIALS: &str = "credentials";
pub const ROLE_SESSION: &str = "session";
pub const ROLE_OUTPUT: &str = "output";
pub const ROLE_TLS: &str = "tls";

/// On an ApiToken: refresh now; each new text asks once.
pub const REFRESH_REQUESTED_AT: &str = "apitoken.dev/refresh-requested-at";

/// On an output: what people and pods may want to know of the token inside.
pub const EXPIRES_AT: &str = "apitoken.dev/expires-at";
pub const ISSUED_AT: &str = "apitoken.dev/issued-at";
/// On a session, for people.
pub const RENEW_AT: &str = "apitoken.dev/renew-at";
pub const PROVIDER: &str = "apitoken.dev/provider";
/// On an output: `<name>/<uid>` of the ApiToken it belongs to.
pub const OWNER: &str = "apitoken.dev/owner";
/// On an output: which grant, projected by which output spec, it holds.
pub const REVISION: &str = "apitoken.dev/revision";
/// On an output: the label and annotation keys that came from the spec, so that they can go with it.
pub const MANAGED_METADATA: &str = "apitoken.dev/managed-metadata";

/// How the names of session Secrets begin; no output may be named so.
pub const SESSION_SECRET_PREFIX: &str = "apitoken-session-";

/// Name of the session Secret of the ApiToken with this uid.
#[must_use]
pub fn session_secret(uid: &str) -> String {
    format!("{SESSION_SECRET_PREFIX}{uid}")
}
