//! The watches: each keeps the index up to date and says whom an event concerns.
//!
//! Every watch has a task and a back-off of its own, so that one that fails starves no other. Secrets are watched by
//! their role label and as metadata only: their content never comes this way.

mod feeds;

use std::{
    collections::{BTreeMap, HashSet},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::{Stream, StreamExt};
use k8s_openapi::{
    api::core::v1::{Namespace, Secret},
    jiff::{SignedDuration, Timestamp},
};
use kube::{
    Api, Client, Resource,
    core::{DeserializeGuard, PartialObjectMeta},
    runtime::{
        WatchStreamExt,
        watcher::{self, Config, Event},
    },
};
use tokio::sync::Notify;

use self::feeds::{CommonProviders, Feed, Namespaces, Secrets, TenantProviders, Tokens};
use super::{Operator, cluster, settings::ClusterProviders};
use crate::api::{ApiToken, ClusterTokenProvider, TokenProvider};

/// Large pages make the first list a peak of memory.
const PAGE: u32 = 50;
/// A watch counts as failing for this long after its last error.
const FAILING_FOR: SignedDuration = SignedDuration::from_secs(45);
const WATCHED_SECRETS: &str = "apitoken.dev/role in (credentials,output,session,tls)";

/// Which watches have delivered their first list, and which are failing.
#[derive(Debug, Default)]
pub struct Progress {
    missing: AtomicUsize,
    changed: Notify,
    failing: Mutex<BTreeMap<&'static str, Timestamp>>,
    namespaces_needed: Notify,
    namespaces_listed: Notify,
}

impl Progress {
    /// Whether every watch has delivered its first list.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.load(Ordering::Acquire) == 0
    }

    /// Waits for the first list of every watch.
    pub async fn completed(&self) {
        loop {
            let changed = self.changed.notified();
            if self.is_complete() {
                return;
            }
            changed.await;
        }
    }

    pub async fn namespaces_listed(&self) {
        self.namespaces_listed.notified().await;
    }

    /// The watches that have failed a short while ago.
    #[must_use]
    pub fn failing(&self, now: Timestamp) -> Vec<&'static str> {
        let mut failing = self.failing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        failing.retain(|_, at| now < *at + FAILING_FOR);
        failing.keys().copied().collect()
    }

    fn note_failure(&self, watch: &'static str, now: Timestamp) {
        self.failing.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(watch, now);
    }

    fn note_listed(&self, watch: &'static str) {
        self.failing.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(watch);
    }
}

/// Starts all watches; `namespaces` empty: the whole cluster.
pub fn start(operator: &Arc<Operator>, client: &Client, namespaces: &[String]) -> Arc<Progress> {
    let scopes: Vec<Option<String>> =
        if namespaces.is_empty() { vec![None] } else { namespaces.iter().cloned().map(Some).collect() };
    let progress = Arc::new(Progress::default());
    let of_cluster = operator.cluster_providers != ClusterProviders::Off;
    progress.missing.store(scopes.len() * 3 + usize::from(of_cluster), Ordering::Release);
    for scope in scopes {
        let tokens = Tokens { operator: operator.clone(), namespace: scope.clone() };
        let api: Api<DeserializeGuard<ApiToken>> = scoped(client, scope.as_deref());
        run("apitokens", operator, &progress, watch(api, Config::default()), tokens);
        let secrets = Secrets { operator: operator.clone(), namespace: scope.clone() };
        let api: Api<PartialObjectMeta<Secret>> = scoped(client, scope.as_deref());
        run("secrets", operator, &progress, watch(api, Config::default().labels(WATCHED_SECRETS)), secrets);
        let providers = TenantProviders { operator: operator.clone(), namespace: scope.clone() };
        let api: Api<DeserializeGuard<TokenProvider>> = scoped(client, scope.as_deref());
        run("tokenproviders", operator, &progress, watch(api, Config::default()), providers);
    }
    if of_cluster {
        let providers = CommonProviders { operator: operator.clone(), progress: progress.clone() };
        let api: Api<DeserializeGuard<ClusterTokenProvider>> = Api::all(client.clone());
        run("clustertokenproviders", operator, &progress, watch(api, Config::default()), providers);
        tokio::spawn(watch_namespaces(operator.clone(), client.clone(), progress.clone()));
    }
    progress
}

fn scoped<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

fn watch<K>(api: Api<K>, config: Config) -> impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static
where
    K: Resource + Clone + serde::de::DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    watcher::watcher(api, config.page_size(PAGE)).default_backoff()
}

fn run<F>(
    name: &'static str,
    operator: &Arc<Operator>,
    progress: &Arc<Progress>,
    stream: impl Stream<Item = watcher::Result<Event<F::Object>>> + Send + 'static,
    feed: F,
) where
    F: Feed + Send + Sync + 'static,
    F::Object: Send,
    F::Id: Send,
{
    let (operator, progress) = (operator.clone(), progress.clone());
    let first = {
        let progress = progress.clone();
        move || {
            progress.missing.fetch_sub(1, Ordering::AcqRel);
            progress.changed.notify_waiters();
        }
    };
    tokio::spawn(async move {
        let stop = operator.stopping.clone();
        stop.run_until_cancelled(drive(name, &operator, &progress, stream, &feed, first)).await;
    });
}

async fn drive<F: Feed>(
    name: &'static str,
    operator: &Operator,
    progress: &Progress,
    stream: impl Stream<Item = watcher::Result<Event<F::Object>>>,
    feed: &F,
    first: impl FnOnce(),
) {
    let mut stream = pin!(stream);
    let mut listed = HashSet::new();
    let mut first = Some(first);
    while let Some(event) = stream.next().await {
        let concerned = match event {
            Ok(Event::Init) => {
                listed.clear();
                Vec::new()
            }
            Ok(Event::InitApply(object)) => {
                let (id, concerned) = feed.apply(object);
                listed.extend(id);
                concerned
            }
            Ok(Event::Apply(object)) => feed.apply(object).1,
            Ok(Event::Delete(object)) => feed.delete(object),
            Ok(Event::InitDone) => {
                progress.note_listed(name);
                let gone = feed.retain(&std::mem::take(&mut listed));
                first.take().into_iter().for_each(|first| first());
                gone
            }
            Err(error) => {
                note_error(name, operator, progress, &error);
                Vec::new()
            }
        };
        // Before the first lists are complete nobody is woken: then everybody is.
        if progress.is_complete() {
            for subject in concerned {
                operator.wake(subject);
            }
        }
    }
}

fn note_error(name: &'static str, operator: &Operator, progress: &Progress, error: &watcher::Error) {
    operator.metrics.watch_failed(name);
    let problem = match error {
        watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) => {
            progress.note_failure(name, operator.now());
            cluster::problem(error)
        }
        watcher::Error::WatchFailed(error) => cluster::problem(error),
        watcher::Error::WatchError(status) => format!("the API server ended the watch with {}", status.code),
        watcher::Error::NoResourceVersion => "the list has no resourceVersion".to_owned(),
    };
    tracing::warn!(watch = name, problem, "watch failed; it is begun again");
}

/// Namespaces are watched only while a provider selects them by label.
async fn watch_namespaces(operator: Arc<Operator>, client: Client, progress: Arc<Progress>) {
    let stop = operator.stopping.clone();
    stop.run_until_cancelled(async {
        while !operator.index.needs_namespaces() {
            progress.namespaces_needed.notified().await;
        }
        let api: Api<PartialObjectMeta<Namespace>> = Api::all(client);
        let feed = Namespaces { operator: operator.clone() };
        let listed = || progress.namespaces_listed.notify_one();
        drive("namespaces", &operator, &progress, watch(api, Config::default()), &feed, listed).await;
    })
    .await;
}
