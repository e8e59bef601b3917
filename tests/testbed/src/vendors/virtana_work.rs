//! What Virtana does with a request that it understood.

use serde_json::json;

use super::{
    jwt::Shape,
    ledger::TokenKind,
    message::Reply,
    vendor::{Counter, Issued, Outcome, Vendor},
    virtana::{RepeatedLogin, VirtanaApi, VirtanaQuirks},
};

/// Does the work of a client whose secret is right.
pub(super) fn admitted(
    client_id: &str,
    secret: &str,
    counter: &mut Counter<'_, VirtanaQuirks>,
    work: impl FnOnce(&mut Counter<'_, VirtanaQuirks>) -> Outcome,
) -> Outcome {
    let outcome = match counter.accounts.admit(client_id, secret, counter.script.lockout_after) {
        Ok(()) => work(counter),
        Err(why) => Outcome::refused(VirtanaApi::error(counter.script.wrong_password_status, "invalid_client"), why),
    };
    outcome.of(Some(client_id))
}

pub(super) fn login(client_id: &str, counter: &mut Counter<'_, VirtanaQuirks>) -> Outcome {
    if let RepeatedLogin::SameToken { until } = counter.script.quirks.repeated_login
        && let Some((text, token)) = counter.ledger.newest(client_id, TokenKind::Access, counter.now)
        && token.expires_at.is_some_and(|expires_at| counter.now + until < expires_at)
    {
        let refresh_token = counter.ledger.newest(client_id, TokenKind::Refresh, counter.now);
        let member = refresh_token.map(|(text, _)| text.into());
        return give(&Issued { text, token }, member, counter);
    }
    let session = counter.open_session(client_id);
    let grant = (session, counter.ledger.next_number());
    let access = counter.issue(grant, TokenKind::Access, Some(Shape::Hs256), counter.script.lifetime);
    let refresh_token = counter.issue(grant, TokenKind::Refresh, Some(Shape::Hs256), counter.script.lifetime);
    let mut outcome = give(&access, Some(refresh_token.json()), counter);
    outcome.issued.push(refresh_token.token);
    outcome
}

pub(super) fn refresh(refresh_token: &str, counter: &mut Counter<'_, VirtanaQuirks>) -> Outcome {
    if !counter.script.quirks.refresh_grant {
        return Outcome::refused(VirtanaApi::error(400, "unsupported_grant_type"), "there is no refresh grant");
    }
    let presented = counter.ids(&[refresh_token]);
    let (rotation, unrotated) = (counter.script.quirks.rotation, counter.script.quirks.unrotated);
    let token = match counter.take_refresh_token(refresh_token, rotation) {
        Ok(token) => token,
        Err(why) => {
            let reply = VirtanaApi::error(counter.script.refused_refresh_status, "invalid_grant");
            return Outcome::refused(reply, why).presenting(presented);
        }
    };
    let grant = (token.session, counter.ledger.next_number());
    let access = counter.issue(grant, TokenKind::Access, Some(Shape::Hs256), counter.script.lifetime);
    let next = counter.next_refresh_token(refresh_token, grant, rotation, unrotated, Some(Shape::Hs256));
    let mut outcome = give(&access, next.member, counter).presenting(presented);
    outcome.issued.extend(next.issued.map(|issued| issued.token));
    outcome
}

fn give(access: &Issued, refresh_token: Option<serde_json::Value>, counter: &Counter<'_, VirtanaQuirks>) -> Outcome {
    let expires_in = access.seconds_left(counter.now);
    let mut body =
        json!({"access_token": access.text, "expires_in": expires_in, "scope": "Scope", "token_type": "Bearer"});
    if let Some(refresh_token) = refresh_token {
        body["refresh_token"] = refresh_token;
    }
    Outcome::new(Reply::json(200, &body)).issuing(vec![access.token.clone()])
}

pub(super) fn protected(token: &str, counter: &mut Counter<'_, VirtanaQuirks>) -> Outcome {
    let presented = counter.ids(&[token]);
    let outcome = match counter.ledger.check(token, TokenKind::Access, counter.now) {
        Err(why) => Outcome::refused(VirtanaApi::error(401, "invalid_token"), why),
        Ok(good) => Outcome::new(Reply::json(200, &json!({"entities": []}))).of(Some(&good.account)),
    };
    outcome.presenting(presented)
}
