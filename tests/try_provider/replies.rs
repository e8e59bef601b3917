//! What `try` says of replies, good and bad.

use serde_json::json;
use testbed::vendors::scripted::Reply;

use crate::bench::{Bench, PROVIDER, good_login, good_refresh};

#[tokio::test]
async fn a_good_login_is_explained_step_by_step() {
    let bench = Bench::new([good_login()]);
    let said = bench.run(&[]).await;
    said.expect(
        0,
        &[
            "200 OK after",
            "    ttl: ••• (number, digits: 4)",
            "decided by    HTTP 200 is good, and no rule of errors matches",
            "accessToken   json: /token                          19 characters",
            "refreshToken  json: /refresh                        20 characters",
            "expiry        seconds: { json: /ttl }               20",
            "(1 h)  <- counts",
            "after: 30m                            not needed",
            "Output Secret inventory\n  token         •••(19)",
            "by refresh, each token presented once",
        ],
    );
    assert_eq!(bench.server.requests().len(), 1);
}

#[tokio::test]
async fn a_refresh_goes_on_with_the_session_of_the_login() {
    let bench = Bench::new([good_login(), good_refresh()]);
    let said = bench.run(&["--refresh"]).await;
    said.expect(0, &["token=•••(20)", "no new refresh token: the old one is kept"]);
    let refresh = &bench.server.requests()[1];
    assert_eq!((refresh.path.as_str(), &refresh.body[..]), ("/api/refresh", &b"token=canary-refresh-token"[..]));
}

#[tokio::test]
async fn a_value_that_is_not_there_is_pointed_at_in_the_file_and_its_likely_place_is_named() {
    let reply = json!({ "data": { "access_token": "canary-access-token", "expires_in": 60 } });
    let bench = Bench::new([Reply::json(200, &reply)]);
    let said = bench.run(&[]).await;
    said.expect(
        1,
        &[
            "accessToken   json: /token                          not there",
            "see           provider.yaml:15  spec.http.login.response.accessToken",
            "hint          accessToken may be at /data/access_token",
            "hint          the end of the token may stand at /data/expires_in",
            "Misconfigured: the login was answered with HTTP 200, but accessToken",
        ],
    );
}

#[tokio::test]
async fn each_failure_says_what_decided_and_what_the_operator_would_do() {
    for (reply, words) in [
        (
            Reply::json(401, &json!({ "error": "invalid_client" })),
            [
                "error: \"invalid_client\"",
                "the default for HTTP 401 on a login",
                "Rejected: ",
                "would not send these credentials again",
            ],
        ),
        (
            Reply::json(200, &json!({ "error": "x" })),
            [
                "decided by    errors[0], which matches",
                "see           provider.yaml:23  spec.http.errors[0]",
                "Rejected (Locked)",
                "would not send",
            ],
        ),
        (
            Reply::empty(404),
            [
                "(an empty body)",
                "see           provider.yaml:12  spec.http.login.path",
                "Misconfigured",
                "does not fit",
            ],
        ),
        (
            Reply::empty(429).header("retry-after", "90"),
            ["RateLimited", "would wait as told", "asked to wait 1 min 30 s", "HTTP 429"],
        ),
        (Reply::text(502, "<html>"), ["(not JSON: 6 bytes)", "Transient", "growing pauses", "text/plain"]),
        (
            Reply::empty(302).header("location", "https://elsewhere.example.com/login?x=y"),
            ["https://elsewhere.example.com", "redirects are not followed", "Transient", "302"],
        ),
    ] {
        let bench = Bench::new([reply]);
        bench.run(&[]).await.expect(1, &words);
    }
}

#[tokio::test]
async fn a_refused_refresh_is_told_as_such() {
    let bench = Bench::new([good_login(), Reply::empty(401)]);
    bench.run(&["--refresh"]).await.expect(1, &["SessionOver", "would log in, once"]);
}

#[tokio::test]
async fn a_definition_without_refresh_says_so() {
    let bench = Bench::new([good_login()]);
    let (before, after) = PROVIDER.split_once("    refresh:").unwrap();
    let (_, errors) = after.split_once("    errors:").unwrap();
    bench.provider(&format!("{before}    errors:{errors}"));
    bench.run(&["--refresh"]).await.expect(0, &["the definition has none: each renewal is a login", "by login"]);
}

#[tokio::test]
async fn a_newline_behind_the_password_is_the_first_hint() {
    let bench = Bench::new([Reply::empty(401)]);
    bench.write("login/password", "canary-password-7\n");
    bench
        .run(&[])
        .await
        .expect(1, &["password ends in white space", "hint          the value of password ends in white space"]);
}
