//! What the tests of this room start from.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use secrecy::SecretString;

use super::{
    definition::Definition,
    interpret::Reply,
    validate,
    values::{Credentials, SessionValues},
};
use crate::api::TokenProviderSpec;

/// A provider that uses as little as possible.
pub const MINIMAL: &str = r#"
url: https://api.example.com/v1
parameters: []
http:
  credentials: { required: [password], optional: [org] }
  login:
    method: POST
    path: /login
    body: { json: { password: "${credentials.password}" } }
    response:
      accessToken: { json: /token }
      expiry: [ { after: 1h } ]
  refresh:
    method: POST
    path: /refresh
    body: { json: { token: "${session.accessToken}" } }
"#;

pub fn spec(yaml: &str) -> TokenProviderSpec {
    serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"))
}

pub fn definition(yaml: &str) -> Definition {
    validate::compile(&spec(yaml)).unwrap_or_else(|error| panic!("{error}\n{yaml}"))
}

/// `MINIMAL` with one text replaced, which must be there.
pub fn minimal(from: &str, to: &str) -> String {
    assert!(MINIMAL.contains(from), "{from:?} is not in the minimal provider");
    MINIMAL.replacen(from, to, 1)
}

pub fn credentials(definition: &Definition, pairs: &[(&str, &str)]) -> Credentials {
    Credentials::read(definition, pairs.iter().map(|(key, value)| (*key, value.as_bytes()))).unwrap()
}

/// A session to refresh.
pub struct Session {
    pub access_token: SecretString,
    pub refresh_token: Option<SecretString>,
    pub outputs: BTreeMap<String, SecretString>,
}

impl Session {
    pub fn new(access_token: &str, refresh_token: Option<&str>, outputs: &[(&str, &str)]) -> Self {
        let outputs = outputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        Self { access_token: access_token.into(), refresh_token: refresh_token.map(Into::into), outputs }
    }

    pub fn values(&self) -> SessionValues<'_> {
        SessionValues {
            access_token: &self.access_token,
            refresh_token: self.refresh_token.as_ref(),
            outputs: &self.outputs,
        }
    }
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// When the requests of these tests are sent; their replies are there one second later.
pub fn sent_at() -> Timestamp {
    at("2026-11-20T12:00:00.7Z")
}

pub fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let received_at = at("2026-11-20T12:00:01.7Z");
    Reply { status, headers: map, body: body.as_bytes().to_vec().into(), sent_at: sent_at(), received_at }
}

/// A JWT with these claims, signed by nobody.
pub fn jwt(claims: &str) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(claims))
}
