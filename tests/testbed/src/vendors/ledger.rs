//! Every session and token that a vendor has given, and whether it is still good.
//!
//! Times are the vendor's own (see `Script::clock_offset`) and arguments: nothing here reads a clock.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::jwt::{self, Shape, SigningKey};

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    Access,
    /// Tenovos: `session.authorization`.
    Id,
    Refresh,
}

/// What the vendor knows of a token that it gave.
#[derive(Clone, Debug)]
pub struct Token {
    /// `jti` where the token is a JWT; unique.
    pub id: String,
    /// The order in which tokens were given: a larger one is newer.
    pub serial: u64,
    pub kind: TokenKind,
    pub account: String,
    /// One for each login.
    pub session: u64,
    /// One for each reply: tokens that were given together share it.
    pub grant: u64,
    pub issued_at: Timestamp,
    /// From this moment on it is refused. What the token or the reply says about it is never later.
    pub expires_at: Option<Timestamp>,
    /// Why it is refused before it expires.
    pub dead: Option<&'static str>,
    /// When a refresh token was first presented.
    pub spent_at: Option<Timestamp>,
}

/// A token to be given.
pub struct Order<'a> {
    pub session: u64,
    pub grant: u64,
    pub kind: TokenKind,
    /// `None`: opaque.
    pub shape: Option<Shape>,
    pub lifetime: Option<Duration>,
    /// Claims beside `jti`, `iat` and `exp`.
    pub claims: &'a [(&'a str, &'a str)],
}

struct Session {
    account: String,
    started: Timestamp,
    last_used: Timestamp,
    ended: Option<&'static str>,
}

/// The book of one vendor.
pub struct Ledger {
    name: &'static str,
    key: SigningKey,
    serial: u64,
    sessions: HashMap<u64, Session>,
    tokens: HashMap<String, Token>,
}

impl Ledger {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, key: SigningKey::generate(), serial: 0, sessions: HashMap::new(), tokens: HashMap::new() }
    }

    /// A number never given before.
    pub fn next_number(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub fn open_session(&mut self, account: &str, now: Timestamp) -> u64 {
        let number = self.next_number();
        let session = Session { account: account.to_owned(), started: now, last_used: now, ended: None };
        self.sessions.insert(number, session);
        number
    }

    /// Gives a token. It is good for at least its lifetime and at most a second longer: claims are whole seconds, and
    /// the vendor keeps exactly what it claims.
    pub fn issue(&mut self, order: &Order<'_>, now: Timestamp) -> (String, Token) {
        let serial = self.next_number();
        let id = format!("{}-{serial}", self.name);
        let expires_at = order.lifetime.map(|lifetime| whole_second_up(now + lifetime));
        let text = match order.shape {
            None => jwt::opaque(serial),
            Some(shape) => {
                let mut claims = json!({"jti": id, "iat": now.as_second()});
                if let Some(expires_at) = expires_at {
                    claims["exp"] = expires_at.as_second().into();
                }
                for (name, value) in order.claims {
                    claims[*name] = Value::from(*value);
                }
                self.key.sign(shape, &claims)
            }
        };
        let token = Token {
            id,
            serial,
            kind: order.kind,
            account: self.session(order.session).account.clone(),
            session: order.session,
            grant: order.grant,
            issued_at: now,
            expires_at,
            dead: None,
            spent_at: None,
        };
        self.tokens.insert(text.clone(), token.clone());
        (text, token)
    }

    /// What is known of a token, good or not.
    pub fn find(&self, text: &str) -> Option<&Token> {
        self.tokens.get(text)
    }

    /// The token, if it is good now. The error is for the history only.
    pub fn check(&self, text: &str, kind: TokenKind, now: Timestamp) -> Result<Token, &'static str> {
        if kind != TokenKind::Refresh {
            self.key.verify(text)?;
        }
        let token = self.tokens.get(text).ok_or("not a token of this vendor")?;
        match token {
            token if token.kind != kind => Err("a token of another kind"),
            Token { dead: Some(why), .. } => Err(why),
            Token { expires_at: Some(expires_at), .. } if *expires_at <= now => Err("the token has expired"),
            token => Ok(token.clone()),
        }
    }

    /// Whether the session may still be refreshed: `limit` counts from login, `idle` from its last use.
    pub fn check_session(
        &self,
        session: u64,
        limit: Option<Duration>,
        idle: Option<Duration>,
        now: Timestamp,
    ) -> Result<(), &'static str> {
        let session = self.session(session);
        let over = |since: Timestamp, limit: Option<Duration>| limit.is_some_and(|limit| since + limit <= now);
        match session.ended {
            Some(why) => Err(why),
            None if over(session.started, limit) => Err("the session has reached its limit"),
            None if over(session.last_used, idle) => Err("the session was idle for too long"),
            None => Ok(()),
        }
    }

    /// What is left of a session that lasts `limit` from login.
    pub fn session_left(&self, session: u64, limit: Duration, now: Timestamp) -> Duration {
        (self.session(session).started + limit).duration_since(now).try_into().unwrap_or_default()
    }

    pub fn touch(&mut self, session: u64, now: Timestamp) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.last_used = now;
        }
    }

    /// Notes that a refresh token was presented, and tells when that first happened, if it is not the first time.
    pub fn spend(&mut self, text: &str, now: Timestamp) -> Option<Timestamp> {
        let token = self.tokens.get_mut(text)?;
        let before = token.spent_at;
        token.spent_at.get_or_insert(now);
        before
    }

    pub fn kill(&mut self, text: &str, why: &'static str) {
        if let Some(token) = self.tokens.get_mut(text) {
            token.dead.get_or_insert(why);
        }
    }

    /// Ends sessions: they cannot be refreshed. Access tokens that live go on living, as signed tokens do.
    pub fn end_sessions(&mut self, account: Option<&str>, why: &'static str) {
        for session in self.sessions.values_mut().filter(|session| account.is_none_or(|name| session.account == name)) {
            session.ended.get_or_insert(why);
        }
    }

    /// Ends one session and all of its tokens, access tokens included.
    pub fn kill_family(&mut self, number: u64, why: &'static str) {
        if let Some(session) = self.sessions.get_mut(&number) {
            session.ended.get_or_insert(why);
        }
        self.kill_where(|token| token.session == number, why);
    }

    pub fn kill_where(&mut self, condition: impl Fn(&Token) -> bool, why: &'static str) {
        for token in self.tokens.values_mut().filter(|token| condition(token)) {
            token.dead.get_or_insert(why);
        }
    }

    /// The newest good token of a kind that an account has, with its text.
    pub fn newest(&self, account: &str, kind: TokenKind, now: Timestamp) -> Option<(String, Token)> {
        let good = self.tokens.iter().filter(|(text, token)| {
            token.account == account && token.kind == kind && self.check(text, kind, now).is_ok()
        });
        good.max_by_key(|(_, token)| token.serial).map(|(text, token)| (text.clone(), token.clone()))
    }

    /// The text of every token ever given.
    pub fn texts(&self) -> Vec<String> {
        self.tokens.keys().cloned().collect()
    }

    fn session(&self, number: u64) -> &Session {
        self.sessions.get(&number).expect("invariant: tokens name sessions that were opened")
    }
}

fn whole_second_up(time: Timestamp) -> Timestamp {
    let second = time.as_second() + i64::from(time.subsec_nanosecond() > 0);
    Timestamp::from_second(second).expect("invariant: lifetimes are not thousands of years")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(session: u64, lifetime: Duration) -> Order<'static> {
        Order {
            session,
            grant: 1,
            kind: TokenKind::Access,
            shape: Some(Shape::Hs256),
            lifetime: Some(lifetime),
            claims: &[],
        }
    }

    #[test]
    fn a_lifetime_below_a_second_ends_exactly_when_the_claim_says() {
        let mut ledger = Ledger::new("test");
        let now: Timestamp = "2026-01-01T00:00:00.25Z".parse().unwrap();
        let session = ledger.open_session("robot", now);
        let (text, token) = ledger.issue(&access(session, Duration::from_millis(10)), now);
        let exp = Timestamp::from_second(ledger.key.verify(&text).unwrap()["exp"].as_i64().unwrap()).unwrap();
        assert_eq!(token.expires_at, Some(exp));
        assert!(ledger.check(&text, TokenKind::Access, exp - Duration::from_nanos(1)).is_ok());
        assert_eq!(ledger.check(&text, TokenKind::Access, exp).unwrap_err(), "the token has expired");
    }

    #[test]
    fn ending_a_session_stops_refreshes_and_killing_the_family_stops_the_access_token_too() {
        let mut ledger = Ledger::new("test");
        let now = Timestamp::UNIX_EPOCH;
        let session = ledger.open_session("robot", now);
        let (text, _) = ledger.issue(&access(session, Duration::from_secs(60)), now);
        ledger.end_sessions(None, "revoked");
        assert_eq!(ledger.check_session(session, None, None, now), Err("revoked"));
        assert!(ledger.check(&text, TokenKind::Access, now).is_ok());
        ledger.kill_family(session, "presented twice");
        assert_eq!(ledger.check(&text, TokenKind::Access, now).unwrap_err(), "presented twice");
    }
}
