//! A provider: accounts with a lockout counter, sessions with refresh tokens, and odd replies on demand.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use apitoken_operator::api::http::Operation;
use serde_json::{Value, json};

use crate::{
    errand::Offers,
    fault::{HOUR, MINUTE, Odd, SECOND},
    history::{Issue, Meaning},
    leak::CANARY,
    rng::Rng,
};

/// Wrong passwords in a row that lock an account.
const LOCKOUT: u32 = 5;

pub struct Vendor {
    pub number: usize,
    /// Milliseconds.
    pub lifetime: i64,
    pub one_time: bool,
    /// A used one-time token is good for this long; then it ends its whole session.
    grace: i64,
    /// Milliseconds; the definition says so too.
    pub session_limit: Option<i64>,
    refreshes: bool,
    /// By user name.
    pub accounts: BTreeMap<String, Account>,
    sessions: Vec<Session>,
    refresh_tokens: BTreeMap<String, RefreshToken>,
    /// By the token itself.
    pub issues: BTreeMap<String, Issue>,
    pub odd: VecDeque<Odd>,
    pub down_until: i64,
    /// How often the definition was edited.
    pub edits: u32,
    /// The last token of each user.
    last: BTreeMap<String, String>,
    pub offers: Offers,
    /// Serials of tokens that were ended before their expiry.
    pub ended: BTreeSet<u64>,
    /// What it answers instead to the next requests about a token.
    pub odd_errands: VecDeque<u16>,
}

#[derive(Default)]
pub struct Account {
    pub password: String,
    pub wrong: u32,
    pub locked: bool,
}

struct Session {
    user: String,
    began_at: i64,
    over: bool,
}

struct RefreshToken {
    session: usize,
    used_at: Option<i64>,
}

/// What a provider answers.
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<i64>,
    pub body: String,
    /// The password was wrong.
    pub refused: bool,
    /// Other than the provider is by itself.
    pub odd: Option<Odd>,
    /// The refresh token that goes on, because no other was given (RFC 6749 section 6).
    pub kept: Option<String>,
}

impl Answer {
    pub fn of(status: u16) -> Self {
        Self { status, retry_after: None, body: "{}".to_owned(), refused: false, odd: None, kept: None }
    }

    pub fn meaning(&self, operation: Operation) -> Meaning {
        match (self.status, self.odd, operation) {
            (200, Some(Odd::Garbage), _) => Meaning::Unclear,
            (200, Some(Odd::EmptyToken), _) => Meaning::Refused,
            (200, Some(Odd::NoRefreshToken), Operation::Login) | (200, Some(Odd::Lifetime(_)), Operation::Refresh) => {
                Meaning::LastToken
            }
            (200, ..) => Meaning::Granted,
            (429 | 503, ..) => Meaning::NotNow,
            (400..=499, ..) => Meaning::Refused,
            _ => Meaning::Unclear,
        }
    }
}

impl Vendor {
    pub fn new(number: usize, lifetime: i64, rng: &mut Rng) -> Self {
        let one_time = rng.percent(60);
        Self {
            number,
            lifetime,
            one_time,
            grace: if rng.percent(30) { 30 * SECOND } else { 0 },
            session_limit: rng.percent(40).then(|| lifetime * rng.between(4, 20)),
            refreshes: one_time || rng.percent(70),
            accounts: BTreeMap::new(),
            sessions: Vec::new(),
            refresh_tokens: BTreeMap::new(),
            issues: BTreeMap::new(),
            odd: VecDeque::new(),
            down_until: 0,
            edits: 0,
            last: BTreeMap::new(),
            offers: Offers::new(lifetime, rng),
            ended: BTreeSet::new(),
            odd_errands: VecDeque::new(),
        }
    }

    /// Its sessions are refreshed without an end.
    pub fn endless(self) -> Self {
        Self { refreshes: true, session_limit: None, ..self }
    }

    /// The spec of its ClusterTokenProvider.
    pub fn spec(&self) -> Value {
        let mut response = json!({
            "accessToken": { "json": "/token" },
            "expiry": [{ "seconds": { "json": "/expiresIn" } }, { "after": "10m" }],
        });
        if self.refreshes {
            response["refreshToken"] = json!({ "json": "/refresh" });
        }
        let uid = json!({ "X-Uid": "${apiToken.uid}" });
        let mut http = json!({
            "credentials": { "required": ["user", "password"] },
            "login": { "method": "POST", "path": "/login", "headers": uid, "response": response,
                "body": { "json": { "user": "${credentials.user}", "password": "${credentials.password}" } } },
        });
        if self.refreshes {
            http["refresh"] = json!({ "method": "POST", "path": "/refresh", "headers": uid,
                "body": { "json": { "refresh": "${session.refreshToken}" } },
                "reuse": if self.one_time { "OneTime" } else { "Reusable" } });
            if let Some(limit) = self.session_limit {
                http["refresh"]["sessionLimit"] = json!(format!("{}s", limit / SECOND));
            }
        }
        let about = |path| json!({ "method": "POST", "path": path, "headers": uid, "body": { "json": { "token": "${session.accessToken}" } } });
        if let Some(interval) = self.offers.probe {
            http["probe"] = about("/probe");
            http["probe"]["interval"] = json!(format!("{}s", interval / SECOND));
        }
        if self.offers.revoke {
            http["revoke"] = about("/revoke");
        }
        let timeout = format!("{}s", 20 + self.edits);
        json!({ "url": format!("https://v{}.example.com", self.number), "limits": { "timeout": timeout }, "http": http })
    }

    /// What it says to a request that it has taken in.
    pub fn answer(&mut self, operation: Operation, body: &Value, serial: u64, now: i64) -> Answer {
        let odd = self.odd.pop_front();
        if let Some(Odd::Status(status, retry_after)) = odd {
            // Whoever is told to wait has not been heard.
            let kept = body["refresh"].as_str().filter(|_| matches!(status, 429 | 503)).map(str::to_owned);
            return Answer { retry_after, odd, kept, ..Answer::of(status) };
        }
        if odd == Some(Odd::Echo) {
            let body = json!({ "error": body, "error_description": body.to_string(), "message": body.to_string() });
            return Answer { odd, body: body.to_string(), ..Answer::of(404) };
        }
        let session = match operation {
            Operation::Login => self.log_in(body, now),
            Operation::Refresh => self.refresh(body, now),
        };
        match session {
            Err(answer) => Answer { odd, ..answer },
            Ok(session) => {
                let mut answer = self.grant(session, odd, serial, now);
                answer.kept = body["refresh"].as_str().filter(|_| odd == Some(Odd::NoRefreshToken)).map(str::to_owned);
                if let Some(token) = answer.kept.as_ref().and_then(|kept| self.refresh_tokens.get_mut(kept)) {
                    token.used_at = None;
                }
                answer
            }
        }
    }

    fn log_in(&mut self, body: &Value, now: i64) -> Result<usize, Answer> {
        let user = body["user"].as_str().unwrap_or_default().to_owned();
        let account = self.accounts.get_mut(&user).ok_or_else(|| Answer::of(404))?;
        if account.locked || body["password"] != account.password.as_str() {
            account.wrong += 1;
            account.locked |= account.wrong >= LOCKOUT;
            return Err(Answer { refused: true, ..Answer::of(401) });
        }
        account.wrong = 0;
        self.sessions.push(Session { user, began_at: now, over: false });
        Ok(self.sessions.len() - 1)
    }

    fn refresh(&mut self, body: &Value, now: i64) -> Result<usize, Answer> {
        let presented = body["refresh"].as_str().unwrap_or_default();
        let token = self.refresh_tokens.get_mut(presented).ok_or_else(|| Answer::of(400))?;
        let session = &mut self.sessions[token.session];
        if self.one_time {
            let reused = token.used_at.is_some_and(|used| used + self.grace < now);
            // RFC 9700 section 4.14: somebody has stolen it, whoever that is.
            session.over |= reused;
            token.used_at.get_or_insert(now);
        }
        let ended = self.session_limit.is_some_and(|limit| session.began_at + limit <= now);
        if session.over || ended { Err(Answer::of(400)) } else { Ok(token.session) }
    }

    fn grant(&mut self, session: usize, odd: Option<Odd>, serial: u64, now: i64) -> Answer {
        let user = self.sessions[session].user.clone();
        let mut lifetime = json!(self.lifetime / SECOND);
        let mut expires_at = Some(now + self.lifetime);
        if let Some(Odd::Lifetime(text)) = odd {
            lifetime = serde_json::from_str(text).unwrap_or(Value::Null);
            expires_at = None;
        }
        let token = format!("{CANARY}at-{}-{serial}-{user}", self.number);
        let mut body = json!({ "token": token, "expiresIn": lifetime });
        if self.refreshes {
            let refresh = format!("{CANARY}rt-{}-{serial}-{user}", self.number);
            self.refresh_tokens.insert(refresh.clone(), RefreshToken { session, used_at: None });
            body["refresh"] = json!(refresh);
        }
        match odd {
            Some(Odd::Garbage) => return Answer { body: "<html>".to_owned(), odd, ..Answer::of(200) },
            Some(Odd::EmptyToken) => body["token"] = json!(""),
            Some(Odd::NoRefreshToken) => drop(body.as_object_mut().unwrap().remove("refresh")),
            Some(Odd::SameToken) => self.repeat(&user, &mut body, now),
            _ => {}
        }
        let given = body["token"].as_str().unwrap().to_owned();
        self.issues.entry(given.clone()).or_insert(Issue { serial, sent_at: now, expires_at });
        self.last.insert(user, given);
        Answer { body: body.to_string(), odd, ..Answer::of(200) }
    }

    /// The token that it gave before, with what is left of its life.
    fn repeat(&self, user: &str, body: &mut Value, now: i64) {
        let Some(token) = self.last.get(user) else { return };
        let issue = self.issues.get(token).filter(|issue| !self.ended.contains(&issue.serial));
        let expires_at = issue.and_then(|issue| issue.expires_at);
        let Some(expires_at) = expires_at.filter(|at| *at > now + SECOND) else { return };
        body["token"] = json!(token);
        body["expiresIn"] = json!((expires_at - now) / SECOND);
    }

    /// All sessions are forgotten; what was issued stays good.
    pub fn revoke(&mut self) {
        for session in &mut self.sessions {
            session.over = true;
        }
    }
}

/// Lifetimes of tokens of a run that lasts so long: long ones for most, or the run would take for ever.
pub fn lifetime(rng: &mut Rng, dense: bool) -> i64 {
    if dense {
        rng.pick(&[2 * MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR])
    } else {
        rng.pick(&[12 * HOUR, 24 * HOUR, 72 * HOUR, 7 * 24 * HOUR])
    }
}
