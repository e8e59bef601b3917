//! Requests that may be shown: made by the operator's own rendering, with marks in place of secrets.
//!
//! A mark goes wherever its secret would go, encoded as that would be, and is turned into `•••` with a length at the
//! end. So a shown request holds no byte of a secret, and is the real one in all else.

use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded;

use crate::provider::{
    definition::Definition,
    render::Request,
    values::{Credentials, SessionValues},
};

/// Marks and what they stand for.
#[derive(Default)]
pub struct Masks(Vec<Mask>);

struct Mask {
    mark: String,
    /// Characters of the secret; `None` where there is none yet.
    length: Option<usize>,
}

impl Masks {
    /// A mark for a secret: letters and digits, so that no place encodes it, and found in no other text.
    pub fn mark(&mut self, secret: Option<&SecretString>) -> SecretString {
        let length = secret.map(|secret| secret.expose_secret().chars().count());
        let mark = format!("maskedQ7rZ{}of2Kx9v", self.0.len());
        self.0.push(Mask { mark: mark.clone(), length });
        SecretString::from(mark)
    }

    /// The declared keys that have a value, with marks for values.
    pub fn credentials(&mut self, definition: &Definition, credentials: &Credentials) -> Credentials {
        let keys = definition.credentials.required.iter().chain(&definition.credentials.optional);
        let marked: Vec<_> =
            keys.filter_map(|key| Some((key.as_str(), self.mark(Some(credentials.get(key)?))))).collect();
        let pairs = marked.iter().map(|(key, mark)| (*key, mark.expose_secret().as_bytes()));
        Credentials::read(definition, pairs).unwrap_or_default()
    }

    /// A session's values as marks; of each what there is, or all of them if there is no session yet.
    pub fn session(&mut self, definition: &Definition, session: Option<SessionValues<'_>>) -> MaskedSession {
        let response = &definition.login.response;
        let refresh_token = match session {
            Some(session) => session.refresh_token.map(|token| self.mark(Some(token))),
            None => response.refresh_token.as_ref().map(|_| self.mark(None)),
        };
        let outputs = match session {
            Some(session) => {
                session.outputs.iter().map(|(name, value)| (name.clone(), self.mark(Some(value)))).collect()
            }
            None => response.outputs.keys().map(|name| (name.clone(), self.mark(None))).collect(),
        };
        MaskedSession { access_token: self.mark(session.map(|it| it.access_token)), refresh_token, outputs }
    }

    /// The text with its marks turned into what people see.
    #[must_use]
    pub fn shown(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for mask in &self.0 {
            let seen = mask.length.map_or_else(|| "•••".to_owned(), |length| format!("•••({length})"));
            text = text.replace(&mask.mark, &seen);
        }
        text
    }
}

/// A session of marks.
pub struct MaskedSession {
    access_token: SecretString,
    refresh_token: Option<SecretString>,
    outputs: std::collections::BTreeMap<String, SecretString>,
}

impl MaskedSession {
    #[must_use]
    pub const fn values(&self) -> SessionValues<'_> {
        SessionValues {
            access_token: &self.access_token,
            refresh_token: self.refresh_token.as_ref(),
            outputs: &self.outputs,
        }
    }
}

/// A request made with marks, as lines: method and URL, headers, an empty line, the body in a readable form.
#[must_use]
pub fn lines(request: &Request, masks: &Masks) -> Vec<String> {
    let mut lines = vec![format!("{} {}", request.method, request.url.expose_secret())];
    let mut kind = "";
    for (name, value) in &request.headers {
        let value = value.expose_secret();
        if name == http::header::CONTENT_TYPE {
            kind = value.split(';').next().unwrap_or_default();
        }
        lines.push(format!("{name}: {}", basic(value).unwrap_or_else(|| value.to_owned())));
    }
    if let Some(body) = &request.body {
        lines.push(String::new());
        lines.extend(body_lines(kind, &String::from_utf8_lossy(body.expose_secret())));
    }
    lines.iter().map(|line| masks.shown(line)).collect()
}

/// Basic authentication with its two halves to be seen.
fn basic(value: &str) -> Option<String> {
    let pair = BASE64_STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
    Some(format!("Basic base64({})", String::from_utf8(pair).ok()?))
}

fn body_lines(kind: &str, body: &str) -> Vec<String> {
    let json = serde_json::from_str::<serde_json::Value>(body).ok().filter(|_| kind == "application/json");
    match json {
        Some(json) => format!("{json:#}").lines().map(str::to_owned).collect(),
        None if kind == "application/x-www-form-urlencoded" => {
            form_urlencoded::parse(body.as_bytes()).map(|(name, value)| format!("{name}={value}")).collect()
        }
        None => body.lines().map(str::to_owned).collect(),
    }
}
