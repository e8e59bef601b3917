//! Two namespaces with objects of the same names: no token ever strays from one into the other.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, ResourceExt,
    runtime::watcher::{self, Event},
};
use serde_json::json;
use testbed::{
    eventually::await_until,
    operator::OperatorProcess,
    vendors::{Tenovos, TokenKind},
};
use tokio::task::JoinHandle;

use crate::world::{PATIENCE, World};

/// In each of the two namespaces.
const OBJECTS: usize = 200;
/// In each of the two namespaces; ApiTokens that share one ask one after another.
const LOGINS: usize = 20;
/// The first token and two renewals.
const VERSIONS: usize = 3;
/// Two renewals of 400 tokens on a machine that has other things to do.
const LONG_PATIENCE: Duration = Duration::from_secs(240);

/// Namespace and name, and each of its versions: access token and authorization.
type Versions = BTreeMap<(String, String), Vec<(String, String)>>;

/// Every version of every output in two namespaces, by one watch.
struct Recording {
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    versions: Versions,
    /// More than one: there was a gap, and versions may be missing.
    lists: usize,
}

impl Recording {
    async fn start(client: Client, namespaces: [String; 2]) -> Self {
        let state = Arc::<Mutex<State>>::default();
        let config = watcher::Config::default().labels("apitoken.dev/role=output");
        let mut stream = watcher::watcher(Api::<Secret>::all(client), config).boxed();
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Some(event) = stream.next().await {
                let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
                match event {
                    Ok(Event::InitDone) | Err(_) => state.lists += 1,
                    Ok(Event::Apply(secret) | Event::InitApply(secret)) => state.note(&secret, &namespaces),
                    Ok(Event::Init | Event::Delete(_)) => {}
                }
            }
        });
        let recording = Self { state, task };
        await_until("the watch has begun", PATIENCE, async || match recording.look(|state| state.lists) {
            0 => Err("not yet"),
            _ => Ok(()),
        })
        .await;
        recording
    }

    fn look<R>(&self, at: impl FnOnce(&State) -> R) -> R {
        at(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    fn note(&mut self, secret: &Secret, namespaces: &[String]) {
        let namespace = secret.namespace().unwrap_or_default();
        if !namespaces.contains(&namespace) {
            return;
        }
        let text = |key: &str| {
            let value = secret.data.as_ref().and_then(|data| data.get(key));
            String::from_utf8(value.map(|bytes| bytes.0.clone()).unwrap_or_default()).expect("text")
        };
        let version = (text("accessToken"), text("authorization"));
        let versions = self.versions.entry((namespace, secret.name_any())).or_default();
        if versions.last() != Some(&version) {
            versions.push(version);
        }
    }
}

fn account(namespace: &str, number: usize) -> String {
    format!("{namespace}-user-{}", number % LOGINS)
}

/// Credentials and ApiTokens, named as in the other namespace.
async fn populate(world: &World, tenovos: &Tenovos, provider: &str) {
    for number in 0..LOGINS {
        let (user, password) = (account(&world.namespace, number), format!("of-{}-{number}", world.namespace));
        tenovos.add_account(&user, &password, "key-1");
        let data = [("username", user.as_str()), ("password", password.as_str()), ("apiKey", "key-1")];
        world.credentials(&format!("login-{number}"), &data).await;
    }
    for number in 0..OBJECTS {
        world.token(&format!("token-{number}"), provider, &format!("login-{}", number % LOGINS)).await;
    }
}

#[tokio::test]
async fn every_version_of_every_output_holds_a_token_of_its_own_namespaces_credentials() {
    let (one, other) = (World::without_operator().await, World::without_operator().await);
    let namespaces = [one.namespace.clone(), other.namespace.clone()];
    let tenovos = Tenovos::start(&one.ca).expect("Tenovos");
    tenovos.script(|script| {
        script.lifetime = Duration::from_secs(12);
        script.login_latency = Duration::from_millis(20);
    });
    let tls = json!({ "caBundle": one.ca.pem() });
    let limits = json!({ "requestsPerSecond": 1000, "burst": 1000, "concurrency": 64 });
    let spec = json!({ "preset": "Tenovos", "url": tenovos.base_url(), "tls": tls, "limits": limits });
    let provider = one.provider("tenovos", spec).await;
    let recording = Recording::start(one.client.clone(), namespaces.clone()).await;
    tokio::join!(populate(&one, &tenovos, &provider), populate(&other, &tenovos, &provider));

    let mut options = one.operator_options();
    let both = namespaces.join(",");
    options.args.iter_mut().filter(|arg| **arg == one.namespace).take(1).for_each(|arg| arg.clone_from(&both));
    options.args.extend(["--origin-requests-per-second", "1000"].map(String::from));
    let operator = OperatorProcess::start(&options).expect("the operator starts");
    operator.ready(PATIENCE).await.expect("the operator becomes ready");
    await_until("all outputs were renewed twice", LONG_PATIENCE, async || {
        let often = recording.look(|state| state.versions.values().filter(|all| all.len() >= VERSIONS).count());
        if often == 2 * OBJECTS { Ok(()) } else { Err(format!("{often} of {} outputs", 2 * OBJECTS)) }
    })
    .await;
    assert!(operator.terminate().await.expect("it ends").success());

    assert_eq!(recording.look(|state| state.lists), 1, "the recording has a gap and proves nothing");
    let versions = recording.look(|state| state.versions.clone());
    for ((namespace, name), all) in &versions {
        let number: usize = name.trim_start_matches("token-").parse().expect("a number");
        for (access, authorization) in all {
            let access = tenovos.token(access).expect("a token of this vendor");
            let authorization = tenovos.token(authorization).expect("a token of this vendor");
            assert_eq!(access.account, account(namespace, number), "{namespace}/{name} holds a stranger's token");
            assert_eq!((access.kind, authorization.kind), (TokenKind::Access, TokenKind::Id), "{namespace}/{name}");
            assert_eq!(access.grant, authorization.grant, "{namespace}/{name}: tokens of two replies");
        }
        let sessions: Vec<_> =
            all.iter().filter_map(|(access, _)| tenovos.token(access)).map(|it| it.session).collect();
        assert!(sessions.is_sorted(), "{namespace}/{name} went back to an earlier session");
    }
    let mut owners = BTreeMap::new();
    for (whose, all) in &versions {
        for (access, _) in all {
            let session = tenovos.token(access).expect("checked").session;
            assert_eq!(owners.insert(session, whose).unwrap_or(whose), whose, "two ApiTokens share a session");
        }
    }
    tenovos.assert_no_protocol_errors();
}
