//! Palette's fake does what Palette documents, and either of what it does not.

use std::time::Duration;

use jiff::SignedDuration;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use testbed::{
    ca::TestCa,
    vendors::{Palette, Token, consumer::client, palette::DOCUMENTED_RATE_LIMIT},
};

const EMAIL: &str = "robot@example.com";
const PASSWORD: &str = "p/a s+s%20\u{fc}";

struct Story {
    palette: Palette,
    http: Client,
}

impl Story {
    fn begin() -> Self {
        let ca = TestCa::new().unwrap();
        let palette = Palette::start(&ca).unwrap();
        palette.add_account(EMAIL, PASSWORD);
        Self { palette, http: client(&ca) }
    }

    async fn login_as(&self, body: Value) -> Response {
        let url = format!("{}/v1/auth/authenticate?setCookie=false", self.palette.base_url());
        let request = self.http.post(url).header("accept", "application/json");
        request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap()
    }

    async fn login(&self) -> String {
        let response = self.login_as(json!({"emailId": EMAIL, "password": PASSWORD})).await;
        assert_eq!(response.status(), 200);
        token_of(response).await
    }

    async fn refresh(&self, token: &str) -> Response {
        let url = format!("{}/v1/auth/refresh/{token}?setCookie=false", self.palette.base_url());
        self.http.get(url).header("accept", "application/json").send().await.unwrap()
    }

    async fn use_token(&self, authorization: &str) -> u16 {
        let request = self.http.get(self.palette.protected_url()).header("authorization", authorization);
        request.send().await.unwrap().status().as_u16()
    }

    fn known(&self, token: &str) -> Token {
        self.palette.token(token).unwrap()
    }

    /// Why the last request was refused, as the vendor knows it.
    fn refusal(&self) -> String {
        self.palette.history().pop().unwrap().refusal.unwrap_or_default()
    }
}

async fn token_of(response: Response) -> String {
    body_of(response).await["Authorization"].as_str().unwrap().to_owned()
}

async fn body_of(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_login_yields_a_token_that_the_protected_endpoint_accepts() {
    let story = Story::begin();
    let response = story.login_as(json!({"emailId": EMAIL, "password": PASSWORD})).await;
    assert!(!response.headers().contains_key("set-cookie"));
    let body = body_of(response).await;
    assert_eq!(body["isMfa"], false);
    let token = body["Authorization"].as_str().unwrap();
    assert_eq!(story.use_token(token).await, 200);
    assert_eq!(story.known(token).account, EMAIL);
    assert_eq!(story.palette.logins_of(EMAIL), 1);
    assert_eq!(story.palette.protected().len(), 1);
    story.palette.assert_no_protocol_errors();
}

#[tokio::test]
async fn a_wrong_password_is_answered_as_scripted_and_is_no_protocol_error() {
    let story = Story::begin();
    for status in [400, 401, 403] {
        story.palette.script(|script| script.wrong_password_status = status);
        let response = story.login_as(json!({"emailId": EMAIL, "password": "wrong"})).await;
        assert_eq!(response.status(), status);
        let body = body_of(response).await;
        assert!(["code", "message", "details", "ref"].iter().all(|name| body.get(name).is_some()), "{body}");
        assert_eq!(story.refusal(), "wrong password");
    }
    story.palette.set_password(EMAIL, "wrong");
    assert_eq!(story.login_as(json!({"emailId": EMAIL, "password": "wrong"})).await.status(), 200);
    story.palette.assert_no_protocol_errors();
}

#[tokio::test]
async fn a_login_may_name_its_org_and_no_other() {
    let story = Story::begin();
    story.palette.add_account_in("acme", "tenant@example.com", "x");
    for (org, status) in [(Some("acme"), 200), (None, 200), (Some("other"), 401)] {
        let mut body = json!({"emailId": "tenant@example.com", "password": "x"});
        if let Some(org) = org {
            body["org"] = org.into();
        }
        assert_eq!(story.login_as(body).await.status(), status, "org {org:?}");
    }
    story.palette.assert_no_protocol_errors();
}

#[tokio::test]
async fn the_current_token_refreshes_itself_and_may_go_on_living() {
    let story = Story::begin();
    let first = story.login().await;
    let second = token_of(story.refresh(&first).await).await;
    assert_ne!(first, second);
    assert_eq!(story.known(&second).session, story.known(&first).session);
    assert_eq!((story.use_token(&first).await, story.use_token(&second).await), (200, 200));
    let refresh = story.palette.refreshes().pop().unwrap();
    assert_eq!(refresh.presented, [story.known(&first).id]);
    assert_eq!(refresh.issued[0].id, story.known(&second).id);
    assert_eq!(refresh.account.as_deref(), Some(EMAIL));
}

#[tokio::test]
async fn the_current_token_refreshes_itself_and_may_die_of_it() {
    let story = Story::begin();
    story.palette.script(|script| script.refresh_kills_previous = true);
    let first = story.login().await;
    let second = token_of(story.refresh(&first).await).await;
    assert_eq!((story.use_token(&first).await, story.use_token(&second).await), (401, 200));
    assert_eq!(story.refresh(&first).await.status(), 401);
    story.palette.assert_no_protocol_errors();
}

#[tokio::test]
async fn an_expired_token_is_good_for_nothing() {
    let story = Story::begin();
    let token = story.login().await;
    story.palette.script(|script| script.clock_offset = SignedDuration::from_mins(16));
    assert_eq!(story.use_token(&token).await, 401);
    assert_eq!(story.refresh(&token).await.status(), 401);
    assert_eq!(story.refusal(), "the token has expired");
    story.palette.assert_no_protocol_errors();
}

#[tokio::test]
async fn a_session_ends_at_its_limit_and_when_idle() {
    let story = Story::begin();
    story.palette.script(|script| script.lifetime = Duration::from_secs(24 * 3600));
    let token = story.login().await;
    story.palette.script(|script| script.clock_offset = SignedDuration::from_mins(239));
    let token = token_of(story.refresh(&token).await).await;
    story.palette.script(|script| script.clock_offset = SignedDuration::from_mins(239 + 241));
    assert_eq!(story.refresh(&token).await.status(), 401);
    assert_eq!(story.refusal(), "the session was idle for too long");
    story.palette.script(|script| script.session_limit = Some(Duration::from_secs(8 * 3600 - 60)));
    assert_eq!(story.refresh(&token).await.status(), 401);
    assert_eq!(story.refusal(), "the session has reached its limit");
    assert_eq!(story.use_token(&token).await, 200);
}

#[tokio::test]
async fn a_second_factor_yields_a_token_that_is_good_for_nothing() {
    let story = Story::begin();
    story.palette.script(|script| script.quirks.is_mfa = true);
    let body = body_of(story.login_as(json!({"emailId": EMAIL, "password": PASSWORD})).await).await;
    assert_eq!(body["isMfa"], true);
    assert_eq!(story.use_token(body["Authorization"].as_str().unwrap()).await, 401);
    assert_eq!(story.refusal(), "the second factor was not given");
}

#[tokio::test]
async fn revoked_sessions_are_not_refreshed_and_revoked_tokens_not_accepted() {
    let story = Story::begin();
    let token = story.login().await;
    story.palette.revoke_sessions();
    assert_eq!((story.refresh(&token).await.status().as_u16(), story.use_token(&token).await), (401, 200));
    let url = format!("{}/v1/users/auth/tokens/revoke", story.palette.base_url());
    let request = story.http.post(url).header("authorization", &token).header("content-type", "application/json");
    let response = request.body(json!({"tokens": [token]}).to_string()).send().await.unwrap();
    assert_eq!(response.status(), 204);
    assert_eq!((story.use_token(&token).await, story.refusal()), (401, "the token was revoked".to_owned()));
    story.palette.assert_no_protocol_errors();
}

#[tokio::test]
async fn a_forged_token_is_refused() {
    let story = Story::begin();
    let token = story.login().await;
    let (signed, _) = token.rsplit_once('.').unwrap();
    assert_eq!(story.use_token(&format!("{signed}.AAAA")).await, 401);
    assert_eq!(story.refusal(), "the signature is not ours");
}

#[tokio::test]
async fn a_token_with_reserved_characters_must_be_encoded_in_the_path() {
    let story = Story::begin();
    story.palette.script(|script| script.quirks.url_unsafe_tokens = true);
    let token = story.login().await;
    let encoded = token.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    assert_eq!(story.refresh(&encoded).await.status(), 200);
    story.palette.assert_no_protocol_errors();
    assert_eq!(story.refresh(&token).await.status(), 404);
    assert_eq!(story.palette.protocol_errors().len(), 1);
}

#[tokio::test]
async fn a_locked_or_disabled_account_looks_as_if_the_password_were_wrong() {
    let story = Story::begin();
    let good = json!({"emailId": EMAIL, "password": PASSWORD});
    story.palette.script(|script| script.lockout_after = Some(1));
    story.login_as(json!({"emailId": EMAIL, "password": "wrong"})).await;
    assert_eq!(story.login_as(good.clone()).await.status(), 401);
    story.palette.unlock(EMAIL);
    assert_eq!(story.login_as(good.clone()).await.status(), 200);
    story.palette.disable(EMAIL);
    assert_eq!(story.login_as(good).await.status(), 401);
    story.palette.assert_no_protocol_errors();
}

#[tokio::test]
async fn a_login_may_end_the_account_s_other_sessions() {
    let story = Story::begin();
    story.palette.script(|script| script.single_session = true);
    let first = story.login().await;
    let second = story.login().await;
    assert_eq!((story.use_token(&first).await, story.use_token(&second).await), (401, 200));
}

#[tokio::test]
async fn beyond_the_documented_rate_the_answer_is_429_and_no_json() {
    let story = Story::begin();
    story.palette.script(|script| script.rate_limit = Some(DOCUMENTED_RATE_LIMIT));
    let mut refused = Vec::new();
    // Far more than the burst, and far faster than ten a second.
    for _ in 0..40 {
        let response = story.login_as(json!({"emailId": EMAIL, "password": PASSWORD})).await;
        if response.status() == 429 {
            refused.push(response.text().await.unwrap());
        }
    }
    assert!(!refused.is_empty());
    assert!(refused.iter().all(|body| serde_json::from_str::<Value>(body).is_err()), "{refused:?}");
    story.palette.assert_no_protocol_errors();
}

#[tokio::test]
async fn without_set_cookie_false_the_vendor_sets_a_cookie() {
    let story = Story::begin();
    let token = story.login().await;
    let url = format!("{}/v1/auth/refresh/{token}", story.palette.base_url());
    let response = story.http.get(url).header("accept", "application/json").send().await.unwrap();
    assert!(response.headers().contains_key("set-cookie"));
    assert_eq!(story.palette.protocol_errors().len(), 1);
}

#[tokio::test]
async fn the_protected_endpoint_wants_the_bare_token() {
    let story = Story::begin();
    let token = story.login().await;
    assert_eq!(story.use_token(&format!("Bearer {token}")).await, 401);
    let errors = story.palette.protocol_errors();
    assert!(errors.len() == 1 && errors[0].what.contains("bare token"), "{errors:?}");
}

#[tokio::test]
#[should_panic(expected = "a path that Palette does not have")]
async fn protocol_errors_fail_the_test_that_asks_for_them() {
    let story = Story::begin();
    let url = format!("{}/v1/auth/logout", story.palette.base_url());
    story.http.get(url).send().await.unwrap();
    story.palette.assert_no_protocol_errors();
}
