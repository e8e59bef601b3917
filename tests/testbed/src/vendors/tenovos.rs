//! Tenovos: two tokens that belong together and an opaque refresh token, all from one address.
//!
//! Undocumented, and so in the script: whether a refresh repeats the refresh token, and which token `expireEpoch`
//! speaks of.

use std::time::Duration;

use http::Method;
use serde_json::{Map, Value};

use super::{
    accounts::Account,
    fake::Fake,
    history::Operation,
    inspect::Inspection,
    ledger::Ledger,
    message::{Reply, Request},
    script::{Rotation, Script, UnrotatedReply},
    tenovos_work as work,
    vendor::{Counter, Misread, Outcome, Vendor},
};

/// The fake of Tenovos.
pub type Tenovos = Fake<TenovosApi>;

/// The protocol.
pub struct TenovosApi;

/// What is peculiar to Tenovos.
#[derive(Clone, Debug)]
pub struct TenovosQuirks {
    pub rotation: Rotation,
    /// How a refresh reply shows the refresh token that stays.
    pub unrotated: UnrotatedReply,
    /// `None`: as the access token's.
    pub id_token_lifetime: Option<Duration>,
    pub expire_epoch_unit: EpochUnit,
    pub expire_epoch_of: EpochOf,
    /// Errors of logins and refreshes come with status 200.
    pub errors_with_status_200: bool,
}

/// How `expireEpoch` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochUnit {
    Milliseconds,
    /// With a decimal point.
    MillisecondsFloat,
    Seconds,
    /// The member is left out.
    Absent,
}

/// What `expireEpoch` speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochOf {
    AccessToken,
    IdToken,
}

/// A request that Tenovos understands; `api_key` is `None` where the header is missing.
pub enum Ask {
    Login { api_key: Option<String>, username: String, password: String },
    Refresh { api_key: Option<String>, access_token: String, refresh_token: String },
    Revoke { api_key: Option<String>, refresh_token: String },
    Protected { api_key: Option<String>, authorization: String, access_token: String },
}

/// What Tenovos says a login takes on average.
pub const DOCUMENTED_LOGIN_LATENCY: Duration = Duration::from_millis(3671);
/// What Tenovos says a refresh takes on average.
pub const DOCUMENTED_REFRESH_LATENCY: Duration = Duration::from_millis(233);

impl Default for TenovosQuirks {
    fn default() -> Self {
        Self {
            rotation: Rotation::Never,
            unrotated: UnrotatedReply::Repeated,
            id_token_lifetime: None,
            expire_epoch_unit: EpochUnit::Milliseconds,
            expire_epoch_of: EpochOf::AccessToken,
            errors_with_status_200: false,
        }
    }
}

impl Tenovos {
    /// An account of the customer who has this API key.
    pub fn add_account(&self, username: &str, password: &str, api_key: &str) {
        let account = Account { api_key: Some(api_key.to_owned()), ..Account::new(password) };
        self.accounts(|accounts| accounts.add(username, account));
    }
}

impl Vendor for TenovosApi {
    type Quirks = TenovosQuirks;
    type Ask = Ask;

    const NAME: &'static str = "tenovos";
    const HOST: &'static str = "api.tenovos.io";
    const PREFIX: &'static str = "/v1";
    const PROTECTED_PATH: &'static str = "/assets";
    const TOKEN_POINTER: &'static str = "/session/accessToken";

    fn script() -> Script<TenovosQuirks> {
        Script { session_limit: Some(Duration::from_secs(30 * 24 * 3600)), ..Script::default() }
    }

    fn read(request: &Request, inspection: &mut Inspection) -> Result<Ask, Misread> {
        match (&request.method, request.path.as_str()) {
            (&Method::POST | &Method::DELETE, "/v1/auth/token") => read_token_request(request, inspection),
            (&Method::GET, "/v1/assets") => read_protected(request, inspection)
                .ok_or_else(|| Misread { operation: Operation::Protected, reply: Self::error(401, "Unauthorized") }),
            (method, _) => {
                inspection.note(format!("{method} on a path that Tenovos does not have, or without its /v1"));
                // How an API gateway answers what it has no route for.
                let reply = Reply::json(403, &serde_json::json!({"message": "Missing Authentication Token"}));
                Err(Misread { operation: Operation::Other, reply })
            }
        }
    }

    fn operation(ask: &Ask) -> Operation {
        match ask {
            Ask::Login { .. } => Operation::Login,
            Ask::Refresh { .. } => Operation::Refresh,
            Ask::Protected { .. } => Operation::Protected,
            Ask::Revoke { .. } => Operation::Other,
        }
    }

    fn account(ask: &Ask, ledger: &Ledger) -> Option<String> {
        let owner = |token: &str| ledger.find(token).map(|token| token.account.clone());
        match ask {
            Ask::Login { username, .. } => Some(username.clone()),
            Ask::Refresh { refresh_token, .. } | Ask::Revoke { refresh_token, .. } => owner(refresh_token),
            Ask::Protected { access_token, .. } => owner(access_token),
        }
    }

    fn act(ask: Ask, counter: &mut Counter<'_, TenovosQuirks>) -> Outcome {
        let (Ask::Login { api_key, .. }
        | Ask::Refresh { api_key, .. }
        | Ask::Revoke { api_key, .. }
        | Ask::Protected { api_key, .. }) = &ask;
        if !api_key.as_deref().is_some_and(|key| counter.accounts.has_api_key(key)) {
            return Outcome::refused(forbidden(), "no such API key");
        }
        let api_key = api_key.clone().unwrap_or_default();
        match ask {
            Ask::Login { username, password, .. } => work::login(&username, &password, &api_key, counter),
            Ask::Refresh { access_token, refresh_token, .. } => work::refresh(&access_token, &refresh_token, counter),
            Ask::Revoke { refresh_token, .. } => work::revoke(&refresh_token, counter),
            Ask::Protected { authorization, access_token, .. } => {
                work::protected(&api_key, &authorization, &access_token, counter)
            }
        }
    }

    fn error(status: u16, message: &str) -> Reply {
        Reply::json(status, &serde_json::json!({"status": "error", "message": message}))
    }
}

/// A bad API key is refused by the gateway, whose errors have no `status`.
fn forbidden() -> Reply {
    Reply::json(403, &serde_json::json!({"message": "Forbidden"}))
}

fn read_token_request(request: &Request, inspection: &mut Inspection) -> Result<Ask, Misread> {
    inspection.headers(request, &["x-api-key"]);
    inspection.query(request, &[]);
    let body = inspection.json_object(request).ok_or_else(|| Misread {
        operation: Operation::Login,
        reply: TenovosApi::error(400, "The body is not a JSON object"),
    })?;
    let (operation, ask) = if request.method == Method::DELETE {
        (Operation::Other, read_session(request, &body, inspection))
    } else if body.contains_key("session") {
        (Operation::Refresh, read_session(request, &body, inspection))
    } else {
        (Operation::Login, read_login(request, &body, inspection))
    };
    // Missing parameters are 401, as a wrong password is.
    ask.ok_or_else(|| Misread { operation, reply: TenovosApi::error(401, "Missing parameters") })
}

fn read_login(request: &Request, body: &Map<String, Value>, inspection: &mut Inspection) -> Option<Ask> {
    let mut fields = inspection.texts(body, &["username", "password"], &["clientId"])?;
    let (username, password) = (fields.remove("username")?, fields.remove("password")?);
    Some(Ask::Login { api_key: api_key(request, inspection), username, password })
}

fn read_session(request: &Request, body: &Map<String, Value>, inspection: &mut Inspection) -> Option<Ask> {
    for name in body.keys().filter(|name| *name != "session") {
        inspection.note(format!("field {name} is unknown"));
    }
    let Some(Value::Object(session)) = body.get("session") else {
        return inspection.give_up("field session is not an object");
    };
    let mut fields = inspection.texts(session, &["accessToken", "refreshToken"], &[])?;
    let (access_token, refresh_token) = (fields.remove("accessToken")?, fields.remove("refreshToken")?);
    let api_key = api_key(request, inspection);
    Some(match request.method {
        Method::DELETE => Ask::Revoke { api_key, refresh_token },
        _ => Ask::Refresh { api_key, access_token, refresh_token },
    })
}

fn read_protected(request: &Request, inspection: &mut Inspection) -> Option<Ask> {
    let mut needed = |name: &str| match request.header(name) {
        None => inspection.give_up(format!("header {name} is missing")),
        Some(value) if value.contains(' ') => inspection.give_up(format!("header {name} is not the bare token")),
        Some(value) => Some(value.to_owned()),
    };
    let (authorization, access_token) = (needed("authorization"), needed("accesstoken"));
    let api_key = api_key(request, inspection);
    Some(Ask::Protected { api_key, authorization: authorization?, access_token: access_token? })
}

fn api_key(request: &Request, inspection: &mut Inspection) -> Option<String> {
    match request.header("x-api-key") {
        None => inspection.give_up("header x-api-key is missing"),
        Some(key) => Some(key.to_owned()),
    }
}
