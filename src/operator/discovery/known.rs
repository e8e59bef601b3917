//! What is known of one issuer: for how long it counts, and when it is asked again. Sends nothing.

use std::time::Duration;

use tokio::time::Instant;

use crate::{operator::entry::ProviderKey, provider::grant::Failure};

/// After so long the issuer is asked again, by whoever needs its endpoint next.
const FRESH: Duration = Duration::from_secs(3600);
/// Until then an old answer goes on counting while no new one can be had: a metadata server that is down takes no
/// token away.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// An issuer that is asked in vain is asked no more often than this while an old answer counts: each request may take
/// its whole timeout, and holds up whoever needs the endpoint.
const AGAIN: Duration = Duration::from_secs(60);
/// One that answers is asked no more often than this, however little its endpoint is there.
const IN_DOUBT: Duration = Duration::from_secs(5);
/// A failure counts for all who come so soon after it: thousands need not find out one by one.
const SHARED: Duration = Duration::from_secs(2);

/// What one issuer has told, and how the last request ended.
#[derive(Debug, Default)]
pub(super) struct Known {
    told: Option<Told>,
    failed: Option<(Instant, Failure)>,
    /// The endpoint has not answered as one.
    doubtful: bool,
}

#[derive(Debug)]
struct Told {
    token_url: String,
    at: Instant,
}

impl Known {
    /// What is known well enough; `None`: ask. `came`: since when the caller has waited.
    pub fn answer(&self, came: Instant) -> Option<Result<String, Failure>> {
        let recently = |at: Instant, within: Duration| at.elapsed() < within;
        let told = self.told.as_ref().filter(|told| recently(told.at, LONGEST));
        if let Some(told) = told {
            let (asked, pause) = self.failed.as_ref().map_or((told.at, IN_DOUBT), |(at, _)| (*at, AGAIN));
            let good = recently(told.at, FRESH) && !self.doubtful;
            return (good || asked >= came || recently(asked, pause)).then(|| Ok(told.token_url.clone()));
        }
        let failed = self.failed.as_ref().filter(|(at, _)| *at >= came || recently(*at, SHARED));
        failed.map(|(_, failure)| Err(failure.clone()))
    }

    /// Keeps what came of a request that ended `now`, and says what counts.
    pub fn learn(
        &mut self,
        found: Result<String, Failure>,
        now: Instant,
        provider: &ProviderKey,
    ) -> Result<String, Failure> {
        match found {
            Ok(token_url) => {
                *self = Self { told: Some(Told { token_url: token_url.clone(), at: now }), ..Self::default() };
                Ok(token_url)
            }
            Err(failure) => {
                self.failed = Some((now, failure.clone()));
                let Some(old) = self.told.as_ref().filter(|told| now - told.at < LONGEST) else { return Err(failure) };
                let age_seconds = (now - old.at).as_secs();
                tracing::warn!(%provider, failure = failure.message, age_seconds, "an earlier discovery goes on counting");
                Ok(old.token_url.clone())
            }
        }
    }

    /// The endpoint may have moved.
    pub fn doubt(&mut self) {
        self.doubtful = true;
    }
}
