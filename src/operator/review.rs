//! Who may read `/metrics`, by the API server's word: a TokenReview, then a SubjectAccessReview.
//!
//! As kube-rbac-proxy and controller-runtime do it, so that the ClusterRole of whoever scrapes those serves here, too.
//! A token goes to the API server and nowhere else: what is remembered of it is a digest.

mod verdicts;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec, UserInfo},
    authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{Api, Client, Resource, api::PostParams};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use self::verdicts::Verdicts;
use super::{cluster, metrics::Metrics};

/// Both reviews together; Prometheus gives up after 10 s by default.
const DEADLINE: Duration = Duration::from_secs(5);
/// Somebody who tries tokens must not take the API server's time from passes.
const IN_FLIGHT: usize = 2;
/// A failure is said this often at most: anybody can cause one.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What the API server says of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    /// Somebody it knows, who may not.
    Forbidden,
    /// Nobody it knows.
    Unknown,
}

/// The API server did not say.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    #[error("cannot create {resource}: {problem}")]
    Refused { resource: &'static str, problem: String },
    #[error("no answer to the reviews of a token within {} s", DEADLINE.as_secs())]
    TimedOut,
}

/// Asks the API server, and remembers for a short while what it said.
pub struct Reviewer {
    client: Client,
    metrics: Arc<Metrics>,
    in_flight: Semaphore,
    verdicts: Mutex<Verdicts>,
    told: Mutex<Option<Instant>>,
}

impl Reviewer {
    #[must_use]
    pub fn new(client: Client, metrics: Arc<Metrics>) -> Self {
        let (in_flight, verdicts) = (Semaphore::new(IN_FLIGHT), Mutex::default());
        Self { client, metrics, in_flight, verdicts, told: Mutex::new(None) }
    }

    /// Whether who has this token may `get` the non-resource URL `/metrics`.
    ///
    /// # Errors
    /// When the API server does not say; the log has it, too.
    pub async fn judge(&self, token: &SecretString) -> Result<Verdict, ReviewError> {
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, token.expose_secret().as_bytes()).as_ref());
        if let Some(verdict) = self.verdicts().get(&key, Instant::now()) {
            return Ok(verdict);
        }
        let reviewed = timeout(DEADLINE, self.review(token)).await;
        let result = reviewed.map_err(|_| ReviewError::TimedOut).flatten();
        match &result {
            Ok(verdict) => self.verdicts().put(key, *verdict, Instant::now()),
            Err(error) => self.tell(error),
        }
        result
    }

    async fn review(&self, token: &SecretString) -> Result<Verdict, ReviewError> {
        let _permit = self.in_flight.acquire().await.expect("invariant: the semaphore is never closed");
        let spec = TokenReviewSpec { token: Some(token.expose_secret().to_owned()), audiences: None };
        let review = TokenReview { spec, ..TokenReview::default() };
        let status = self.create("tokenreviews", &review).await?.status.unwrap_or_default();
        let Some(user) = status.user.filter(|_| status.authenticated == Some(true)) else {
            return Ok(Verdict::Unknown);
        };
        let review = SubjectAccessReview { spec: may_get_metrics(user), ..SubjectAccessReview::default() };
        let status = self.create("subjectaccessreviews", &review).await?.status.unwrap_or_default();
        Ok(if status.allowed && status.denied != Some(true) { Verdict::Allowed } else { Verdict::Forbidden })
    }

    async fn create<K>(&self, resource: &'static str, review: &K) -> Result<K, ReviewError>
    where
        K: Resource<DynamicType = ()> + Clone + fmt::Debug + Serialize + DeserializeOwned,
    {
        let answer = Api::<K>::all(self.client.clone()).create(&PostParams::default(), review).await;
        self.metrics.api_request("create", resource, cluster::outcome(&answer));
        answer.map_err(|error| ReviewError::Refused { resource, problem: cluster::problem(&error) })
    }

    fn tell(&self, error: &ReviewError) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|at| at.elapsed() >= TOLD_EVERY) {
            *told = Some(Instant::now());
            tracing::warn!(
                %error,
                "/metrics is answered with 503; the operator must be allowed to create tokenreviews \
                (authentication.k8s.io) and subjectaccessreviews (authorization.k8s.io)"
            );
        }
    }

    fn verdicts(&self) -> std::sync::MutexGuard<'_, Verdicts> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Reviewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reviewer").finish_non_exhaustive()
    }
}

fn may_get_metrics(user: UserInfo) -> SubjectAccessReviewSpec {
    SubjectAccessReviewSpec {
        user: user.username,
        uid: user.uid,
        groups: user.groups,
        extra: user.extra,
        non_resource_attributes: Some(NonResourceAttributes {
            path: Some("/metrics".to_owned()),
            verb: Some("get".to_owned()),
        }),
        resource_attributes: None,
    }
}
