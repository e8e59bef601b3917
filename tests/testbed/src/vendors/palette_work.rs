//! What Palette does with a request that it understood.

use serde_json::json;

use super::{
    jwt::Shape,
    ledger::TokenKind,
    message::Reply,
    palette::{PaletteApi, PaletteQuirks},
    vendor::{Counter, Outcome, Vendor},
};

pub(super) fn login(
    email: &str,
    password: &str,
    org: Option<&str>,
    set_cookie: bool,
    counter: &mut Counter<'_, PaletteQuirks>,
) -> Outcome {
    let admitted = counter.accounts.admit(email, password, counter.script.lockout_after).and_then(|()| {
        let tenant = counter.accounts.get(email).and_then(|account| account.org.as_deref());
        if org.is_none() || org == tenant { Ok(()) } else { Err("the account is in another org") }
    });
    if let Err(why) = admitted {
        let reply = PaletteApi::error(counter.script.wrong_password_status, "Invalid credentials");
        return Outcome::refused(reply, why).of(Some(email));
    }
    let session = counter.open_session(email);
    grant(session, set_cookie, counter).of(Some(email))
}

pub(super) fn refresh(token: &str, set_cookie: bool, counter: &mut Counter<'_, PaletteQuirks>) -> Outcome {
    let presented = counter.ids(&[token]);
    let idle = Some(counter.script.quirks.idle_limit);
    let good = counter.ledger.check(token, TokenKind::Access, counter.now).and_then(|good| {
        counter.ledger.check_session(good.session, counter.script.session_limit, idle, counter.now).map(|()| good)
    });
    let outcome = match good {
        Err(why) => {
            let reply = PaletteApi::error(counter.script.refused_refresh_status, "The token cannot be refreshed");
            Outcome::refused(reply, why)
        }
        Ok(good) => {
            if counter.script.refresh_kills_previous {
                counter.ledger.kill(token, "a refresh replaced this token");
            }
            grant(good.session, set_cookie, counter).of(Some(&good.account))
        }
    };
    outcome.presenting(presented)
}

fn grant(session: u64, set_cookie: bool, counter: &mut Counter<'_, PaletteQuirks>) -> Outcome {
    let quirks = &counter.script.quirks;
    let shape = if quirks.url_unsafe_tokens { Shape::UrlUnsafe } else { Shape::Hs256 };
    let grant = (session, counter.ledger.next_number());
    let issued = counter.issue(grant, TokenKind::Access, Some(shape), counter.script.lifetime);
    if quirks.is_mfa {
        counter.ledger.kill(&issued.text, "the second factor was not given");
    }
    counter.ledger.touch(session, counter.now);
    let reply = Reply::json(200, &json!({"Authorization": issued.text, "isMfa": quirks.is_mfa}));
    let cookie = format!("Authorization={}; Path=/; Secure; HttpOnly", issued.text);
    let reply = if set_cookie { reply.header("set-cookie", cookie) } else { reply };
    Outcome::new(reply).issuing(vec![issued.token])
}

pub(super) fn protected(token: &str, counter: &mut Counter<'_, PaletteQuirks>) -> Outcome {
    let presented = counter.ids(&[token]);
    let outcome = match counter.ledger.check(token, TokenKind::Access, counter.now) {
        Err(why) => Outcome::refused(PaletteApi::error(401, "The token is not valid"), why),
        Ok(good) => {
            counter.ledger.touch(good.session, counter.now);
            Outcome::new(Reply::json(200, &json!({"items": []}))).of(Some(&good.account))
        }
    };
    outcome.presenting(presented)
}

pub(super) fn revoke(authorization: &str, tokens: &[String], counter: &mut Counter<'_, PaletteQuirks>) -> Outcome {
    match counter.ledger.check(authorization, TokenKind::Access, counter.now) {
        Err(why) => Outcome::refused(PaletteApi::error(401, "The token is not valid"), why),
        Ok(good) => {
            for token in tokens {
                counter.ledger.kill(token, "the token was revoked");
            }
            Outcome::new(Reply::empty(204)).of(Some(&good.account))
        }
    }
}
