//! Stories of one issuer, with Tokio's clock stopped.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture, future::join_all};
use secrecy::ExposeSecret;
use url::Url;

use super::*;
use crate::{
    api::{ApiTokenSpec, ProviderKind, TokenProviderSpec},
    operator::{
        address::Tenancy,
        egress::{Cause, Unanswered},
        tls::TlsMaterial,
    },
    provider::validate,
    token::{observation::ProviderView, output::OutputPlan},
};

const ISSUER: &str = "https://idp.example.com/main/";
const HOUR: Duration = Duration::from_secs(3600);

/// A network on which each request takes a second and is answered as scripted.
#[derive(Default)]
struct Network {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<String>>,
}

#[derive(Clone)]
enum Answer {
    Reply(u16, String),
    Nothing,
}

impl Carrier for Network {
    fn carry<'a>(
        &'a self,
        request: Request,
        _: &'a TlsMaterial,
        _: Tenancy,
        _: Duration,
        now: &'a (dyn Fn() -> Timestamp + Sync),
    ) -> BoxFuture<'a, Result<Reply, Unanswered>> {
        async move {
            let url = request.url.expose_secret().to_owned();
            self.asked.lock().unwrap().push(url.clone());
            tokio::time::sleep(Duration::from_secs(1)).await;
            match self.answers.lock().unwrap().pop_front().expect("a scripted answer") {
                Answer::Nothing => Err(Unanswered::new(&Url::parse(&url).unwrap(), Cause::Unresolved, false)),
                Answer::Reply(status, body) => Ok(Reply {
                    status,
                    headers: http::HeaderMap::new(),
                    body: body.into_bytes().into(),
                    sent_at: now(),
                    received_at: now(),
                }),
            }
        }
        .boxed()
    }
}

impl Network {
    fn scripted(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self { answers: Mutex::new(answers.into_iter().collect()), asked: Mutex::default() }
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn metadata(endpoint: &str) -> Answer {
    Answer::Reply(200, serde_json::json!({ "issuer": ISSUER, "token_endpoint": endpoint }).to_string())
}

fn route() -> Route {
    let spec = serde_json::json!({ "oauth2": { "issuer": ISSUER } });
    let spec: TokenProviderSpec = serde_json::from_value(spec).unwrap();
    let definition = Arc::new(validate::compile(&spec).unwrap());
    let view = ProviderView { fingerprint: String::new(), parameters: BTreeMap::new(), definition };
    let token: ApiTokenSpec = serde_json::from_value(serde_json::json!({ "providerRef": { "name": "idp" } })).unwrap();
    Route {
        key: ProviderKey { kind: ProviderKind::ClusterTokenProvider, namespace: None, name: "idp".to_owned() },
        view,
        tls: Arc::default(),
        tenancy: Tenancy::Cluster,
        plan: OutputPlan::new("token", &token, BTreeMap::new()),
    }
}

async fn base(discovery: &Discovery, network: &Network, route: &Route) -> Result<String, Failure> {
    let now = || Timestamp::UNIX_EPOCH;
    discovery.locate(network, route, &now).await.map(|definition| definition.base.to_string())
}

fn failed(status: Option<u16>, class: FailureClass) -> Failure {
    Failure { class, reason: None, status, message: "refused".to_owned(), retry_after: None }
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_the_issuer_is_asked_is_told_what_the_first_is_told() {
    let (discovery, route) = (Discovery::default(), route());
    let down = Network::scripted([Answer::Nothing]);
    let all = join_all((0..50).map(|_| base(&discovery, &down, &route))).await;
    assert!(all.iter().all(|found| found.as_ref().is_err_and(|failure| failure.class == FailureClass::Transient)));
    assert_eq!(down.asked(), 1);

    tokio::time::advance(Duration::from_secs(5)).await;
    let up = Network::scripted([metadata("https://a.example/token")]);
    let all = join_all((0..50).map(|_| base(&discovery, &up, &route))).await;
    assert!(all.iter().all(|found| found.as_deref() == Ok("https://a.example")), "{all:?}");
    assert_eq!(up.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_a_place_that_is_not_found_leads_to_the_other() {
    let other = "https://idp.example.com/.well-known/oauth-authorization-server/main";
    let (discovery, route) = (Discovery::default(), route());
    let second = Network::scripted([Answer::Reply(404, String::new()), metadata("https://a.example/token")]);
    assert_eq!(base(&discovery, &second, &route).await.as_deref(), Ok("https://a.example"));
    assert_eq!(second.asked.lock().unwrap()[1], other);
    for status in [301, 401, 500, 503] {
        let discovery = Discovery::default();
        let first = Network::scripted([Answer::Reply(status, "a secret page".to_owned())]);
        let failure = base(&discovery, &first, &route).await.unwrap_err();
        assert_eq!((failure.class, failure.status, first.asked()), (FailureClass::Transient, Some(status), 1));
        assert!(failure.message.contains("oauth2.issuer") && !failure.message.contains("secret"), "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_counts_for_an_hour_and_an_old_one_for_a_day_while_there_is_no_new_one() {
    let (discovery, route) = (Discovery::default(), route());
    let network = Network::scripted([
        metadata("https://a.example/token"),
        Answer::Nothing,
        Answer::Reply(200, "<html>".to_owned()),
        Answer::Nothing,
        metadata("https://b.example/token"),
    ]);
    let after = async |wait: Duration| {
        tokio::time::advance(wait).await;
        (base(&discovery, &network, &route).await, network.asked())
    };
    let (a, b) = (Ok("https://a.example".to_owned()), Ok("https://b.example".to_owned()));
    assert_eq!(after(Duration::ZERO).await, (a.clone(), 1));
    assert_eq!(after(HOUR / 2).await, (a.clone(), 1));
    assert_eq!(after(HOUR).await, (a.clone(), 2), "asked in vain");
    assert_eq!(after(Duration::from_secs(30)).await, (a.clone(), 2), "not asked for each request");
    assert_eq!(after(Duration::from_secs(60)).await, (a, 3), "a page is no answer");
    let (lost, asked) = after(24 * HOUR).await;
    assert_eq!((lost.unwrap_err().class, asked), (FailureClass::Transient, 4));
    assert_eq!(after(HOUR).await, (b, 5));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_not_there_any_more_is_asked_for_again_and_refuses_nobody() {
    let (discovery, route) = (Discovery::default(), route());
    let network = Network::scripted([metadata("https://a.example/token"), metadata("https://b.example/token")]);
    assert_eq!(base(&discovery, &network, &route).await.as_deref(), Ok("https://a.example"));
    tokio::time::advance(Duration::from_secs(6)).await;
    let (refused, untaken) = discovery.judge(&route, failed(Some(401), FailureClass::Rejected));
    assert_eq!((refused.class, untaken), (FailureClass::Rejected, false));
    assert_eq!(base(&discovery, &network, &route).await.as_deref(), Ok("https://a.example"));
    let (moved, untaken) = discovery.judge(&route, failed(Some(404), FailureClass::Rejected));
    assert_eq!((moved.class, untaken), (FailureClass::Transient, true));
    assert_eq!(base(&discovery, &network, &route).await.as_deref(), Ok("https://b.example"));
}

#[tokio::test(start_paused = true)]
async fn what_another_issuer_says_is_not_believed_nor_that_credentials_go_by_plain_http() {
    let says = |issuer: &str, endpoint: &str| {
        Answer::Reply(200, serde_json::json!({ "issuer": issuer, "token_endpoint": endpoint }).to_string())
    };
    let table = [
        (says("https://idp.example.com/main", "https://a.example/"), "byte for byte"),
        (says(ISSUER, "http://a.example/"), "tls.insecureHTTP"),
        (says(ISSUER, "https://a:secret@a.example/"), "user or password"),
        (Answer::Reply(200, "{}".to_owned()), "no JSON object with an issuer"),
    ];
    for (answer, expected) in table {
        let network = Network::scripted([answer]);
        let failure = base(&Discovery::default(), &network, &route()).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Transient);
        assert!(failure.message.contains(expected) && !failure.message.contains("a.example"), "{failure:?}");
    }
}
