//! What a token endpoint's refusals mean.

use FailureClass::{Misconfigured, RateLimited, Rejected, SessionOver, Transient};

use super::*;

const PASSWORD: &str = "oauth2: { tokenURL: \"https://idp.example.com/token\", grant: Password }";

fn failed(operation: Operation, reply: &Reply) -> Failure {
    let session = Session::new("old", Some("old-refresh"), &[]);
    let session = (operation == Operation::Refresh).then(|| session.values());
    interpret(&definition(PASSWORD), operation, reply, session).unwrap_err()
}

#[test]
fn a_refusal_is_read_by_its_status_and_then_by_its_code() {
    let table = [
        (400, "invalid_client", Rejected, Rejected),
        (401, "invalid_client", Rejected, Rejected),
        (403, "invalid_client", Rejected, Rejected),
        (404, "invalid_client", Rejected, SessionOver),
        (400, "invalid_scope", Misconfigured, SessionOver),
        (400, "invalid_target", Misconfigured, SessionOver),
        (400, "unsupported_grant_type", Misconfigured, SessionOver),
        (400, "unauthorized_client", Misconfigured, SessionOver),
        (401, "unauthorized_client", Rejected, SessionOver),
        (400, "invalid_grant", Rejected, SessionOver),
        (400, "invalid_request", Rejected, SessionOver),
        (401, "access_denied", Rejected, SessionOver),
        (400, "server_error", Rejected, SessionOver),
        (422, "what nobody has registered", Rejected, SessionOver),
        (405, "", Rejected, SessionOver),
        (408, "invalid_client", Transient, Transient),
        (425, "invalid_client", Transient, Transient),
        (429, "invalid_client", RateLimited, RateLimited),
        (500, "invalid_client", Transient, Transient),
        (302, "invalid_client", Transient, Transient),
    ];
    for (status, code, login, refresh) in table {
        let reply = reply(status, &[], &format!("{{\"error\":\"{code}\",\"error_description\":\"canary\"}}"));
        assert_eq!(failed(Operation::Login, &reply).class, login, "login {status} {code}");
        assert_eq!(failed(Operation::Refresh, &reply).class, refresh, "refresh {status} {code}");
    }
}

#[test]
fn a_message_names_a_registered_code_and_the_field_and_no_other_text_of_the_reply() {
    let table = [
        (
            r#"{"error":"invalid_scope","error_description":"canary"}"#,
            "HTTP 400 (invalid_scope): correct oauth2.scopes",
        ),
        (r#"{"error":"invalid_grant"}"#, "the provider refused the login with HTTP 400 (invalid_grant)"),
        (r#"{"error":"canary"}"#, "the provider refused the login with HTTP 400"),
        (r#"{"error":{"invalid_grant":"canary"}}"#, "the provider refused the login with HTTP 400"),
        ("canary", "the provider refused the login with HTTP 400"),
    ];
    for (body, expected) in table {
        let message = failed(Operation::Login, &reply(400, &[], body)).message;
        assert!(message.ends_with(expected), "{message}");
    }
}

#[test]
fn a_good_answer_gives_tokens_and_one_without_says_what_it_lacks() {
    let login = |body: &str| interpret(&definition(PASSWORD), Operation::Login, &reply(200, &[], body), None);
    let grant = login(r#"{"access_token":"a","refresh_token":"r","expires_in":3600,"token_type":"Bearer"}"#).unwrap();
    assert_eq!((grant.access_token.expose_secret(), grant.expires_at), ("a", at("2026-11-20T13:00:00Z")));
    assert_eq!(exposed(grant.refresh_token.as_ref()), Some("r"));
    for absent in ["", r#","refresh_token":null"#, r#","refresh_token":"""#] {
        let grant = login(&format!(r#"{{"access_token":"a","expires_in":"60"{absent}}}"#)).unwrap();
        assert!(grant.refresh_token.is_none());
    }
    let endless = login(r#"{"access_token":"a"}"#).unwrap_err();
    assert_eq!(endless.class, Misconfigured);
    assert!(endless.message.ends_with("set oauth2.lifetime"), "{}", endless.message);
    assert_eq!(login(r#"{"error":"invalid_grant"}"#).unwrap_err().class, Misconfigured);
    assert_eq!(login("<html>").unwrap_err().class, Transient);
}
