//! What Tenovos does with a request that it understood.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    jwt::Shape,
    ledger::TokenKind,
    message::Reply,
    script::Rotation,
    tenovos::{EpochOf, EpochUnit, TenovosApi, TenovosQuirks},
    vendor::{Counter, Issued, Outcome, Vendor},
};

type Desk<'a, 'b> = &'a mut Counter<'b, TenovosQuirks>;

pub(super) fn login(username: &str, password: &str, api_key: &str, counter: Desk<'_, '_>) -> Outcome {
    let admitted = counter.accounts.admit(username, password, counter.script.lockout_after).and_then(|()| {
        let account = counter.accounts.get(username).and_then(|account| account.api_key.as_deref());
        if account == Some(api_key) { Ok(()) } else { Err("the account is another customer's") }
    });
    if let Err(why) = admitted {
        let status = counter.script.wrong_password_status;
        return refused(status, "Incorrect username or password.", why, counter).of(Some(username));
    }
    let session = counter.open_session(username);
    let grant = (session, counter.ledger.next_number());
    let refresh_token = counter.issue(grant, TokenKind::Refresh, None, counter.script.lifetime);
    let member = Some(refresh_token.json());
    let mut outcome = give(grant, member, Some((username, password)), counter);
    outcome.issued.push(refresh_token.token);
    outcome.of(Some(username))
}

pub(super) fn refresh(access_token: &str, refresh_token: &str, counter: Desk<'_, '_>) -> Outcome {
    let presented = counter.ids(&[access_token, refresh_token]);
    let rotation = counter.script.quirks.rotation;
    let session_of = |text: &str| counter.ledger.find(text).map(|token| (token.session, token.kind));
    let pair = (session_of(access_token), session_of(refresh_token));
    if let (Some((session, _)), Some((other, TokenKind::Refresh))) = pair
        && pair.0 != Some((other, TokenKind::Access))
    {
        let why = format!("the access token (session {session}) and the refresh token (session {other}) do not match");
        let status = counter.script.refused_refresh_status;
        let mut outcome = refused(status, "Invalid session", &why, counter).presenting(presented);
        outcome.mistakes.push(why);
        return outcome;
    }
    let token = match counter.take_refresh_token(refresh_token, rotation) {
        Ok(token) => token,
        Err(why) => {
            let status = counter.script.refused_refresh_status;
            return refused(status, "Refresh token has been revoked or has expired", why, counter)
                .presenting(presented);
        }
    };
    let grant = (token.session, counter.ledger.next_number());
    let unrotated = counter.script.quirks.unrotated;
    let next = counter.next_refresh_token(refresh_token, grant, rotation, unrotated, None);
    let mut outcome = give(grant, next.member, None, counter);
    outcome.issued.extend(next.issued.map(|issued| issued.token));
    outcome.of(Some(&token.account)).presenting(presented)
}

pub(super) fn revoke(refresh_token: &str, counter: Desk<'_, '_>) -> Outcome {
    let presented = counter.ids(&[refresh_token]);
    let outcome = match counter.take_refresh_token(refresh_token, Rotation::Never) {
        Err(why) => refused(401, "Invalid session", why, counter),
        Ok(token) => {
            counter.ledger.kill_family(token.session, "the session was revoked");
            Outcome::new(Reply::json(200, &json!({"status": "success"}))).of(Some(&token.account))
        }
    };
    outcome.presenting(presented)
}

pub(super) fn protected(
    api_key: &str,
    authorization: &str,
    access_token: &str,
    counter: &mut Counter<'_, TenovosQuirks>,
) -> Outcome {
    let presented = counter.ids(&[authorization, access_token]);
    let (id_token, access) = (
        counter.ledger.check(authorization, TokenKind::Id, counter.now),
        counter.ledger.check(access_token, TokenKind::Access, counter.now),
    );
    let why = match (id_token, access) {
        (Err(why), _) => format!("Authorization: {why}"),
        (_, Err(why)) => format!("AccessToken: {why}"),
        (Ok(id_token), Ok(access)) if id_token.grant != access.grant => {
            "Authorization and AccessToken were not given together".to_owned()
        }
        (Ok(_), Ok(access)) => {
            let account = counter.accounts.get(&access.account);
            if account.is_some_and(|account| account.api_key.as_deref() == Some(api_key)) {
                let reply = Reply::json(200, &json!({"assets": []}));
                return Outcome::new(reply).of(Some(&access.account)).presenting(presented);
            }
            "the API key is another customer's".to_owned()
        }
    };
    Outcome::refused(TenovosApi::error(401, "Unauthorized"), why).presenting(presented)
}

fn refused(status: u16, message: &str, why: &str, counter: &Counter<'_, TenovosQuirks>) -> Outcome {
    let status = if counter.script.quirks.errors_with_status_200 { 200 } else { status };
    Outcome::refused(TenovosApi::error(status, message), why)
}

/// Gives an access token and an ID token. The reply to a login echoes who logged in.
fn give(grant: (u64, u64), refresh_token: Option<Value>, echo: Option<(&str, &str)>, counter: Desk<'_, '_>) -> Outcome {
    let script = counter.script;
    let id_lifetime = script.quirks.id_token_lifetime.unwrap_or(script.lifetime);
    let id_token = counter.issue(grant, TokenKind::Id, Some(Shape::Rs256), id_lifetime);
    let access = counter.issue(grant, TokenKind::Access, Some(Shape::Rs256), script.lifetime);
    let mut session = json!({"authorization": id_token.text, "accessToken": access.text});
    if let Some(refresh_token) = refresh_token {
        session["refreshToken"] = refresh_token;
    }
    if let Some(epoch) = expire_epoch(&access, &id_token, &script.quirks) {
        session["expireEpoch"] = epoch;
    }
    let mut body = json!({
        "endpointUrl": "https://endpoint.url/v1",
        "clientId": "abcdefghijklmnop1234567890",
        "userPoolId": "us-east-1_123456789",
        "session": session,
    });
    if let Some((username, password)) = echo {
        body["username"] = username.into();
        body["password"] = password.into();
    }
    Outcome::new(Reply::json(200, &body)).issuing(vec![access.token, id_token.token])
}

fn expire_epoch(access: &Issued, id_token: &Issued, quirks: &TenovosQuirks) -> Option<Value> {
    let told = match quirks.expire_epoch_of {
        EpochOf::AccessToken => access,
        EpochOf::IdToken => id_token,
    };
    let expires_at = told.token.expires_at.unwrap_or(Timestamp::UNIX_EPOCH);
    match quirks.expire_epoch_unit {
        EpochUnit::Milliseconds => Some(expires_at.as_millisecond().into()),
        EpochUnit::MillisecondsFloat => Some((expires_at.as_second() as f64 * 1000.0).into()),
        EpochUnit::Seconds => Some(expires_at.as_second().into()),
        EpochUnit::Absent => None,
    }
}
