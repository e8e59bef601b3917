//! The operator ends, in order or by a crash at the worst moment, and starts again.

use http::Method;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use testbed::{
    api_proxy::{ApiProxy, ApiRequest, When},
    audit::{AuditEvent, Mark},
    outputs::{OutputWatcher, Version},
    reliability::{notes::Draft, oracles, row},
    users::User,
    vendors::{Exchange, Operation, Rotation, Tenovos, Virtana, history::History},
};

use crate::{
    customers::example,
    world::{PATIENCE, World},
};

/// Renewed after 6 s at the latest, and good for long enough that a slow restart does not let it expire.
const LIFETIME: std::time::Duration = std::time::Duration::from_secs(60);

async fn virtana(world: &World) -> (Virtana, String) {
    let virtana = Virtana::start(&world.ca).expect("Virtana");
    virtana.add_account("client", "correct");
    world.credentials("login", &[("clientId", "client"), ("clientSecret", "correct")]).await;
    let provider = world.preset("Virtana", &virtana.base_url()).await;
    (virtana, provider)
}

/// An ApiToken that is renewed at the earliest moment that is allowed.
async fn early_renewing(world: &World, name: &str, provider: &str) {
    let spec = json!({
        "providerRef": { "name": provider },
        "credentialsRef": { "name": "login" },
        "refresh": { "atPercent": 10 },
    });
    world.token_with(name, spec).await;
}

fn writes_output(request: &ApiRequest) -> bool {
    let writes = request.method == Method::POST || request.method == Method::PATCH;
    writes && request.path.contains("/secrets") && request.body.contains("apitoken.dev/revision")
}

fn writes_session(request: &ApiRequest) -> bool {
    request.method == Method::PUT && request.path.contains("/secrets/apitoken-session-")
}

fn never_expired(versions: &[Version]) -> bool {
    versions.iter().all(|version| {
        let expires: Timestamp = version.annotations["apitoken.dev/expires-at"].parse().expect("a time");
        version.seen_at < expires
    })
}

fn presented(exchange: &Exchange) -> &str {
    exchange.presented.last().map_or("", String::as_str)
}

#[tokio::test]
async fn a_restart_with_two_hundred_valid_tokens_asks_no_provider_writes_nothing_and_reads_none_of_them() {
    let mut world = World::new().await;
    let (virtana, provider) = virtana(&world).await;
    let names: Vec<_> = (0..200).map(|number| format!("infra-{number}")).collect();
    for name in &names {
        world.token(name, &provider, "login").await;
    }
    for name in &names {
        world.ready(name).await;
    }
    world.stop_operator().await;
    let asked = virtana.history().len();
    let mark = world.cluster.audit().mark().expect("the audit log");

    world.start_operator().await;
    world.every_apitoken_was_looked_at(200).await;
    assert_eq!(virtana.history().len(), asked);
    let by_name: Vec<_> = world.asked_by_operator(&mark).into_iter().filter(|event| !event.name.is_empty()).collect();
    let others: Vec<_> = by_name.iter().filter(|event| event.name != "apitoken-operator-key").collect();
    assert!(others.is_empty(), "only the operator's own key is read by name: {others:?}");
    assert!(by_name.iter().all(|event| event.verb == "get"), "nothing is written: {by_name:?}");
}

#[tokio::test]
async fn a_crash_between_session_and_output_costs_no_provider_call() {
    let (mut world, proxy) = World::by_proxy().await;
    let (virtana, provider) = virtana(&world).await;
    let hold = proxy.hold(When::Before, writes_output);
    world.start_operator().await;
    world.token("infra", &provider, "login").await;
    hold.first(PATIENCE).await.expect("the output is about to be written");
    world.kill_operator();
    drop(hold);
    assert!(world.all_data("infra").await.is_none());

    world.start_operator().await;
    world.ready("infra").await;
    assert_eq!(virtana.history().len(), 1);
    let (newest, _) = virtana.newest_token("client").expect("a token");
    assert_eq!(world.data("infra", "token").await, newest);
    row(5)
        .injected("kill -9 when the output is about to be written")
        .judged(&oracles::asked(&virtana.history()))
        .logins(virtana.logins().len(), 1)
        .holds("written from the session at the next start; no call");
}

#[tokio::test]
async fn a_crash_between_output_and_status_costs_no_provider_call() {
    let (mut world, proxy) = World::by_proxy().await;
    let (virtana, provider) = virtana(&world).await;
    let hold = proxy.hold(When::Before, |request| request.path.ends_with("/apitokens/infra/status"));
    world.start_operator().await;
    world.token("infra", &provider, "login").await;
    hold.first(PATIENCE).await.expect("the status is about to be written");
    world.kill_operator();
    drop(hold);
    let output = world.all_data("infra").await.expect("the output comes before the status");

    world.start_operator().await;
    world.ready("infra").await;
    assert_eq!(virtana.history().len(), 1);
    assert_eq!(world.all_data("infra").await, Some(output));
    row(6)
        .injected("kill -9 when the status is about to be written")
        .judged(&oracles::asked(&virtana.history()))
        .logins(virtana.logins().len(), 1)
        .holds("the status is written at the next start; the output stays as it is, no call");
}

#[tokio::test]
async fn a_reusable_refresh_token_is_presented_again_after_a_crash_before_the_answer_was_stored() {
    let (mut world, proxy) = World::by_proxy().await;
    let tenovos = Tenovos::start(&world.ca).expect("Tenovos");
    tenovos.add_account("media", "correct", "key-1");
    tenovos.script(|script| (script.lifetime, script.quirks.rotation) = (LIFETIME, Rotation::Lenient));
    world.credentials("login", &[("username", "media"), ("password", "correct"), ("apiKey", "key-1")]).await;
    let provider = world.preset("Tenovos", &tenovos.base_url()).await;
    let outputs = OutputWatcher::start(world.client.clone(), &world.namespace, "assets").await.expect("a watcher");
    world.start_operator().await;
    early_renewing(&world, "assets", &provider).await;
    crash_after_refresh(&mut world, &proxy, tenovos.record()).await;

    tenovos.wait_for("second refresh", PATIENCE, |seen| count(seen, Operation::Refresh) >= 2).await;
    let versions = outputs.wait_for(|versions| versions.len() >= 2, PATIENCE).await.expect("the output is renewed");
    assert!(never_expired(&versions));
    let refreshes = tenovos.refreshes();
    assert_eq!(presented(&refreshes[1]), presented(&refreshes[0]), "the one that was given meanwhile is lost");
    assert_eq!(tenovos.logins().len(), 1);
    tenovos.assert_no_protocol_errors();
    row(2)
        .injected("kill -9 when the answer to a refresh is about to be stored; reusable refresh tokens")
        .judged(&oracles::asked(&tenovos.history()))
        .judged(&oracles::output(&versions, "accessToken", Timestamp::now(), |text| tenovos.token(text)))
        .logins(tenovos.logins().len(), 1)
        .holds("the same refresh token is presented again and taken; no login");
}

#[tokio::test]
async fn a_one_time_refresh_token_is_not_presented_again_after_a_crash_but_one_login_follows() {
    let injected = "kill -9 when the answer to a refresh is about to be stored; one-time refresh tokens";
    presented_once(Rotation::ONE_TIME, row(4).injected(injected)).await;
}

#[tokio::test]
async fn a_grace_time_in_which_the_vendor_takes_a_used_token_is_not_relied_on() {
    let injected = "the same, and the vendor takes a used token for another minute";
    presented_once(Rotation::OneTime { grace: LIFETIME }, row(3).injected(injected)).await;
}

async fn presented_once(rotation: Rotation, note: Draft) {
    let (mut world, proxy) = World::by_proxy().await;
    let virtana = Virtana::start(&world.ca).expect("Virtana");
    virtana.add_account("client", "correct");
    virtana.script(|script| {
        script.lifetime = LIFETIME;
        (script.quirks.refresh_grant, script.quirks.rotation) = (true, rotation);
    });
    world.credentials("login", &[("clientId", "client"), ("clientSecret", "correct")]).await;
    let provider = world.provider("virtana", with_refresh(&world, &virtana)).await;
    let outputs = OutputWatcher::start(world.client.clone(), &world.namespace, "infra").await.expect("a watcher");
    world.start_operator().await;
    early_renewing(&world, "infra", &provider).await;
    crash_after_refresh(&mut world, &proxy, virtana.record()).await;

    virtana.wait_for("second login", PATIENCE, |seen| count(seen, Operation::Login) == 2).await;
    virtana.wait_for("second refresh", PATIENCE, |seen| count(seen, Operation::Refresh) == 2).await;
    let versions = outputs.wait_for(|versions| versions.len() >= 3, PATIENCE).await.expect("the output is renewed");
    assert!(never_expired(&versions));
    let refreshes = virtana.refreshes();
    assert_ne!(presented(&refreshes[1]), presented(&refreshes[0]));
    assert!(refreshes.iter().all(|refresh| refresh.refusal.is_none()), "{refreshes:?}");
    assert_eq!(virtana.logins().len(), 2);
    virtana.assert_no_protocol_errors();
    note.judged(&oracles::one_time(&virtana.history()))
        .judged(&oracles::output(&versions, "token", Timestamp::now(), |text| virtana.token(text)))
        .logins(virtana.logins().len(), 2)
        .holds("presented once; one login, whose session goes on; the old token stays in the output until then");
}

pub fn with_refresh(world: &World, virtana: &Virtana) -> Value {
    let mut spec = example("virtana-refresh.yaml")["spec"].take();
    spec["url"] = json!(virtana.base_url());
    spec["tls"] = json!({ "caBundle": world.ca.pem() });
    spec
}

/// Kills the operator when the vendor has answered the first refresh and nothing of that is stored; starts it again.
async fn crash_after_refresh(world: &mut World, proxy: &ApiProxy, vendor: &History) {
    let record = vendor.clone();
    let hold = proxy.hold(When::Before, move |request| {
        let answered = record.of(Operation::Refresh).iter().any(|refresh| refresh.answered.is_some());
        answered && writes_session(request)
    });
    hold.first(PATIENCE).await.expect("the answer is about to be stored");
    world.kill_operator();
    drop(hold);
    assert_eq!(vendor.of(Operation::Refresh).len(), 1);
    world.start_operator().await;
}

fn count(seen: &[Exchange], operation: Operation) -> usize {
    seen.iter().filter(|exchange| exchange.operation == operation).count()
}

impl World {
    /// A namespace whose operator, not started yet, will reach the API server by a proxy.
    pub async fn by_proxy() -> (Self, ApiProxy) {
        let mut world = Self::without_operator().await;
        let proxy = ApiProxy::start(world.cluster).expect("a proxy");
        world.kubeconfig = proxy.kubeconfig(world.cluster, &User::Operator).expect("a kubeconfig");
        (world, proxy)
    }

    /// What the operator has asked of this story's namespace since the mark, the watches and their lists included.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as the audit log itself takes it")]
    pub fn asked_by_operator(&self, mark: &Mark) -> Vec<AuditEvent> {
        let all = self.cluster.audit().since(mark).expect("the audit log");
        let ours = |event: &AuditEvent| event.user == User::Operator.name() && event.namespace == self.namespace;
        all.into_iter().filter(ours).collect()
    }
}
