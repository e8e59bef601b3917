//! What one vendor's file must say: how requests are read, and what they do.
//!
//! `read` judges form only and is strict; `act` judges content (passwords, tokens) and never complains about form,
//! except where tokens of different sessions are mixed, which only the books can show.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    accounts::Accounts,
    history::Operation,
    inspect::Inspection,
    jwt::Shape,
    ledger::{Ledger, Order, Token, TokenKind},
    message::{Reply, Request},
    script::Script,
};

/// One vendor's protocol.
pub trait Vendor: Send + Sync + Sized + 'static {
    /// What the vendor's own undocumented or peculiar behaviour may be set to.
    type Quirks: Clone + Default + Send + 'static;
    /// A request that was understood.
    type Ask: Send + 'static;

    /// In token ids.
    const NAME: &'static str;
    /// The host of the real one, in the certificate beside loopback.
    const HOST: &'static str;
    /// The path of the base URL, without a slash at the end.
    const PREFIX: &'static str;
    /// A GET that wants a good token.
    const PROTECTED_PATH: &'static str;
    /// Where the access token stands in a good reply (RFC 6901).
    const TOKEN_POINTER: &'static str;

    /// The behaviour that the vendor documents.
    fn script() -> Script<Self::Quirks>;

    /// Understands a request, or answers as the vendor answers what it does not understand.
    fn read(request: &Request, inspection: &mut Inspection) -> Result<Self::Ask, Misread>;

    fn operation(ask: &Self::Ask) -> Operation;

    /// Whose request it is, as far as can be told before any check.
    fn account(ask: &Self::Ask, ledger: &Ledger) -> Option<String>;

    /// Does what was asked.
    fn act(ask: Self::Ask, counter: &mut Counter<'_, Self::Quirks>) -> Outcome;

    /// The vendor's error body with a status.
    fn error(status: u16, message: &str) -> Reply;
}

/// A request that the vendor does not understand, and its answer.
pub struct Misread {
    /// As far as the path tells.
    pub operation: Operation,
    pub reply: Reply,
}

/// Where a request is worked on: what the vendor knows, and how it behaves at this moment.
pub struct Counter<'a, Q> {
    pub script: &'a Script<Q>,
    pub accounts: &'a mut Accounts,
    pub ledger: &'a mut Ledger,
    /// On the vendor's clock.
    pub now: Timestamp,
}

/// What became of a request.
pub struct Outcome {
    pub reply: Reply,
    pub account: Option<String>,
    pub presented: Vec<String>,
    pub issued: Vec<Token>,
    pub refusal: Option<String>,
    pub mistakes: Vec<String>,
}

impl Outcome {
    pub fn new(reply: Reply) -> Self {
        Self { reply, account: None, presented: Vec::new(), issued: Vec::new(), refusal: None, mistakes: Vec::new() }
    }

    /// An answer that refuses, with the true reason for the history.
    pub fn refused(reply: Reply, why: impl Into<String>) -> Self {
        Self { refusal: Some(why.into()), ..Self::new(reply) }
    }

    #[must_use]
    pub fn of(mut self, account: Option<&str>) -> Self {
        self.account = account.map(str::to_owned);
        self
    }

    #[must_use]
    pub fn presenting(mut self, ids: Vec<String>) -> Self {
        self.presented = ids;
        self
    }

    #[must_use]
    pub fn issuing(mut self, tokens: Vec<Token>) -> Self {
        self.issued = tokens;
        self
    }
}

impl<Q> Counter<'_, Q> {
    /// Opens the session of a login that was admitted.
    pub fn open_session(&mut self, account: &str) -> u64 {
        if self.script.single_session {
            self.ledger.end_sessions(Some(account), "a later login ended this session");
            self.ledger.kill_where(|token| token.account == account, "a later login ended this session");
        }
        self.ledger.open_session(account, self.now)
    }

    /// Gives a token of a session, with the scripted lifetime unless another is given.
    pub fn issue(&mut self, grant: (u64, u64), kind: TokenKind, shape: Option<Shape>, lifetime: Duration) -> Issued {
        let (session, grant) = grant;
        let lifetime = match self.script.session_limit.filter(|_| self.script.session_end_cuts_lifetime) {
            Some(limit) => lifetime.min(self.ledger.session_left(session, limit, self.now)),
            None => lifetime,
        };
        let use_of = match kind {
            TokenKind::Access => "access",
            TokenKind::Id => "id",
            TokenKind::Refresh => "refresh",
        };
        let lifetime = (kind != TokenKind::Refresh).then_some(lifetime);
        let claims = [("token_use", use_of)];
        let (text, token) =
            self.ledger.issue(&Order { session, grant, kind, shape, lifetime, claims: &claims }, self.now);
        Issued { text, token }
    }

    /// The ids of tokens as they are presented.
    pub fn ids(&self, texts: &[&str]) -> Vec<String> {
        let id = |text: &&str| self.ledger.find(text).map_or_else(|| "unknown".to_owned(), |token| token.id.clone());
        texts.iter().map(id).collect()
    }
}

/// A token with its text.
pub struct Issued {
    pub text: String,
    pub token: Token,
}

impl Issued {
    /// Whole seconds from `now` until it expires, rounded down.
    pub fn seconds_left(&self, now: Timestamp) -> i64 {
        self.token.expires_at.map_or(0, |expires_at| expires_at.duration_since(now).as_secs())
    }

    pub fn json(&self) -> Value {
        Value::from(self.text.as_str())
    }
}
