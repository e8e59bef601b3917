//! What a server of OAuth 2.0 does with a request that it understood.

use serde_json::{Value, json};

use super::{
    jwt::Shape,
    ledger::TokenKind,
    message::Reply,
    oauth::{Grant, OAuthApi, OAuthQuirks},
    oauth_client::{Presented, Registered, verified},
    vendor::{Counter, Issued, Outcome, Vendor},
};

type Desk<'c, 's> = &'c mut Counter<'s, OAuthQuirks>;

pub(super) fn token(client: &Presented, grant: Grant, scope: Option<&str>, counter: Desk<'_, '_>) -> Outcome {
    let admitted = match (client, &grant) {
        // The assertion is the authorization, and authenticates nobody (RFC 7521, 4.1).
        (Presented::Nothing, Grant::Bearer { .. }) => Ok("nobody".to_owned()),
        _ => client.admit(counter),
    };
    let id = match admitted {
        Ok(id) => id,
        Err(why) => return refused(counter.script.wrong_password_status, "invalid_client", why),
    };
    let allowed = |asked: &str| counter.script.quirks.scopes.iter().any(|known| known == asked);
    if !scope.unwrap_or_default().split_whitespace().all(allowed) {
        return refused(400, "invalid_scope", "a scope that is not granted here");
    }
    match grant {
        Grant::Client => login(&id, false, counter),
        Grant::Password { username, password } => {
            match counter.accounts.admit(&username, &password, counter.script.lockout_after) {
                Ok(()) => login(&username, true, counter),
                Err(why) => refused(400, "invalid_grant", why),
            }
        }
        Grant::Bearer { assertion } => bearer(&assertion, counter),
        Grant::Refresh { token } => refresh(&token, counter),
    }
}

fn bearer(assertion: &str, counter: Desk<'_, '_>) -> Outcome {
    let Registered::Key(public) = &counter.script.quirks.registered else {
        return refused(400, "unauthorized_client", "no key is registered");
    };
    match verified(assertion, public, counter.now) {
        Ok(subject) if counter.accounts.get(&subject).is_some() => login(&subject, false, counter),
        Ok(_) => refused(400, "invalid_grant", "no such subject"),
        Err(why) => refused(400, "invalid_grant", why),
    }
}

/// A client has its credentials, and needs no refresh token (RFC 6749, 4.4.3).
fn login(account: &str, with_refresh_token: bool, counter: Desk<'_, '_>) -> Outcome {
    let session = counter.open_session(account);
    let grant = (session, counter.ledger.next_number());
    let access = counter.issue(grant, TokenKind::Access, Some(Shape::Rs256), counter.script.lifetime);
    if !with_refresh_token {
        return give(&access, None, counter).of(Some(account));
    }
    let refresh_token = counter.issue(grant, TokenKind::Refresh, None, counter.script.lifetime);
    let mut outcome = give(&access, Some(refresh_token.json()), counter).of(Some(account));
    outcome.issued.push(refresh_token.token);
    outcome
}

fn refresh(presented: &str, counter: Desk<'_, '_>) -> Outcome {
    let ids = counter.ids(&[presented]);
    let (rotation, unrotated) = (counter.script.quirks.rotation, counter.script.quirks.unrotated);
    let token = match counter.take_refresh_token(presented, rotation) {
        Ok(token) => token,
        Err(why) => {
            return refused(counter.script.refused_refresh_status, "invalid_grant", why).presenting(ids);
        }
    };
    let grant = (token.session, counter.ledger.next_number());
    let access = counter.issue(grant, TokenKind::Access, Some(Shape::Rs256), counter.script.lifetime);
    let next = counter.next_refresh_token(presented, grant, rotation, unrotated, None);
    let mut outcome = give(&access, next.member, counter).of(Some(&token.account)).presenting(ids);
    outcome.issued.extend(next.issued.map(|issued| issued.token));
    outcome
}

fn give(access: &Issued, refresh_token: Option<Value>, counter: &Counter<'_, OAuthQuirks>) -> Outcome {
    let expires_in = access.seconds_left(counter.now);
    let mut body = json!({ "access_token": access.text, "expires_in": expires_in, "token_type": "Bearer" });
    if let Some(refresh_token) = refresh_token {
        body["refresh_token"] = refresh_token;
    }
    Outcome::new(Reply::json(200, &body).header("cache-control", "no-store")).issuing(vec![access.token.clone()])
}

fn refused(status: u16, code: &str, why: &str) -> Outcome {
    Outcome::refused(OAuthApi::error(status, code), why)
}

pub(super) fn protected(token: &str, counter: Desk<'_, '_>) -> Outcome {
    let presented = counter.ids(&[token]);
    let outcome = match counter.ledger.check(token, TokenKind::Access, counter.now) {
        Err(why) => refused(401, "invalid_token", why),
        Ok(good) => Outcome::new(Reply::json(200, &json!({ "items": [] }))).of(Some(&good.account)),
    };
    outcome.presenting(presented)
}
