//! Tenovos' fake does what Tenovos documents, and either of what it does not.

use std::time::Duration;

use jiff::SignedDuration;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use testbed::{
    ca::TestCa,
    vendors::{
        Rotation, Tenovos, UnrotatedReply,
        consumer::client,
        tenovos::{EpochOf, EpochUnit},
    },
};

const USER: &str = "robot";
const PASSWORD: &str = "right";
const API_KEY: &str = "key-of-acme";

struct Story {
    tenovos: Tenovos,
    http: Client,
}

/// The three tokens of a reply.
#[derive(Clone)]
struct Session {
    authorization: String,
    access_token: String,
    refresh_token: String,
}

impl Story {
    fn begin() -> Self {
        let ca = TestCa::new().unwrap();
        let tenovos = Tenovos::start(&ca).unwrap();
        tenovos.add_account(USER, PASSWORD, API_KEY);
        Self { tenovos, http: client(&ca) }
    }

    async fn ask(&self, method: Method, path: &str, api_key: Option<&str>, body: &Value) -> (u16, Value) {
        let request = self.http.request(method, format!("{}{path}", self.tenovos.base_url()));
        let mut request = request.header("content-type", "application/json").body(body.to_string());
        if let Some(api_key) = api_key {
            request = request.header("x-api-key", api_key);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
    }

    async fn token(&self, body: &Value) -> (u16, Value) {
        self.ask(Method::POST, "/auth/token", Some(API_KEY), body).await
    }

    async fn login(&self) -> Session {
        let (status, body) = self.token(&json!({"username": USER, "password": PASSWORD})).await;
        assert_eq!(status, 200);
        session_of(&body)
    }

    async fn refresh(&self, session: &Session) -> (u16, Value) {
        let (access, refresh) = (&session.access_token, &session.refresh_token);
        self.token(&json!({"session": {"accessToken": access, "refreshToken": refresh}})).await
    }

    async fn use_tokens(&self, api_key: &str, session: &Session) -> u16 {
        let request = self.http.get(self.tenovos.protected_url()).header("x-api-key", api_key);
        let request = request.header("authorization", &session.authorization);
        request.header("accesstoken", &session.access_token).send().await.unwrap().status().as_u16()
    }

    fn refusal(&self) -> String {
        self.tenovos.history().pop().unwrap().refusal.unwrap_or_default()
    }
}

fn session_of(body: &Value) -> Session {
    let text = |name: &str| body["session"][name].as_str().unwrap_or_default().to_owned();
    Session {
        authorization: text("authorization"),
        access_token: text("accessToken"),
        refresh_token: text("refreshToken"),
    }
}

#[tokio::test]
async fn a_login_yields_three_tokens_and_echoes_who_logged_in() {
    let story = Story::begin();
    let (status, body) = story.token(&json!({"username": USER, "password": PASSWORD, "clientId": "c"})).await;
    assert_eq!((status, &body["username"], &body["password"]), (200, &json!(USER), &json!(PASSWORD)));
    assert!(["endpointUrl", "clientId", "userPoolId"].iter().all(|name| body[name].is_string()), "{body}");
    let session = session_of(&body);
    assert_eq!(session.refresh_token.split('.').count(), 5);
    assert_eq!(session.access_token.split('.').count(), 3);
    let expires_at = story.tenovos.token(&session.access_token).unwrap().expires_at.unwrap();
    assert_eq!(body["session"]["expireEpoch"].as_i64(), Some(expires_at.as_millisecond()));
    assert_eq!(story.use_tokens(API_KEY, &session).await, 200);
    story.tenovos.assert_no_protocol_errors();
}

#[tokio::test]
async fn a_wrong_password_is_an_error_with_its_status_or_with_200() {
    let story = Story::begin();
    let wrong = json!({"username": USER, "password": "wrong"});
    for (with_200, expected) in [(false, 400), (false, 401), (true, 200)] {
        story.tenovos.script(|script| {
            script.wrong_password_status = expected;
            script.quirks.errors_with_status_200 = with_200;
        });
        let (status, body) = story.token(&wrong).await;
        assert_eq!((status, &body["status"]), (expected, &json!("error")));
        assert!(body.get("session").is_none() && body["message"].is_string());
        assert_eq!(story.refusal(), "wrong password");
    }
    story.tenovos.assert_no_protocol_errors();
}

#[tokio::test]
async fn a_bad_api_key_is_refused_by_the_gateway_without_a_status_member() {
    let story = Story::begin();
    let login = json!({"username": USER, "password": PASSWORD});
    let answer = story.ask(Method::POST, "/auth/token", Some("other"), &login).await;
    assert_eq!(answer, (403, json!({"message": "Forbidden"})));
    story.tenovos.assert_no_protocol_errors();
    let answer = story.ask(Method::POST, "/auth/token", None, &login).await;
    assert_eq!(answer, (403, json!({"message": "Forbidden"})));
    assert_eq!(story.tenovos.protocol_errors().len(), 1, "without any key it is a mistake");
}

#[tokio::test]
async fn another_customer_s_api_key_does_not_log_in() {
    let story = Story::begin();
    story.tenovos.add_account("other", "x", "key-of-other");
    let login = json!({"username": USER, "password": PASSWORD});
    let (status, _) = story.ask(Method::POST, "/auth/token", Some("key-of-other"), &login).await;
    assert_eq!((status, story.refusal()), (401, "the account is another customer's".to_owned()));
    let session = story.login().await;
    assert_eq!(story.use_tokens("key-of-other", &session).await, 401);
}

#[tokio::test]
async fn a_refresh_may_repeat_leave_out_null_or_empty_the_refresh_token_that_stays() {
    let story = Story::begin();
    let mut session = story.login().await;
    for (reply, shown) in [
        (UnrotatedReply::Repeated, Some(json!(session.refresh_token))),
        (UnrotatedReply::Absent, None),
        (UnrotatedReply::Null, Some(Value::Null)),
        (UnrotatedReply::Empty, Some(json!(""))),
    ] {
        story.tenovos.script(|script| script.quirks.unrotated = reply);
        let (status, body) = story.refresh(&session).await;
        assert_eq!((status, body["session"].get("refreshToken")), (200, shown.as_ref()), "{reply:?}");
        assert!(body.get("password").is_none());
        session = Session { refresh_token: session.refresh_token, ..session_of(&body) };
        assert_eq!(story.use_tokens(API_KEY, &session).await, 200);
    }
    assert_eq!((story.tenovos.logins_of(USER), story.tenovos.refreshes_of(USER)), (1, 4));
    story.tenovos.assert_no_protocol_errors();
}

#[tokio::test]
async fn a_lenient_vendor_replaces_the_refresh_token_and_takes_the_old_one_too() {
    let story = Story::begin();
    story.tenovos.script(|script| script.quirks.rotation = Rotation::Lenient);
    let first = story.login().await;
    let (_, body) = story.refresh(&first).await;
    assert_ne!(session_of(&body).refresh_token, first.refresh_token);
    assert_eq!(story.refresh(&first).await.0, 200);
    assert_eq!(story.refresh(&session_of(&body)).await.0, 200);
}

#[tokio::test]
async fn a_one_time_refresh_token_presented_twice_kills_the_whole_family() {
    let story = Story::begin();
    story.tenovos.script(|script| script.quirks.rotation = Rotation::ONE_TIME);
    let first = story.login().await;
    let second = session_of(&story.refresh(&first).await.1);
    assert_eq!(story.use_tokens(API_KEY, &second).await, 200);
    assert_eq!(story.refresh(&first).await.0, 401);
    assert!(story.refusal().contains("presented twice"));
    assert_eq!(story.use_tokens(API_KEY, &second).await, 401);
    assert_eq!(story.refresh(&second).await.0, 401);
    story.tenovos.assert_no_protocol_errors();
}

#[tokio::test]
async fn within_the_grace_a_used_refresh_token_is_still_taken() {
    let story = Story::begin();
    let grace = Duration::from_secs(600);
    story.tenovos.script(|script| script.quirks.rotation = Rotation::OneTime { grace });
    let first = story.login().await;
    assert_eq!(story.refresh(&first).await.0, 200);
    assert_eq!(story.refresh(&first).await.0, 200);
    story.tenovos.script(|script| script.clock_offset = SignedDuration::from_secs(601));
    assert_eq!(story.refresh(&first).await.0, 401);
}

#[tokio::test]
async fn the_refresh_token_is_good_for_thirty_days_from_login_and_does_not_slide() {
    let story = Story::begin();
    let mut session = story.login().await;
    for (days, expected) in [(15, 200), (29, 200), (30, 401)] {
        story.tenovos.script(|script| script.clock_offset = SignedDuration::from_hours(24 * days));
        let (status, body) = story.refresh(&session).await;
        assert_eq!(status, expected, "after {days} days");
        if status == 200 {
            session = session_of(&body);
        }
    }
    assert_eq!(story.refusal(), "the session has reached its limit");
    story.tenovos.assert_no_protocol_errors();
}

#[tokio::test]
async fn near_its_end_a_session_may_give_shorter_tokens() {
    let story = Story::begin();
    story.tenovos.script(|script| {
        script.session_limit = Some(Duration::from_secs(4000));
        script.session_end_cuts_lifetime = true;
    });
    let first = story.login().await;
    story.tenovos.script(|script| script.clock_offset = SignedDuration::from_secs(1000));
    let second = session_of(&story.refresh(&first).await.1);
    let lifetime = |text: &str| {
        let token = story.tenovos.token(text).unwrap();
        token.expires_at.unwrap().duration_since(token.issued_at).as_secs()
    };
    assert!(lifetime(&first.access_token) >= 3600);
    assert!((2990..=3001).contains(&lifetime(&second.access_token)));
}

#[tokio::test]
async fn an_expired_access_token_stops_no_refresh_but_is_not_accepted() {
    let story = Story::begin();
    let session = story.login().await;
    story.tenovos.script(|script| script.clock_offset = SignedDuration::from_hours(2));
    assert_eq!(story.use_tokens(API_KEY, &session).await, 401);
    assert_eq!(story.refusal(), "Authorization: the token has expired");
    assert_eq!(story.refresh(&session).await.0, 200);
}

#[tokio::test]
async fn a_revoked_session_is_not_refreshed() {
    let story = Story::begin();
    let (first, second) = (story.login().await, story.login().await);
    let body = json!({"session": {"accessToken": first.access_token, "refreshToken": first.refresh_token}});
    assert_eq!(story.ask(Method::DELETE, "/auth/token", Some(API_KEY), &body).await.0, 200);
    assert_eq!((story.refresh(&first).await.0, story.refresh(&second).await.0), (401, 200));
    story.tenovos.revoke_sessions_of(USER);
    assert_eq!((story.refresh(&second).await.0, story.use_tokens(API_KEY, &second).await), (401, 200));
    story.tenovos.assert_no_protocol_errors();
}

#[tokio::test]
async fn the_two_tokens_are_accepted_only_together() {
    let story = Story::begin();
    let first = story.login().await;
    let second = session_of(&story.refresh(&first).await.1);
    let mixed = Session { authorization: first.authorization.clone(), ..second.clone() };
    assert_eq!(story.use_tokens(API_KEY, &mixed).await, 401);
    assert_eq!(story.refusal(), "Authorization and AccessToken were not given together");
    let swapped = Session { authorization: second.access_token, access_token: second.authorization, ..first };
    assert_eq!(story.use_tokens(API_KEY, &swapped).await, 401);
    assert_eq!(story.refusal(), "Authorization: a token of another kind");
    story.tenovos.assert_no_protocol_errors();
}

#[tokio::test]
async fn expire_epoch_comes_in_several_forms_and_may_speak_of_either_token() {
    let story = Story::begin();
    story.tenovos.script(|script| script.quirks.id_token_lifetime = Some(Duration::from_secs(600)));
    for unit in [EpochUnit::Milliseconds, EpochUnit::MillisecondsFloat, EpochUnit::Seconds, EpochUnit::Absent] {
        for of in [EpochOf::AccessToken, EpochOf::IdToken] {
            story.tenovos.script(|script| script.quirks.expire_epoch_unit = unit);
            story.tenovos.script(|script| script.quirks.expire_epoch_of = of);
            let (_, body) = story.token(&json!({"username": USER, "password": PASSWORD})).await;
            let session = session_of(&body);
            let told = if of == EpochOf::IdToken { session.authorization } else { session.access_token };
            let second = story.tenovos.token(&told).unwrap().expires_at.unwrap().as_second();
            let expected = match unit {
                EpochUnit::Milliseconds => Some(format!("{second}000")),
                EpochUnit::MillisecondsFloat => Some(format!("{second}000.0")),
                EpochUnit::Seconds => Some(second.to_string()),
                EpochUnit::Absent => None,
            };
            assert_eq!(body["session"].get("expireEpoch").map(Value::to_string), expected, "{unit:?} {of:?}");
        }
    }
}

#[tokio::test]
async fn a_protected_call_without_one_of_its_headers_is_a_mistake() {
    let story = Story::begin();
    let session = story.login().await;
    let request = story.http.get(story.tenovos.protected_url()).header("x-api-key", API_KEY);
    let status = request.header("authorization", &session.authorization).send().await.unwrap().status();
    assert_eq!(status, 401);
    let errors = story.tenovos.protocol_errors();
    assert!(errors.iter().any(|error| error.what == "header accesstoken is missing"), "{errors:?}");
}
