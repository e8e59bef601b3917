//! The names that may stand in `${...}`, and what people meant when they wrote another.

use std::fmt;

/// What a template can ask for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// `credentials.KEY`
    Credential(String),
    /// `parameters.NAME`
    Parameter(String),
    /// `apiToken.uid`
    ApiTokenUid,
    /// `session.accessToken`
    SessionAccessToken,
    /// `session.refreshToken`
    SessionRefreshToken,
    /// `session.outputs.NAME`
    SessionOutput(String),
    /// `accessToken`
    AccessToken,
    /// `expiresAt`
    ExpiresAt,
    /// `outputs.NAME`
    Output(String),
}

impl Name {
    /// The name of this exact spelling, if it is one. Nothing is trimmed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "apiToken.uid" => return Some(Self::ApiTokenUid),
            "session.accessToken" => return Some(Self::SessionAccessToken),
            "session.refreshToken" => return Some(Self::SessionRefreshToken),
            "accessToken" => return Some(Self::AccessToken),
            "expiresAt" => return Some(Self::ExpiresAt),
            _ => {}
        }
        let of_session = text
            .strip_prefix("session.outputs.")
            .map(|key| ("session.outputs", key));
        let (family, key) = of_session.or_else(|| text.split_once('.'))?;
        if !is_key(key) {
            return None;
        }
        let key = key.to_owned();
        match family {
            "credentials" => Some(Self::Credential(key)),
            "parameters" => Some(Self::Parameter(key)),
            "session.outputs" => Some(Self::SessionOutput(key)),
            "outputs" => Some(Self::Output(key)),
            _ => None,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential(key) => write!(f, "credentials.{key}"),
            Self::Parameter(name) => write!(f, "parameters.{name}"),
            Self::ApiTokenUid => f.write_str("apiToken.uid"),
            Self::SessionAccessToken => f.write_str("session.accessToken"),
            Self::SessionRefreshToken => f.write_str("session.refreshToken"),
            Self::SessionOutput(name) => write!(f, "session.outputs.{name}"),
            Self::AccessToken => f.write_str("accessToken"),
            Self::ExpiresAt => f.write_str("expiresAt"),
            Self::Output(name) => write!(f, "outputs.{name}"),
        }
    }
}

/// What a key of a Secret may hold; parameters and outputs are narrower still.
fn is_key(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// The end of the message about a name that does not exist.
pub(super) fn suggestion(written: &str) -> String {
    match meant(written.trim()) {
        Some(name) if name != written => format!(": did you mean `${{{name}}}`?"),
        _ => ": known are credentials.KEY, parameters.NAME, apiToken.uid; in a refresh session.accessToken, \
              session.refreshToken, session.outputs.NAME; in output.data accessToken, expiresAt, outputs.NAME"
            .to_owned(),
    }
}

fn meant(written: &str) -> Option<String> {
    if Name::parse(written).is_some() {
        return Some(written.to_owned());
    }
    let (family, key) = written.split_once('.').unwrap_or((written, ""));
    let lower: String = family
        .chars()
        .filter(char::is_ascii_alphabetic)
        .collect::<String>()
        .to_ascii_lowercase();
    let candidate = match (lower.as_str(), key) {
        ("credential" | "credentials" | "creds" | "secret" | "secrets" | "credentialsref", key) => {
            format!("credentials.{key}")
        }
        ("parameter" | "parameters" | "params" | "param", key) => format!("parameters.{key}"),
        ("output" | "outputs", key) => format!("outputs.{key}"),
        ("apitoken", "uid" | "metadata.uid") | ("uid", "") => "apiToken.uid".to_owned(),
        ("session", "access_token" | "token" | "accesstoken") => "session.accessToken".to_owned(),
        ("session", "refresh_token" | "refreshtoken") => "session.refreshToken".to_owned(),
        ("session", key) => format!("session.outputs.{}", key.strip_prefix("output.").unwrap_or(key)),
        ("accesstoken" | "token", "") => "accessToken".to_owned(),
        ("refreshtoken", "") => "session.refreshToken".to_owned(),
        ("expiresat" | "expiry" | "expires", "") => "expiresAt".to_owned(),
        _ => return None,
    };
    Name::parse(&candidate).map(|name| name.to_string())
}
