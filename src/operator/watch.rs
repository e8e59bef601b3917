//! The watches: each keeps the index up to date and says whom an event concerns.
//!
//! Every watch has a task and a back-off of its own, so that one that fails starves no other. Secrets are watched by
//! their role label and as metadata only: their content never comes this way.

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

use super::{
    Operator,
    cluster,
    entry::{Key, ProviderEntry, ProviderKey, SecretEntry, Subject, TokenEntry},
};
use crate::api::{ApiToken, ClusterTokenProvider, ProviderKind, TokenProvider};

/// Large pages make the first list a peak of memory.
const PAGE: u32 = 50;
/// A watch counts as failing for this long after its last error.
const FAILING_FOR: SignedDuration = SignedDuration::from_secs(45);
const WATCHED_SECRETS: &str = "apitoken.dev/role in (credentials,output,session)";

/// Which watches have delivered their first list, and which are failing.
#[derive(Debug, Default)]
pub struct Progress {
    missing: AtomicUsize,
    changed: Notify,
    failing: Mutex<BTreeMap<&'static str, Timestamp>>,
    namespaces_needed: Notify,
    namespaces_listed: Notify,
}

/// What one watch does with its objects.
trait Feed {
    type Object;
    type Id: std::hash::Hash + Eq;

    fn apply(&self, object: Self::Object) -> (Option<Self::Id>, Vec<Subject>);
    fn delete(&self, object: Self::Object) -> Vec<Subject>;
    /// After a list: what was not in it is gone.
    fn retain(&self, listed: &HashSet<Self::Id>) -> Vec<Subject>;
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
    progress.missing.store(scopes.len() * 3 + 1, Ordering::Release);
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
    let providers = ClusterProviders { operator: operator.clone(), progress: progress.clone() };
    let api: Api<DeserializeGuard<ClusterTokenProvider>> = Api::all(client.clone());
    run("clustertokenproviders", operator, &progress, watch(api, Config::default()), providers);
    tokio::spawn(watch_namespaces(operator.clone(), client.clone(), progress.clone()));
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
            concerned.into_iter().for_each(|subject| operator.wake(subject));
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

struct Tokens {
    operator: Arc<Operator>,
    namespace: Option<String>,
}

impl Feed for Tokens {
    type Object = DeserializeGuard<ApiToken>;
    type Id = Key;

    fn apply(&self, object: Self::Object) -> (Option<Key>, Vec<Subject>) {
        let key = Key::of(object.meta());
        match object.0 {
            Ok(token) => {
                let entry = TokenEntry::read(token, self.operator.now());
                (Some(key.clone()), self.operator.index.apply_token(key, entry))
            }
            Err(_) => {
                // Its text may quote the object; the API server's own validation says more.
                tracing::warn!(namespace = key.namespace, name = key.name, "this ApiToken cannot be read; are the CRDs up to date?");
                (Some(key), Vec::new())
            }
        }
    }

    fn delete(&self, object: Self::Object) -> Vec<Subject> {
        let metadata = object.meta();
        let uid = metadata.uid.clone().unwrap_or_default();
        self.operator.duels.forget(&uid);
        self.operator.unsaved.forget(&uid);
        self.operator.index.remove_token(&Key::of(metadata), &uid)
    }

    fn retain(&self, listed: &HashSet<Key>) -> Vec<Subject> {
        self.operator.index.retain_tokens(self.namespace.as_deref(), listed)
    }
}

struct Secrets {
    operator: Arc<Operator>,
    namespace: Option<String>,
}

impl Feed for Secrets {
    type Object = PartialObjectMeta<Secret>;
    type Id = Key;

    fn apply(&self, object: Self::Object) -> (Option<Key>, Vec<Subject>) {
        let key = Key::of(&object.metadata);
        match SecretEntry::read(&object) {
            Some(entry) => (Some(key.clone()), self.operator.index.apply_secret(key, entry)),
            None => (None, Vec::new()),
        }
    }

    fn delete(&self, object: Self::Object) -> Vec<Subject> {
        let uid = object.metadata.uid.clone().unwrap_or_default();
        self.operator.index.remove_secret(&Key::of(&object.metadata), &uid)
    }

    fn retain(&self, listed: &HashSet<Key>) -> Vec<Subject> {
        self.operator.index.retain_secrets(self.namespace.as_deref(), listed)
    }
}

struct TenantProviders {
    operator: Arc<Operator>,
    namespace: Option<String>,
}

impl Feed for TenantProviders {
    type Object = DeserializeGuard<TokenProvider>;
    type Id = ProviderKey;

    fn apply(&self, object: Self::Object) -> (Option<ProviderKey>, Vec<Subject>) {
        let key = tenant_key(&Key::of(object.meta()));
        let Ok(provider) = object.0 else {
            tracing::warn!(provider = %key, "this TokenProvider cannot be read; are the CRDs up to date?");
            return (Some(key), Vec::new());
        };
        let entry = ProviderEntry::read(&provider.metadata, &provider.spec, None, provider.status, self.operator.now());
        (Some(key.clone()), self.operator.index.apply_provider(key, entry))
    }

    fn delete(&self, object: Self::Object) -> Vec<Subject> {
        let key = tenant_key(&Key::of(object.meta()));
        self.operator.index.remove_provider(&key)
    }

    fn retain(&self, listed: &HashSet<ProviderKey>) -> Vec<Subject> {
        let in_scope = |key: &ProviderKey| {
            key.kind == ProviderKind::TokenProvider && (self.namespace.is_none() || key.namespace == self.namespace)
        };
        self.operator.index.retain_providers(in_scope, listed)
    }
}

fn tenant_key(key: &Key) -> ProviderKey {
    ProviderKey { kind: ProviderKind::TokenProvider, namespace: Some(key.namespace.clone()), name: key.name.clone() }
}

struct ClusterProviders {
    operator: Arc<Operator>,
    progress: Arc<Progress>,
}

impl Feed for ClusterProviders {
    type Object = DeserializeGuard<ClusterTokenProvider>;
    type Id = ProviderKey;

    fn apply(&self, object: Self::Object) -> (Option<ProviderKey>, Vec<Subject>) {
        let key = cluster_key(&Key::of(object.meta()));
        let Ok(provider) = object.0 else {
            tracing::warn!(provider = %key, "this ClusterTokenProvider cannot be read; are the CRDs up to date?");
            return (Some(key), Vec::new());
        };
        let allowed = provider.spec.allowed_namespaces.map(|allowed| allowed.selector);
        let selects = allowed.is_some();
        let now = self.operator.now();
        let entry = ProviderEntry::read(&provider.metadata, &provider.spec.definition, allowed, provider.status, now);
        let concerned = self.operator.index.apply_provider(key.clone(), entry);
        if selects {
            self.progress.namespaces_needed.notify_one();
        }
        (Some(key), concerned)
    }

    fn delete(&self, object: Self::Object) -> Vec<Subject> {
        let key = cluster_key(&Key::of(object.meta()));
        self.operator.index.remove_provider(&key)
    }

    fn retain(&self, listed: &HashSet<ProviderKey>) -> Vec<Subject> {
        let in_scope = |key: &ProviderKey| key.kind == ProviderKind::ClusterTokenProvider;
        self.operator.index.retain_providers(in_scope, listed)
    }
}

fn cluster_key(key: &Key) -> ProviderKey {
    ProviderKey { kind: ProviderKind::ClusterTokenProvider, namespace: None, name: key.name.clone() }
}

struct Namespaces {
    operator: Arc<Operator>,
}

impl Feed for Namespaces {
    type Object = PartialObjectMeta<Namespace>;
    type Id = String;

    fn apply(&self, object: Self::Object) -> (Option<String>, Vec<Subject>) {
        let name = object.metadata.name.unwrap_or_default();
        let labels = object.metadata.labels.unwrap_or_default();
        (Some(name.clone()), self.operator.index.apply_namespace(name, labels))
    }

    fn delete(&self, object: Self::Object) -> Vec<Subject> {
        self.operator.index.remove_namespace(&object.metadata.name.unwrap_or_default());
        Vec::new()
    }

    fn retain(&self, _: &HashSet<String>) -> Vec<Subject> {
        Vec::new()
    }
}
