//! Virtana: OAuth 2.0 client credentials, by GET with a query or by POST with a multipart form.
//!
//! Undocumented, and so in the script: whether a repeated login gives the same token, and whether there is a refresh.

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
    multipart,
    script::{Rotation, Script, UnrotatedReply},
    vendor::{Counter, Misread, Outcome, Vendor},
    virtana_work as work,
};

/// The fake of Virtana.
pub type Virtana = Fake<VirtanaApi>;

/// The protocol.
pub struct VirtanaApi;

/// What is peculiar to Virtana.
#[derive(Clone, Debug)]
pub struct VirtanaQuirks {
    pub repeated_login: RepeatedLogin,
    /// Whether the `refresh_token` grant is served.
    pub refresh_grant: bool,
    pub rotation: Rotation,
    /// How a refresh reply shows the refresh token that stays.
    pub unrotated: UnrotatedReply,
}

/// What a login gives while the token of an earlier one is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepeatedLogin {
    NewToken,
    /// The same token with less time left, until no more than `until` is left of it.
    SameToken {
        until: Duration,
    },
}

/// A request that Virtana understands.
pub enum Ask {
    Login { client_id: String, client_secret: String },
    Refresh { client_id: String, client_secret: String, refresh_token: String },
    Protected { token: String },
}

impl Default for VirtanaQuirks {
    fn default() -> Self {
        Self {
            repeated_login: RepeatedLogin::NewToken,
            refresh_grant: false,
            rotation: Rotation::Never,
            unrotated: UnrotatedReply::Repeated,
        }
    }
}

impl Virtana {
    pub fn add_account(&self, client_id: &str, client_secret: &str) {
        self.accounts(|accounts| accounts.add(client_id, Account::new(client_secret)));
    }
}

impl Vendor for VirtanaApi {
    type Quirks = VirtanaQuirks;
    type Ask = Ask;

    const NAME: &'static str = "virtana";
    const HOST: &'static str = "app.cloud.virtana.com";
    const PREFIX: &'static str = "";
    const PROTECTED_PATH: &'static str = "/api/entities";
    const TOKEN_POINTER: &'static str = "/access_token";

    fn script() -> Script<VirtanaQuirks> {
        Script { lifetime: Duration::from_secs(12 * 3600), refused_refresh_status: 400, ..Script::default() }
    }

    fn read(request: &Request, inspection: &mut Inspection) -> Result<Ask, Misread> {
        match (request.path.as_str(), &request.method) {
            ("/authorization/oauth/token", &Method::GET | &Method::POST) => read_grant(request, inspection),
            ("/api/entities", &Method::GET) => read_protected(request, inspection),
            ("/authorization/oauth/token" | "/api/entities", method) => {
                inspection.note(format!("{method} where GET belongs, or POST for a token"));
                Err(Misread { operation: Operation::Other, reply: Self::error(405, "method_not_allowed") })
            }
            _ => {
                inspection.note(format!("{} on a path that Virtana does not have", request.method));
                Err(Misread { operation: Operation::Other, reply: Self::error(404, "not_found") })
            }
        }
    }

    fn operation(ask: &Ask) -> Operation {
        match ask {
            Ask::Login { .. } => Operation::Login,
            Ask::Refresh { .. } => Operation::Refresh,
            Ask::Protected { .. } => Operation::Protected,
        }
    }

    fn account(ask: &Ask, ledger: &Ledger) -> Option<String> {
        match ask {
            Ask::Login { client_id, .. } | Ask::Refresh { client_id, .. } => Some(client_id.clone()),
            Ask::Protected { token } => ledger.find(token).map(|token| token.account.clone()),
        }
    }

    fn act(ask: Ask, counter: &mut Counter<'_, VirtanaQuirks>) -> Outcome {
        match ask {
            Ask::Protected { token } => work::protected(&token, counter),
            Ask::Login { client_id, client_secret } => {
                work::admitted(&client_id, &client_secret, counter, |counter| work::login(&client_id, counter))
            }
            Ask::Refresh { client_id, client_secret, refresh_token } => {
                work::admitted(&client_id, &client_secret, counter, |counter| work::refresh(&refresh_token, counter))
            }
        }
    }

    /// The message is the OAuth error code (RFC 6749, 5.2).
    fn error(status: u16, message: &str) -> Reply {
        Reply::json(status, &json!({"error": message}))
    }
}

fn read_grant(request: &Request, inspection: &mut Inspection) -> Result<Ask, Misread> {
    let misread = |error| Misread { operation: Operation::Login, reply: VirtanaApi::error(400, error) };
    inspection.headers(request, &[]);
    let pairs = read_pairs(request, inspection).ok_or_else(|| misread("invalid_request"))?;
    let grant_type = pairs.iter().find(|(name, _)| name == "grant_type").map(|(_, value)| value.as_str());
    let more: &[&str] = match grant_type {
        Some("client_credentials") => &[],
        Some("refresh_token") => &["refresh_token"],
        other => {
            inspection.note(format!("grant_type is {other:?}"));
            return Err(misread("unsupported_grant_type"));
        }
    };
    let names = [&["grant_type", "client_id", "client_secret"], more].concat();
    let mut fields = inspection.pairs(pairs, &names).ok_or_else(|| misread("invalid_request"))?;
    let mut take = |name: &str| fields.remove(name).unwrap_or_default();
    let (client_id, client_secret) = (take("client_id"), take("client_secret"));
    Ok(match more {
        [] => Ask::Login { client_id, client_secret },
        _ => Ask::Refresh { client_id, client_secret, refresh_token: take("refresh_token") },
    })
}

/// The fields of a query or of a multipart form, as the method says.
fn read_pairs(request: &Request, inspection: &mut Inspection) -> Option<Vec<(String, String)>> {
    if request.method == Method::GET {
        inspection.no_body(request);
        return request.query_pairs().or_else(|| inspection.give_up("the query has a broken escape"));
    }
    inspection.query(request, &[]);
    multipart::read(request).map_err(|mistake| inspection.note(mistake)).ok()
}

fn read_protected(request: &Request, inspection: &mut Inspection) -> Result<Ask, Misread> {
    let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    token.map(|token| Ask::Protected { token: token.to_owned() }).ok_or_else(|| {
        inspection.note("header authorization is not `Bearer <token>`");
        Misread { operation: Operation::Protected, reply: VirtanaApi::error(401, "invalid_token") }
    })
}
