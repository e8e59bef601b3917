//! Each fault really does what it says.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use testbed::{
    ca::TestCa,
    vendors::{Damage, Exchange, Fault, On, Palette, Trap, consumer::client, http_date},
};
use tokio::{task::JoinHandle, time::timeout};

const EMAIL: &str = "robot@example.com";
/// How long nothing must happen to be called silence.
const SILENCE: Duration = Duration::from_millis(200);
const DEADLINE: Duration = Duration::from_secs(10);

struct Story {
    palette: Palette,
    http: Client,
    ca: TestCa,
}

impl Story {
    fn begin() -> Self {
        let ca = TestCa::new().unwrap();
        let palette = Palette::start(&ca).unwrap();
        palette.add_account(EMAIL, "x");
        Self { palette, http: client(&ca), ca }
    }

    fn login(&self) -> RequestBuilder {
        let url = format!("{}/v1/auth/authenticate?setCookie=false", self.palette.base_url());
        let request = self.http.post(url).header("content-type", "application/json");
        request.body(json!({"emailId": EMAIL, "password": "x"}).to_string())
    }

    async fn try_login(&self) -> Result<Response, reqwest::Error> {
        self.login().send().await
    }

    /// A login on its way that the vendor has got.
    async fn begin_login(&self) -> JoinHandle<Result<Response, reqwest::Error>> {
        let before = self.palette.logins().len();
        let login = tokio::spawn(self.login().send());
        self.palette.wait_for("login", DEADLINE, |seen| seen.len() > before).await;
        login
    }

    async fn login_with(&self, fault: Fault) -> Response {
        self.palette.fail_next(On::Login, fault);
        self.try_login().await.unwrap()
    }

    async fn broken_login(&self, fault: Fault) -> reqwest::Error {
        self.palette.fail_next(On::Login, fault);
        self.try_login().await.unwrap_err()
    }

    fn last(&self) -> Exchange {
        self.palette.logins().pop().unwrap()
    }
}

#[tokio::test]
async fn a_status_comes_with_its_headers_and_body_and_the_vendor_does_nothing() {
    let story = Story::begin();
    let at = Timestamp::from_second(1_800_000_000).unwrap();
    for retry_after in ["7".to_owned(), http_date(at), "99999999999999999999".to_owned()] {
        let response = story.login_with(Fault::rate_limited(retry_after.clone())).await;
        assert_eq!(
            (response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()),
            (429, retry_after.as_str())
        );
        assert_eq!(response.text().await.unwrap(), "Too Many Requests");
        assert!(story.last().issued.is_empty() && story.last().status == Some(429));
    }
    assert_eq!(http_date(at), "Fri, 15 Jan 2027 08:00:00 GMT");
    for status in [500, 503] {
        assert_eq!(story.login_with(Fault::status(status).body("<html>")).await.status(), status);
    }
    assert_eq!(story.try_login().await.unwrap().status(), 200, "a queued fault is used up");
}

#[tokio::test]
async fn a_standing_fault_holds_for_its_operation_until_healed() {
    let story = Story::begin();
    story.palette.fail_always(On::Refresh, Fault::status(500));
    let response = story.try_login().await.unwrap();
    let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    let token = body["Authorization"].as_str().unwrap();
    let url = format!("{}/v1/auth/refresh/{token}?setCookie=false", story.palette.base_url());
    for _ in 0..3 {
        assert_eq!(story.http.get(&url).send().await.unwrap().status(), 500);
    }
    story.palette.fail_always(On::Both, Fault::status(503));
    assert_eq!(story.try_login().await.unwrap().status(), 503);
    story.palette.heal();
    assert_eq!(story.try_login().await.unwrap().status(), 200);
    assert_eq!(story.http.get(&url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_reply_can_be_no_json_or_an_error_in_a_200() {
    let story = Story::begin();
    let body = story.login_with(Fault::MalformedJson).await.bytes().await.unwrap();
    assert!(!body.is_empty() && serde_json::from_slice::<Value>(&body).is_err());
    assert_eq!(story.last().issued.len(), 1);
    let response = story.login_with(Fault::ErrorWithStatus200).await;
    assert_eq!(response.status(), 200);
    let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert!(body.get("Authorization").is_none() && body["code"].is_string());
    assert!(story.last().issued.is_empty());
}

#[tokio::test]
async fn a_token_can_be_damaged_in_each_way() {
    let story = Story::begin();
    for (damage, holds) in [
        (Damage::Missing, (|token| token.is_none()) as fn(Option<&Value>) -> bool),
        (Damage::Null, |token| token == Some(&Value::Null)),
        (Damage::Empty, |token| token == Some(&json!(""))),
        (Damage::Number, |token| token == Some(&json!(42))),
        (Damage::ControlCharacters, |token| token.and_then(Value::as_str).is_some_and(|text| text.contains("\r\n"))),
        (Damage::Long(20_000), |token| token.and_then(Value::as_str).is_some_and(|text| text.len() == 20_000)),
    ] {
        let response = story.login_with(Fault::Token(damage)).await;
        let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        assert!(holds(body.get("Authorization")), "{damage:?}: {body}");
    }
}

#[tokio::test]
async fn a_body_can_be_ten_megabytes_of_good_json() {
    let story = Story::begin();
    let response = story.login_with(Fault::HugeBody(10 << 20)).await;
    let body = response.bytes().await.unwrap();
    assert!(body.len() > 10 << 20);
    assert!(serde_json::from_slice::<Value>(&body).unwrap()["Authorization"].is_string());
}

#[tokio::test]
async fn a_body_can_be_without_end() {
    let story = Story::begin();
    let mut response = story.login_with(Fault::EndlessBody).await;
    let mut seen = 0;
    while seen < 1 << 20 {
        seen += response.chunk().await.unwrap().unwrap().len();
    }
    drop(response);
    story.palette.clear();
    assert_eq!(story.try_login().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_reply_can_have_a_huge_header_a_wrong_type_or_a_false_encoding() {
    let story = Story::begin();
    let response = story.login_with(Fault::HugeHeader(20_000)).await;
    assert_eq!(response.headers()["x-padding"].len(), 20_000);
    let response = story.login_with(Fault::WrongContentType).await;
    assert_eq!(response.headers()["content-type"], "text/html");
    let response = story.login_with(Fault::ClaimedGzip).await;
    assert_eq!(response.headers()["content-encoding"], "gzip");
}

#[tokio::test]
async fn a_slow_head_and_a_slow_body_arrive_byte_by_byte() {
    let story = Story::begin();
    let slow = Duration::from_secs(60);
    story.palette.fail_next(On::Login, Fault::SlowHead(slow));
    let mut login = story.begin_login().await;
    assert!(timeout(SILENCE, &mut login).await.is_err());
    let response = story.login_with(Fault::SlowBody(slow)).await;
    assert_eq!(response.status(), 200);
    assert!(timeout(SILENCE, response.bytes()).await.is_err());
    let quick = Duration::from_micros(1);
    for fault in [Fault::SlowHead(quick), Fault::SlowBody(quick)] {
        let response = story.login_with(fault).await;
        let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        assert!(body["Authorization"].is_string());
    }
}

#[tokio::test]
async fn a_hang_says_nothing_and_is_in_flight_until_the_client_gives_up() {
    let story = Story::begin();
    story.palette.fail_always(On::Login, Fault::Hang);
    let mut first = story.begin_login().await;
    assert!(timeout(SILENCE, &mut first).await.is_err());
    let last = story.last();
    assert_eq!((last.answered, last.status, last.issued.len()), (None, None, 0));
    assert_eq!(last.fault.as_deref(), Some("Hang"));
    let second = story.begin_login().await;
    assert_eq!((story.palette.in_flight_peak(EMAIL), story.palette.peak_in_flight()), (2, 2));
    first.abort();
    second.abort();
    story.palette.heal();
    let landed = async {
        loop {
            story.palette.clear();
            story.try_login().await.unwrap();
            if story.palette.in_flight_peak(EMAIL) == 1 {
                break;
            }
        }
    };
    timeout(DEADLINE, landed).await.unwrap();
}

#[tokio::test]
async fn a_connection_can_close_before_the_answer_and_in_the_middle_of_its_head() {
    let story = Story::begin();
    for (fault, status) in [(Fault::CloseBeforeAnswer, None), (Fault::CloseInHead, Some(200))] {
        let error = story.broken_login(fault).await;
        assert!(error.is_request() && !error.is_timeout(), "{error:?}");
        assert_eq!((story.last().status, story.last().issued.len()), (status, 0));
    }
}

#[tokio::test]
async fn a_lost_reply_leaves_a_token_that_the_client_never_saw() {
    let story = Story::begin();
    let error = story.broken_login(Fault::LostReply).await;
    assert!(!error.is_timeout(), "{error:?}");
    assert_eq!((story.last().status, story.last().issued.len()), (None, 1));
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_stop_the_vendor() {
    let story = Story::begin();
    story.palette.script(|script| script.login_latency = SILENCE);
    story.begin_login().await.abort();
    story.palette.wait_for("token", DEADLINE, |seen| seen.iter().any(|login| !login.issued.is_empty())).await;
    assert_eq!((story.last().answered, story.last().status), (None, None));
}

#[tokio::test]
async fn a_redirect_leads_to_a_trap_that_remembers_who_followed() {
    let story = Story::begin();
    let trap = Trap::start(&story.ca).unwrap();
    for status in [302, 307] {
        let response = story.login_with(Fault::redirect(status, trap.url())).await;
        assert_eq!(
            (response.status().as_u16(), response.headers()["location"].to_str().unwrap()),
            (status, trap.url().as_str())
        );
    }
    assert_eq!((trap.arrivals().len(), trap.connections_accepted()), (0, 0));
    story.http.get(trap.url()).send().await.unwrap();
    assert_eq!(trap.arrivals(), ["GET /trap"]);
}

#[tokio::test]
async fn the_vendor_s_clock_shows_in_its_date_header() {
    let story = Story::begin();
    let plain = story.try_login().await.unwrap();
    assert_eq!(plain.headers().get_all("date").iter().count(), 1);
    story.palette.script(|script| script.clock_offset = jiff::SignedDuration::from_hours(24 * 400));
    let ahead = story.try_login().await.unwrap();
    assert_eq!(ahead.headers().get_all("date").iter().count(), 1);
    assert_ne!(ahead.headers()["date"], plain.headers()["date"]);
}
