//! Palette (Spectro Cloud): one token, refreshed by itself while it lives.
//!
//! Undocumented, and so in the script: the status of a wrong password, whether a refresh kills the token before.

use std::time::Duration;

use http::Method;
use serde_json::json;

use super::{
    accounts::Account,
    fake::Fake,
    history::Operation,
    inspect::Inspection,
    ledger::Ledger,
    message::{Reply, Request},
    palette_work as work,
    script::{RateLimit, Script},
    vendor::{Counter, Misread, Outcome, Vendor},
};

/// The fake of Palette.
pub type Palette = Fake<PaletteApi>;

/// The protocol.
pub struct PaletteApi;

/// What is peculiar to Palette.
#[derive(Clone, Debug)]
pub struct PaletteQuirks {
    /// A second factor is wanted: the reply has `isMfa: true` and a token that is good for nothing.
    pub is_mfa: bool,
    /// The tenant's session timeout: a session that was not used for so long cannot be refreshed.
    pub idle_limit: Duration,
    /// Tokens with `+/=` in them, which must be percent-encoded in the refresh path.
    pub url_unsafe_tokens: bool,
}

/// A request that Palette understands.
pub enum Ask {
    Login { email: String, password: String, org: Option<String>, set_cookie: bool },
    Refresh { token: String, set_cookie: bool },
    Revoke { authorization: String, tokens: Vec<String> },
    Protected { token: String },
}

/// What Palette documents: 10 requests a second for each source address and path prefix, 5 more at once.
pub const DOCUMENTED_RATE_LIMIT: RateLimit = RateLimit { per_second: 10.0, burst: 5.0 };

impl Default for PaletteQuirks {
    fn default() -> Self {
        Self { is_mfa: false, idle_limit: Duration::from_secs(240 * 60), url_unsafe_tokens: false }
    }
}

impl Palette {
    pub fn add_account(&self, email: &str, password: &str) {
        self.accounts(|accounts| accounts.add(email, Account::new(password)));
    }

    /// An account of a tenant: a login may name the tenant (`org`), and no other.
    pub fn add_account_in(&self, org: &str, email: &str, password: &str) {
        let account = Account { org: Some(org.to_owned()), ..Account::new(password) };
        self.accounts(|accounts| accounts.add(email, account));
    }
}

impl Vendor for PaletteApi {
    type Quirks = PaletteQuirks;
    type Ask = Ask;

    const NAME: &'static str = "palette";
    const HOST: &'static str = "api.spectrocloud.com";
    const PREFIX: &'static str = "";
    const PROTECTED_PATH: &'static str = "/v1/projects/alerts";
    const TOKEN_POINTER: &'static str = "/Authorization";

    fn script() -> Script<PaletteQuirks> {
        Script { lifetime: Duration::from_secs(15 * 60), ..Script::default() }
    }

    fn read(request: &Request, inspection: &mut Inspection) -> Result<Ask, Misread> {
        let segments = request.segments().unwrap_or_default();
        let segments: Vec<_> = segments.iter().map(String::as_str).collect();
        let (method, operation) = match segments.as_slice() {
            ["v1", "auth", "authenticate"] => (Method::POST, Operation::Login),
            ["v1", "auth", "refresh", _] => (Method::GET, Operation::Refresh),
            ["v1", "users", "auth", "tokens", "revoke"] => (Method::POST, Operation::Other),
            ["v1", "projects", "alerts"] => (Method::GET, Operation::Protected),
            _ => {
                inspection.note(format!("{} on a path that Palette does not have", request.method));
                return Err(Misread { operation: Operation::Other, reply: Self::error(404, "not found") });
            }
        };
        let misread = |status, message| Misread { operation, reply: Self::error(status, message) };
        if request.method != method {
            inspection.note(format!("{} where {method} belongs", request.method));
            return Err(misread(405, "method not allowed"));
        }
        let ask = match (operation, segments.as_slice()) {
            (Operation::Login, _) => read_login(request, inspection),
            (Operation::Refresh, [.., token]) => Some(read_refresh(request, token, inspection)),
            (Operation::Protected, _) => read_protected(request, inspection),
            _ => read_revoke(request, inspection),
        };
        ask.ok_or_else(|| misread(if operation == Operation::Protected { 401 } else { 400 }, "invalid request"))
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
            Ask::Login { email, .. } => Some(email.clone()),
            Ask::Refresh { token, .. } | Ask::Protected { token } => owner(token),
            Ask::Revoke { authorization, .. } => owner(authorization),
        }
    }

    fn act(ask: Ask, counter: &mut Counter<'_, PaletteQuirks>) -> Outcome {
        match ask {
            Ask::Login { email, password, org, set_cookie } => {
                work::login(&email, &password, org.as_deref(), set_cookie, counter)
            }
            Ask::Refresh { token, set_cookie } => work::refresh(&token, set_cookie, counter),
            Ask::Protected { token } => work::protected(&token, counter),
            Ask::Revoke { authorization, tokens } => work::revoke(&authorization, &tokens, counter),
        }
    }

    fn error(status: u16, message: &str) -> Reply {
        let body = json!({"code": "ErrorFromFake", "message": message, "details": "", "ref": "fake-0001"});
        Reply::json(status, &body)
    }
}

fn read_login(request: &Request, inspection: &mut Inspection) -> Option<Ask> {
    inspection.headers(request, &[]);
    let set_cookie = sets_cookie(request, inspection);
    let body = inspection.json_object(request)?;
    let mut fields = inspection.texts(&body, &["emailId", "password"], &["org"])?;
    Some(Ask::Login {
        email: fields.remove("emailId")?,
        password: fields.remove("password")?,
        org: fields.remove("org"),
        set_cookie,
    })
}

fn read_refresh(request: &Request, token: &str, inspection: &mut Inspection) -> Ask {
    inspection.headers(request, &[]);
    inspection.no_body(request);
    Ask::Refresh { token: token.to_owned(), set_cookie: sets_cookie(request, inspection) }
}

fn read_protected(request: &Request, inspection: &mut Inspection) -> Option<Ask> {
    match request.header("authorization") {
        None => inspection.give_up("header authorization is missing"),
        Some(value) if value.contains(' ') => inspection.give_up("header authorization is not the bare token"),
        Some(token) => Some(Ask::Protected { token: token.to_owned() }),
    }
}

fn read_revoke(request: &Request, inspection: &mut Inspection) -> Option<Ask> {
    inspection.headers(request, &["authorization"]);
    let body = inspection.json_object(request)?;
    let tokens = body.get("tokens").filter(|_| body.len() == 1).and_then(serde_json::Value::as_array);
    let Some(tokens) = tokens else {
        return inspection.give_up("the body is not {\"tokens\": [...]}");
    };
    let tokens = tokens.iter().filter_map(|token| token.as_str().map(str::to_owned)).collect();
    Some(Ask::Revoke { authorization: request.header("authorization").unwrap_or_default().to_owned(), tokens })
}

/// The default of `setCookie` is true, and a cookie is wanted by nobody here.
fn sets_cookie(request: &Request, inspection: &mut Inspection) -> bool {
    inspection.query(request, &[("setCookie", "false")]);
    request.query_pairs().is_none_or(|pairs| !pairs.contains(&("setCookie".to_owned(), "false".to_owned())))
}
