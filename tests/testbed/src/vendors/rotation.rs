//! Refresh tokens in use: presented, found good or stolen, repeated or replaced.

use serde_json::Value;

use super::{
    jwt::Shape,
    ledger::{Token, TokenKind},
    script::{Rotation, UnrotatedReply},
    vendor::{Counter, Issued},
};

/// What a refresh reply says about the refresh token.
pub struct NextRefreshToken {
    /// `None`: the member is left out.
    pub member: Option<Value>,
    pub issued: Option<Issued>,
}

impl<Q> Counter<'_, Q> {
    /// Takes a refresh token in. The error is for the history only.
    pub fn take_refresh_token(&mut self, text: &str, rotation: Rotation) -> Result<Token, &'static str> {
        let token = self.ledger.check(text, TokenKind::Refresh, self.now)?;
        self.ledger.check_session(token.session, self.script.session_limit, None, self.now)?;
        let spent_before = self.ledger.spend(text, self.now);
        if let (Rotation::OneTime { grace }, Some(first)) = (rotation, spent_before)
            && first + grace <= self.now
        {
            // RFC 9700, 4.14.2: one of the two who presented it is a thief, and nobody knows which.
            let why = "a one-time refresh token was presented twice: its session is dead";
            self.ledger.kill_family(token.session, why);
            return Err(why);
        }
        if self.script.refresh_kills_previous {
            let (session, why) = (token.session, "a refresh replaced this token");
            self.ledger.kill_where(|other| other.session == session && other.kind != TokenKind::Refresh, why);
        }
        Ok(token)
    }

    /// What the reply shows after `old` was taken in.
    pub fn next_refresh_token(
        &mut self,
        old: &str,
        grant: (u64, u64),
        rotation: Rotation,
        unrotated: UnrotatedReply,
        shape: Option<Shape>,
    ) -> NextRefreshToken {
        if rotation != Rotation::Never {
            let issued = self.issue(grant, TokenKind::Refresh, shape, self.script.lifetime);
            return NextRefreshToken { member: Some(issued.json()), issued: Some(issued) };
        }
        let member = match unrotated {
            UnrotatedReply::Repeated => Some(Value::from(old)),
            UnrotatedReply::Absent => None,
            UnrotatedReply::Null => Some(Value::Null),
            UnrotatedReply::Empty => Some(Value::from("")),
        };
        NextRefreshToken { member, issued: None }
    }
}
