//! The `oauth2` form (PROVIDER-FORM section 8). In the schema, so that nothing is renamed when it is served.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    duration::HumanDuration,
    errand::{OAuth2Probe, OAuth2Revoke},
    http::{Expiry, OptionalValue, Reuse},
    response, schema,
};

/// A token endpoint of OAuth 2.0 (RFC 6749). The credentials Secret's keys are clientId, clientSecret, username,
/// password, refreshToken, privateKey and keyId; which are required follows from grant and clientAuth.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.tokenURL) != has(self.issuer)")
    .message("give exactly one of tokenURL and issuer"))]
#[x_kube(validation = Rule::new("!has(self.clientAuth) || !has(self.clientAuth.method) || \
    self.clientAuth.method != 'None' || (has(self.grant) && self.grant != 'ClientCredentials')")
    .message("the grant ClientCredentials needs a client that authenticates: None goes with other grants only")
    .field_path(".clientAuth.method"))]
#[x_kube(validation = Rule::new("!has(self.assertion) || (has(self.grant) && self.grant == 'JWTBearer')")
    .message("only the grant JWTBearer has an assertion").field_path(".assertion").reason(Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.refresh) || !has(self.refresh.use) || self.refresh.use != 'Never' || \
    !has(self.grant) || self.grant != 'RefreshToken'")
    .message("a refresh token of the credentials is good for one login: Never goes with other grants only")
    .field_path(".refresh.use"))]
#[x_kube(validation = Rule::new("!has(self.revoke) || !has(self.grant) || self.grant != 'RefreshToken'")
    .message("revocation may end the whole session, and with the grant RefreshToken nobody can log in again")
    .field_path(".revoke").reason(Reason::FieldValueForbidden))]
pub struct OAuth2 {
    /// Where tokens are asked for: an http or https URL without user or fragment, at most 1024 characters. Exactly one
    /// of tokenURL and issuer. Example: https://idp.example.com/oauth2/token.
    #[serde(default, rename = "tokenURL", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::token_url")]
    pub token_url: Option<String>,
    /// The issuer, whose metadata (OpenID Connect Discovery, else RFC 8414) names the token endpoint. Compared with the
    /// metadata byte for byte, a final slash included. Example: https://idp.example.com/realms/main.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::base_url")]
    pub issuer: Option<String>,
    /// How a login is done. ClientCredentials (default): as the client itself. Password: with username and password.
    /// RefreshToken: with a refresh token that somebody obtained, presented once. JWTBearer: with an assertion signed by
    /// privateKey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantType>,
    /// Template of the client's id, at most 4096 characters. Default ${credentials.clientId}.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::template")]
    pub client_id: Option<String>,
    /// How the client shows who it is. Default: HTTP basic authentication with clientId and clientSecret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_auth: Option<ClientAuth>,
    /// Templates of the scopes, at most 32; sent as one field, joined by spaces. Example: [read,
    /// "${parameters.scope}"].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::words")]
    pub scopes: Vec<String>,
    /// Templates of the audiences, at most 32; an audience field for each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::words")]
    pub audience: Vec<String>,
    /// Templates of the resources (RFC 8707), at most 32; a resource field for each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::words")]
    pub resources: Vec<String>,
    /// Names and templates of further form fields of the login, at most 32; none that the other fields make.
    /// Example: { organization: acme }.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::login_fields")]
    pub parameters: BTreeMap<String, String>,
    /// What the assertion says; only with grant JWTBearer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion: Option<Assertion>,
    /// Whether and how sessions are refreshed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<OAuth2Refresh>,
    /// Where to ask, now and then, whether the access token is still good. A refused token is renewed once; if the next
    /// one is refused too, renewals for that keep growing pauses. Absent: nobody asks before the renewal that is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<OAuth2Probe>,
    /// Where to revoke the access token before the one in the output (RFC 7009), 5 minutes or more after that was
    /// written there. Some servers end the whole session with it. Absent: each token lives to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke: Option<OAuth2Revoke>,
    /// Further values of the reply to keep, at most 16, by a name of your own (a letter, then letters and digits; not
    /// accessToken, refreshToken or expiresAt). Example: { idToken: { json: /id_token, optional: true } }.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "response::outputs")]
    pub outputs: BTreeMap<String, OptionalValue>,
    /// How long an access token lives where the reply does not say and the token is no JWT, such as 1h; longer than 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub lifetime: Option<HumanDuration>,
}

/// The grant of RFC 6749 or RFC 7523 that a login uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::without_description)]
pub enum GrantType {
    /// As the client itself.
    #[default]
    ClientCredentials,
    /// With a user's name and password.
    Password,
    /// With a refresh token that somebody obtained before.
    RefreshToken,
    /// With a signed assertion (RFC 7523).
    JWTBearer,
}

/// How the client shows who it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!has(self.encoding) || !has(self.method) || self.method == 'Basic'")
    .message("only the method Basic has an encoding").field_path(".encoding").reason(Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.algorithm) || (has(self.method) && self.method == 'PrivateKeyJWT')")
    .message("only the method PrivateKeyJWT has an algorithm")
    .field_path(".algorithm").reason(Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.audience) || (has(self.method) && self.method == 'PrivateKeyJWT')")
    .message("only the method PrivateKeyJWT has an audience")
    .field_path(".audience").reason(Reason::FieldValueForbidden))]
pub struct ClientAuth {
    /// Basic (default): HTTP basic authentication. Body: client_id and client_secret as form fields. PrivateKeyJWT: an
    /// assertion signed by privateKey (RFC 7523). TLS: a client certificate (RFC 8705), tls.crt and tls.key of the
    /// credentials, else that of tls.clientCertificateRef. None: a public client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<ClientAuthMethod>,
    /// FormURLEncoded (default): as RFC 6749 wants it. Raw: for servers that do not decode. Only with Basic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<ClientAuthEncoding>,
    /// RS256 (default), PS256 or ES256. Only with PrivateKeyJWT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// The aud claim of the assertion, one text. Default: the token URL. Only with PrivateKeyJWT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::word")]
    pub audience: Option<String>,
}

/// The method of client authentication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::without_description)]
pub enum ClientAuthMethod {
    /// HTTP basic authentication.
    #[default]
    Basic,
    /// `client_id` and `client_secret` as form fields.
    Body,
    /// A signed assertion (RFC 7523).
    PrivateKeyJWT,
    /// A client certificate (RFC 8705).
    #[serde(rename = "TLS")]
    Tls,
    /// A public client: its id and nothing else.
    None,
}

/// How id and secret are written before base64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::without_description)]
pub enum ClientAuthEncoding {
    /// Form-urlencoded (RFC 6749, 2.3.1).
    #[default]
    FormURLEncoded,
    /// As they are.
    Raw,
}

/// How an assertion is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::without_description)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[default]
    RS256,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
}

/// The assertion of the grant `JWTBearer`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Assertion {
    /// Template of the iss claim. Default: clientId.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::word")]
    pub issuer: Option<String>,
    /// Template of the sub claim: on whose behalf. Default: clientId.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::word")]
    pub subject: Option<String>,
    /// The aud claim, one text. Default: the token URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::word")]
    pub audience: Option<String>,
    /// RS256 (default), PS256 or ES256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
}

/// Whether and how sessions are refreshed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!has(self.use) || self.use != 'Never' || !(has(self.reuse) || \
    has(self.parameters) || has(self.sessionLimit) || has(self.sessionExpiry))")
    .message("with use: Never nothing is refreshed, and the other fields mean nothing"))]
pub struct OAuth2Refresh {
    /// Auto: refresh when the session has a refresh token, else log in. Never: always log in. Default Never for the
    /// grants ClientCredentials and JWTBearer, Auto for the others.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub use_: Option<RefreshUse>,
    /// Whether the same refresh token may be presented twice. OneTime (default): never; after a crash at the wrong
    /// moment this costs one login, and with the grant RefreshToken a new consent. Reusable: yes, the server accepts it
    /// again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse: Option<Reuse>,
    /// Names and templates of further form fields of the refresh, at most 32.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::refresh_fields")]
    pub parameters: BTreeMap<String, String>,
    /// How long after the login the server still refreshes, such as 720h; longer than 0. It does not slide; a login is
    /// made before it is reached, but not with the grant RefreshToken. Absent: no limit is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub session_limit: Option<HumanDuration>,
    /// Where a reply says when the session ends, at most 8 ways to tell; without after. Example:
    /// [ { seconds: { json: /refresh_expires_in } } ].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(validation = Rule::new("self.all(e, !has(e.after))")
        .message("takes no after: for a fixed time there is sessionLimit"))]
    pub session_expiry: Vec<Expiry>,
}

/// Whether sessions are refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::without_description)]
pub enum RefreshUse {
    /// When the session has a refresh token.
    Auto,
    /// Each renewal is a login.
    Never,
}
