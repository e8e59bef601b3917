//! Watches one Secret as a consumer would and keeps every version it ever had, independent of what the operator says.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use futures::{StreamExt, pin_mut};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{ListParams, WatchEvent, WatchParams},
};
use tokio::task::JoinHandle;

use crate::eventually::poll_until;

/// How long to leave an API server alone that does not answer.
const PAUSE: Duration = Duration::from_millis(50);

/// A Secret as it was at one resourceVersion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// When the watcher heard of it.
    pub seen_at: Timestamp,
    pub resource_version: String,
    pub uid: String,
    /// Decoded.
    pub data: BTreeMap<String, Vec<u8>>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// The Secret is gone with this version, which shows its last content.
    pub deleted: bool,
}

/// The recording; dropping it ends the watch. It belongs to the runtime on which it was started.
#[derive(Debug)]
pub struct OutputWatcher {
    record: Arc<Mutex<Record>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Record {
    versions: Vec<Version>,
    /// Why versions may be missing.
    gap: Option<String>,
}

struct Follower {
    secrets: Api<Secret>,
    name: String,
    record: Arc<Mutex<Record>>,
    /// The resourceVersion up to which everything is recorded.
    position: String,
}

// === impl OutputWatcher ===

impl OutputWatcher {
    /// Begins to record; from here on nothing is missed. A Secret that exists already is the first version.
    ///
    /// # Errors
    /// The client may not list Secrets in the namespace.
    pub async fn start(client: Client, namespace: &str, name: &str) -> Result<Self> {
        let record = Arc::default();
        let secrets = Api::namespaced(client, namespace);
        let mut follower =
            Follower { secrets, name: name.to_owned(), record: Arc::clone(&record), position: String::new() };
        if let Some(present) = follower.look().await? {
            follower.lock().versions.push(present);
        }
        Ok(Self { record, task: tokio::spawn(follower.follow()) })
    }

    /// All versions so far, oldest first.
    ///
    /// # Errors
    /// The API server no longer had versions that the watcher had not seen: the recording proves nothing then.
    pub fn versions(&self) -> Result<Vec<Version>> {
        let record = lock(&self.record);
        match &record.gap {
            Some(gap) => bail!("the recording has a gap: {gap}"),
            None => Ok(record.versions.clone()),
        }
    }

    /// Waits until the versions so far satisfy the condition, and returns them.
    ///
    /// # Errors
    /// As [`Self::versions`], or time is up.
    pub async fn wait_for(&self, condition: impl Fn(&[Version]) -> bool, timeout: Duration) -> Result<Vec<Version>> {
        let satisfied = poll_until(timeout, async || match self.versions() {
            Ok(versions) if !condition(&versions) => Err(summary(&versions)),
            other => Ok(other),
        });
        satisfied.await.unwrap_or_else(|last| Err(anyhow!("not what was waited for within {timeout:?}: {last}")))
    }
}

impl Drop for OutputWatcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Version ===

impl Version {
    /// The value of a key as text; `None` if there is no such key or it is not UTF-8.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.data.get(key).and_then(|value| str::from_utf8(value).ok())
    }

    fn new(secret: Secret, deleted: bool) -> Self {
        let data = secret.data.unwrap_or_default();
        Self {
            seen_at: Timestamp::now(),
            resource_version: secret.metadata.resource_version.unwrap_or_default(),
            uid: secret.metadata.uid.unwrap_or_default(),
            data: data.into_iter().map(|(key, value)| (key, value.0)).collect(),
            labels: secret.metadata.labels.unwrap_or_default(),
            annotations: secret.metadata.annotations.unwrap_or_default(),
            deleted,
        }
    }
}

// === impl Follower ===

impl Follower {
    async fn follow(mut self) {
        loop {
            // A watch that ends is taken up where it ended; only versions that the server has forgotten are lost.
            if let Err(Interruption::Forgotten) = self.watch().await {
                match self.look().await {
                    Ok(present) => self.judge_gap(present.as_ref()),
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            } else {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn watch(&mut self) -> Result<(), Interruption> {
        let only = WatchParams::default().fields(&format!("metadata.name={}", self.name));
        let events = self.secrets.watch(&only, &self.position).await?;
        pin_mut!(events);
        while let Some(event) = events.next().await {
            let version = match event? {
                WatchEvent::Added(secret) | WatchEvent::Modified(secret) => Version::new(secret, false),
                WatchEvent::Deleted(secret) => Version::new(secret, true),
                WatchEvent::Bookmark(bookmark) => {
                    self.position = bookmark.metadata.resource_version;
                    continue;
                }
                WatchEvent::Error(status) if status.code == 410 => return Err(Interruption::Forgotten),
                WatchEvent::Error(_) => return Err(Interruption::Passing),
            };
            self.position.clone_from(&version.resource_version);
            self.lock().versions.push(version);
        }
        Ok(())
    }

    /// The Secret as it is, and the position of that look.
    async fn look(&mut self) -> Result<Option<Version>> {
        let only = ListParams::default().fields(&format!("metadata.name={}", self.name));
        let list = self.secrets.list(&only).await.context("cannot list Secrets")?;
        self.position = list.metadata.resource_version.unwrap_or_default();
        Ok(list.items.into_iter().next().map(|secret| Version::new(secret, false)))
    }

    /// The server forgets after a restart, too. If the Secret stands as it was last seen, no version was missed; one
    /// that was not there and is not there is taken for never having been there in between.
    fn judge_gap(&self, present: Option<&Version>) {
        let mut record = self.lock();
        let last = record.versions.last().filter(|version| !version.deleted);
        if last.map(|version| &version.resource_version) != present.map(|version| &version.resource_version) {
            let (seen, stands) = (last.map(|v| &v.resource_version), present.map(|v| &v.resource_version));
            record.gap =
                Some(format!("last seen at resourceVersion {seen:?}, then the server forgot up to {stands:?}"));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        lock(&self.record)
    }
}

/// Why a watch ended early.
enum Interruption {
    /// The server no longer has what follows the position.
    Forgotten,
    Passing,
}

impl From<kube::Error> for Interruption {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 410 => Self::Forgotten,
            _ => Self::Passing,
        }
    }
}

/// Without the data: it is meant for people who read a failed test.
fn summary(versions: &[Version]) -> String {
    let list: Vec<String> = versions
        .iter()
        .map(|version| format!("{}{}", version.resource_version, if version.deleted { " (deleted)" } else { "" }))
        .collect();
    format!("{} versions: {}", versions.len(), list.join(", "))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
