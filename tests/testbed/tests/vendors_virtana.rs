//! Virtana's fake does what Virtana documents, and either of what it does not.

use std::time::Duration;

use jiff::SignedDuration;
use reqwest::Client;
use serde_json::{Value, json};
use testbed::{
    ca::TestCa,
    vendors::{Rotation, UnrotatedReply, Virtana, consumer::client, virtana::RepeatedLogin},
};

const ID: &str = "283gtr802edx";
const SECRET: &str = "3gfr2131dbb+/ =&";
const ENCODED_SECRET: &str = "3gfr2131dbb%2B%2F%20%3D%26";
const TOKEN_PATH: &str = "/authorization/oauth/token";

struct Story {
    virtana: Virtana,
    http: Client,
}

impl Story {
    fn begin() -> Self {
        let ca = TestCa::new().unwrap();
        let virtana = Virtana::start(&ca).unwrap();
        virtana.add_account(ID, SECRET);
        Self { virtana, http: client(&ca) }
    }

    async fn get(&self, path_and_query: &str) -> (u16, Value) {
        answer(self.http.get(format!("{}{path_and_query}", self.virtana.base_url()))).await
    }

    async fn post(&self, fields: &[(&str, &str)]) -> (u16, Value) {
        let parts = fields
            .iter()
            .map(|(name, value)| format!("--b0\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"));
        let body = parts.collect::<String>() + "--b0--\r\n";
        let request = self.http.post(format!("{}{TOKEN_PATH}", self.virtana.base_url()));
        answer(request.header("content-type", "multipart/form-data; boundary=b0").body(body)).await
    }

    async fn login(&self) -> Value {
        let (status, body) =
            self.post(&[("grant_type", "client_credentials"), ("client_id", ID), ("client_secret", SECRET)]).await;
        assert_eq!(status, 200);
        body
    }

    async fn refresh(&self, refresh_token: &Value) -> (u16, Value) {
        let refresh_token = refresh_token.as_str().unwrap_or_default();
        let fields = [("client_id", ID), ("client_secret", SECRET), ("refresh_token", refresh_token)];
        self.post(&[&[("grant_type", "refresh_token")], &fields[..]].concat()).await
    }

    async fn use_token(&self, authorization: &str) -> u16 {
        let request = self.http.get(self.virtana.protected_url()).header("authorization", authorization);
        request.send().await.unwrap().status().as_u16()
    }

    async fn use_reply(&self, body: &Value) -> u16 {
        self.use_token(&format!("Bearer {}", body["access_token"].as_str().unwrap())).await
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
}

#[tokio::test]
async fn a_login_by_multipart_form_yields_a_bearer_token() {
    let story = Story::begin();
    let body = story.login().await;
    assert_eq!((&body["token_type"], &body["scope"]), (&json!("Bearer"), &json!("Scope")));
    assert!((43_200..=43_201).contains(&body["expires_in"].as_i64().unwrap()));
    assert!(body["refresh_token"].is_string());
    assert_eq!(story.use_reply(&body).await, 200);
    assert_eq!(story.virtana.logins_of(ID), 1);
    story.virtana.assert_no_protocol_errors();
}

#[tokio::test]
async fn a_login_by_query_yields_a_token_too() {
    let story = Story::begin();
    let query = format!("grant_type=client_credentials&client_id={ID}&client_secret={ENCODED_SECRET}");
    let (status, body) = story.get(&format!("{TOKEN_PATH}?{query}")).await;
    assert_eq!((status, story.use_reply(&body).await), (200, 200));
    story.virtana.assert_no_protocol_errors();
}

#[tokio::test]
async fn a_wrong_secret_is_an_invalid_client() {
    let story = Story::begin();
    let fields = [("grant_type", "client_credentials"), ("client_id", ID), ("client_secret", "wrong")];
    for status in [400, 401, 403] {
        story.virtana.script(|script| script.wrong_password_status = status);
        assert_eq!(story.post(&fields).await, (status, json!({"error": "invalid_client"})));
    }
    story.virtana.assert_no_protocol_errors();
}

#[tokio::test]
async fn a_repeated_login_may_give_the_same_token_with_less_time_left() {
    let story = Story::begin();
    let until = Duration::from_secs(600);
    story.virtana.script(|script| script.quirks.repeated_login = RepeatedLogin::SameToken { until });
    let first = story.login().await;
    story.virtana.script(|script| script.clock_offset = SignedDuration::from_hours(11));
    let second = story.login().await;
    assert_eq!((&second["access_token"], &second["refresh_token"]), (&first["access_token"], &first["refresh_token"]));
    assert!((3590..=3601).contains(&second["expires_in"].as_i64().unwrap()));
    story.virtana.script(|script| script.clock_offset = SignedDuration::from_mins(11 * 60 + 51));
    let third = story.login().await;
    assert_ne!(third["access_token"], first["access_token"]);
    assert_eq!(story.use_reply(&third).await, 200);
}

#[tokio::test]
async fn a_repeated_login_may_give_a_new_token() {
    let story = Story::begin();
    let (first, second) = (story.login().await, story.login().await);
    assert_ne!(first["access_token"], second["access_token"]);
    assert_eq!((story.use_reply(&first).await, story.use_reply(&second).await), (200, 200));
}

#[tokio::test]
async fn without_a_refresh_grant_a_refresh_is_refused_and_is_no_protocol_error() {
    let story = Story::begin();
    let body = story.login().await;
    let answer = story.refresh(&body["refresh_token"]).await;
    assert_eq!(answer, (400, json!({"error": "unsupported_grant_type"})));
    assert_eq!(story.virtana.refreshes_of(ID), 1);
    story.virtana.assert_no_protocol_errors();
}

#[tokio::test]
async fn with_a_refresh_grant_the_refresh_token_yields_the_next_token_until_revoked() {
    let story = Story::begin();
    story.virtana.script(|script| script.quirks.refresh_grant = true);
    let first = story.login().await;
    for (reply, shown) in [
        (UnrotatedReply::Repeated, Some(&first["refresh_token"])),
        (UnrotatedReply::Absent, None),
        (UnrotatedReply::Null, Some(&Value::Null)),
        (UnrotatedReply::Empty, Some(&json!(""))),
    ] {
        story.virtana.script(|script| script.quirks.unrotated = reply);
        let (status, body) = story.refresh(&first["refresh_token"]).await;
        assert_eq!((status, body.get("refresh_token")), (200, shown), "{reply:?}");
        assert_eq!(story.use_reply(&body).await, 200);
    }
    story.virtana.revoke_sessions();
    assert_eq!(story.refresh(&first["refresh_token"]).await, (400, json!({"error": "invalid_grant"})));
    story.virtana.assert_no_protocol_errors();
}

#[tokio::test]
async fn a_one_time_refresh_token_presented_twice_kills_the_whole_family() {
    let story = Story::begin();
    story.virtana.script(|script| {
        script.quirks.refresh_grant = true;
        script.quirks.rotation = Rotation::ONE_TIME;
    });
    let first = story.login().await;
    let (_, second) = story.refresh(&first["refresh_token"]).await;
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    assert_eq!(story.refresh(&first["refresh_token"]).await.0, 400);
    assert_eq!(story.use_reply(&second).await, 401);
    assert_eq!(story.refresh(&second["refresh_token"]).await.0, 400);
}

#[tokio::test]
async fn an_expired_token_is_refused_and_the_header_must_be_a_bearer() {
    let story = Story::begin();
    let body = story.login().await;
    story.virtana.script(|script| script.clock_offset = SignedDuration::from_hours(13));
    assert_eq!(story.use_reply(&body).await, 401);
    assert_eq!(story.virtana.protected()[0].refusal.as_deref(), Some("the token has expired"));
    story.virtana.assert_no_protocol_errors();
    assert_eq!(story.use_token(body["access_token"].as_str().unwrap()).await, 401);
    assert_eq!(story.virtana.protocol_errors().len(), 1);
}

#[tokio::test]
async fn a_refresh_token_does_not_serve_as_an_access_token() {
    let story = Story::begin();
    let body = story.login().await;
    let refresh_token = body["refresh_token"].as_str().unwrap();
    assert_eq!(story.use_token(&format!("Bearer {refresh_token}")).await, 401);
    assert_eq!(story.virtana.protected()[0].refusal.as_deref(), Some("a token of another kind"));
}

#[tokio::test]
async fn each_mistake_in_a_query_is_recorded_and_answered() {
    let story = Story::begin();
    let good = format!("grant_type=client_credentials&client_id={ID}&client_secret={ENCODED_SECRET}");
    let misspelt = good.replace("credentials", "credentias");
    let unencoded = format!("grant_type=client_credentials&client_id={ID}&client_secret={SECRET}");
    for (path, query, status, mistake) in [
        ("/authentication/oauth/token", good.as_str(), 404, "a path that Virtana does not have"),
        (TOKEN_PATH, &misspelt, 400, "grant_type is"),
        (TOKEN_PATH, &unencoded, 401, "field  is unknown"),
        (TOKEN_PATH, "", 400, "grant_type is None"),
        (TOKEN_PATH, &format!("{good}&scope=x"), 200, "field scope is unknown"),
        (TOKEN_PATH, &format!("{good}&client_id={ID}"), 200, "field client_id is there more than once"),
        (TOKEN_PATH, "grant_type=client_credentials&client_id=a", 400, "field client_secret is missing"),
        (TOKEN_PATH, &format!("{good}%ZZ"), 400, "broken escape"),
    ] {
        story.virtana.clear();
        assert_eq!(story.get(&format!("{path}?{query}")).await.0, status, "{path}?{query}");
        let errors = story.virtana.protocol_errors();
        assert!(errors.iter().any(|error| error.what.contains(mistake)), "{path}?{query}: {errors:?}");
    }
}

#[tokio::test]
async fn each_mistake_in_a_form_is_recorded_and_answered() {
    let story = Story::begin();
    let url = format!("{}{TOKEN_PATH}", story.virtana.base_url());
    let form = "application/x-www-form-urlencoded";
    let multipart = "multipart/form-data; boundary=b";
    let part = "--b\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\nclient_credentials\r\n";
    for (content_type, body, mistake) in [
        (form, "grant_type=client_credentials".to_owned(), "not multipart/form-data"),
        ("application/json", "{}".to_owned(), "not multipart/form-data"),
        (multipart, part.to_owned(), "does not end with its boundary"),
        (multipart, format!("{part}--b--"), "field client_id is missing"),
        (multipart, part.replace("\"grant_type\"", "\"grant_type\"; filename=\"x\"") + "--b--", "filename"),
    ] {
        story.virtana.clear();
        let (status, _) = answer(story.http.post(&url).header("content-type", content_type).body(body.clone())).await;
        let errors = story.virtana.protocol_errors();
        assert!(status == 400 && errors.iter().any(|error| error.what.contains(mistake)), "{body}: {errors:?}");
    }
    let (status, _) = answer(story.http.put(&url).body("")).await;
    assert_eq!(status, 405);
}
