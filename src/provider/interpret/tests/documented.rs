//! The rules of docs/providers/failures.md, each against the reply that it is for.

use FailureClass::{Misconfigured, RateLimited, Rejected, SessionOver, Transient};

use super::*;

const GOOD: &str = r#"{"status":"ok","error":null,"result":{"token":"t","expiresIn":60}}"#;
const HTML: &[(&str, &str)] = &[("content-type", "text/html; charset=utf-8")];
const SPENT: &[(&str, &str)] = &[("x-ratelimit-remaining", "0"), ("retry-after", "30")];

#[test]
fn each_documented_rule_decides_about_the_reply_that_it_is_for() {
    let object: serde_json::Value =
        serde_saphyr::from_str(include_str!("../../../../examples/providers/failures.yaml")).unwrap();
    let definition = definition(&object["spec"].to_string());
    let table = [
        (reply(200, &[], GOOD), None, None),
        (reply(403, SPENT, ""), Some(RateLimited), Some(RateLimited)),
        (reply(403, &[("x-ratelimit-remaining", "7")], ""), Some(Rejected), Some(SessionOver)),
        (reply(403, &[("x-maintenance", "until noon")], "<html>"), Some(Transient), Some(Transient)),
        (reply(200, HTML, "<html>"), Some(Rejected), Some(SessionOver)),
        (reply(401, &[], r#"{"error":{"code":"ACCOUNT_LOCKED"}}"#), Some(Rejected), Some(SessionOver)),
        (reply(200, &[], r#"{"error":{"code":-32001}}"#), Some(Rejected), Some(SessionOver)),
        (reply(200, &[], r#"{"error":{"code":-32603}}"#), Some(Transient), Some(Transient)),
        (reply(200, &[], r#"{"error":{"code":-32700}}"#), Some(Misconfigured), Some(Misconfigured)),
        (reply(200, &[], r#"{"status":"error"}"#), Some(Rejected), Some(SessionOver)),
        (reply(500, &[], r#"{"code":"SESSION_NOT_FOUND"}"#), Some(Transient), Some(SessionOver)),
        (reply(404, &[], ""), Some(Transient), Some(SessionOver)),
    ];
    let session = Session::new("old", None, &[]);
    for (number, (reply, login, refresh)) in table.into_iter().enumerate() {
        let class =
            |operation, session| interpret(&definition, operation, &reply, session).err().map(|failure| failure.class);
        assert_eq!(class(Operation::Login, None), login, "login, row {number}");
        assert_eq!(class(Operation::Refresh, Some(session.values())), refresh, "refresh, row {number}");
    }
}
