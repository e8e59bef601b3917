//! A token endpoint of OAuth 2.0 (RFC 6749, 7523): strict about how a client shows who it is.
//!
//! A client authenticates in the one way that it is registered with; any other is `invalid_client`, and a mistake.

use std::{collections::BTreeMap, time::Duration};

use http::Method;
use serde_json::json;

use super::{
    accounts::Account,
    fake::Fake,
    history::Operation,
    inspect::Inspection,
    ledger::Ledger,
    message::{Reply, Request},
    oauth_client::{Presented, Registered},
    oauth_metadata::{self as metadata, AskedFor, ISSUER_PATH, Published},
    oauth_work as work,
    script::{Rotation, Script, UnrotatedReply},
    vendor::{Counter, Misread, Outcome, Vendor},
};

/// The fake of a server of OAuth 2.0.
pub type OAuth = Fake<OAuthApi>;

/// The protocol.
pub struct OAuthApi;

/// How this server is set up.
#[derive(Clone, Debug)]
pub struct OAuthQuirks {
    /// How its clients authenticate.
    pub registered: Registered,
    /// What it grants; a login that asks for another scope is `invalid_scope`.
    pub scopes: Vec<String>,
    pub rotation: Rotation,
    pub unrotated: UnrotatedReply,
    pub published: Published,
}

/// What is asked for.
pub enum Grant {
    Client,
    Password { username: String, password: String },
    Refresh { token: String },
    Bearer { assertion: String },
}

/// A request that the server understands.
pub enum Ask {
    Token { path: String, client: Presented, grant: Grant, scope: Option<String> },
    Protected { token: String },
    Metadata(AskedFor),
}

/// Where assertions are addressed to, and tokens are asked for.
pub(super) const TOKEN_PATH: &str = "/oauth2/token";
/// Where the token endpoint may move to.
pub const SECOND_TOKEN_PATH: &str = "/oauth2/v2/token";
const GRANT_JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

impl Default for OAuthQuirks {
    fn default() -> Self {
        Self {
            registered: Registered::Basic,
            scopes: Vec::new(),
            rotation: Rotation::ONE_TIME,
            unrotated: UnrotatedReply::Absent,
            published: Published::default(),
        }
    }
}

impl OAuth {
    pub fn token_url(&self) -> String {
        format!("{}{TOKEN_PATH}", self.base_url())
    }

    /// What its metadata names as the issuer.
    pub fn issuer(&self) -> String {
        format!("{}{ISSUER_PATH}", self.base_url())
    }

    /// How often its metadata were asked for.
    pub fn discoveries(&self) -> usize {
        self.record().of(Operation::Metadata).len()
    }

    /// A client with its secret, or a user with a password.
    pub fn add_account(&self, name: &str, secret: &str) {
        self.open_account(name, Account::new(secret));
    }
}

impl Vendor for OAuthApi {
    type Quirks = OAuthQuirks;
    type Ask = Ask;

    const NAME: &'static str = "oauth";
    const HOST: &'static str = "idp.example.com";
    const PREFIX: &'static str = "";
    const PROTECTED_PATH: &'static str = "/api/items";
    const TOKEN_POINTER: &'static str = "/access_token";

    fn script() -> Script<OAuthQuirks> {
        Script { lifetime: Duration::from_secs(3600), refused_refresh_status: 400, ..Script::default() }
    }

    fn read(request: &Request, inspection: &mut Inspection) -> Result<Ask, Misread> {
        if let Some(asked) = metadata::read(request, inspection) {
            return asked;
        }
        match (request.path.as_str(), &request.method) {
            (TOKEN_PATH | SECOND_TOKEN_PATH, &Method::POST) => read_grant(request, inspection),
            ("/api/items", &Method::GET) => read_protected(request, inspection),
            (path, method) => {
                let known = matches!(path, TOKEN_PATH | "/api/items");
                inspection.note(format!("{method} on a path, or with a method, that this server does not have"));
                let reply = if known { Self::error(405, "invalid_request") } else { Self::error(404, "not_found") };
                Err(Misread { operation: Operation::Other, reply })
            }
        }
    }

    fn operation(ask: &Ask) -> Operation {
        match ask {
            Ask::Token { grant: Grant::Refresh { .. }, .. } => Operation::Refresh,
            Ask::Token { .. } => Operation::Login,
            Ask::Protected { .. } => Operation::Protected,
            Ask::Metadata(_) => Operation::Metadata,
        }
    }

    fn account(ask: &Ask, ledger: &Ledger) -> Option<String> {
        match ask {
            Ask::Token { grant: Grant::Password { username, .. }, .. } => Some(username.clone()),
            Ask::Token { client, .. } => client.id(),
            Ask::Protected { token } => ledger.find(token).map(|token| token.account.clone()),
            Ask::Metadata(_) => None,
        }
    }

    fn act(ask: Ask, counter: &mut Counter<'_, OAuthQuirks>) -> Outcome {
        match ask {
            Ask::Protected { token } => work::protected(&token, counter),
            Ask::Metadata(asked) => metadata::answer(&asked, counter),
            Ask::Token { path, .. } if path != counter.script.quirks.published.token_path => {
                Outcome::refused(Self::error(404, "not_found"), "the token endpoint is elsewhere")
            }
            Ask::Token { client, grant, scope, .. } => work::token(&client, grant, scope.as_deref(), counter),
        }
    }

    /// The message is the code (RFC 6749, 5.2).
    fn error(status: u16, message: &str) -> Reply {
        Reply::json(status, &json!({ "error": message, "error_description": "a text that nobody may repeat" }))
    }
}

fn read_grant(request: &Request, inspection: &mut Inspection) -> Result<Ask, Misread> {
    let misread = |error| Misread { operation: Operation::Login, reply: OAuthApi::error(400, error) };
    inspection.headers(request, &["authorization"]);
    inspection.query(request, &[]);
    let mut fields = form(request, inspection).ok_or_else(|| misread("invalid_request"))?;
    let client = Presented::take(request, &mut fields, inspection).ok_or_else(|| misread("invalid_request"))?;
    let mut take = |name: &str| fields.remove(name).ok_or_else(|| misread("invalid_request"));
    let grant = match take("grant_type")?.as_str() {
        "client_credentials" => Grant::Client,
        "password" => Grant::Password { username: take("username")?, password: take("password")? },
        "refresh_token" => Grant::Refresh { token: take("refresh_token")? },
        GRANT_JWT_BEARER => Grant::Bearer { assertion: take("assertion")? },
        other => {
            inspection.note(format!("grant_type is {other:?}"));
            return Err(misread("unsupported_grant_type"));
        }
    };
    let scope = fields.remove("scope");
    if scope.is_some() && matches!(grant, Grant::Refresh { .. }) {
        inspection.note("a refresh asks for a scope");
    }
    for name in fields.keys() {
        inspection.note(format!("field {name} is unknown"));
    }
    Ok(Ask::Token { path: request.path.clone(), client, grant, scope })
}

fn form(request: &Request, inspection: &mut Inspection) -> Option<BTreeMap<String, String>> {
    if request.header("content-type") != Some("application/x-www-form-urlencoded") {
        return inspection.give_up("content-type is not application/x-www-form-urlencoded");
    }
    let mut fields = BTreeMap::new();
    for (name, value) in request.form_pairs().or_else(|| inspection.give_up("the form has a broken escape"))? {
        if value.is_empty() {
            inspection.note(format!("field {name} is empty"));
        }
        if fields.insert(name.clone(), value).is_some() {
            return inspection.give_up(format!("field {name} is there more than once"));
        }
    }
    Some(fields)
}

fn read_protected(request: &Request, inspection: &mut Inspection) -> Result<Ask, Misread> {
    let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    token.map(|token| Ask::Protected { token: token.to_owned() }).ok_or_else(|| {
        inspection.note("header authorization is not `Bearer <token>`");
        Misread { operation: Operation::Protected, reply: OAuthApi::error(401, "invalid_token") }
    })
}
