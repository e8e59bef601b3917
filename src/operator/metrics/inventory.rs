//! Series that are read at scrape from what the operator knows of each ApiToken.
//!
//! Nothing is kept between scrapes: an ApiToken that is gone leaves no series behind, and none costs memory.

use std::{collections::BTreeMap, fmt, sync::Arc};

use jiff::Timestamp;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeGaugeValue},
    metrics::MetricType,
};

/// What the operator knows of its ApiTokens, told one at a time.
pub trait Inventory: Send + Sync + fmt::Debug {
    /// Calls `f` once for each ApiToken. Called several times for one scrape, so it must not do I/O.
    fn visit(&self, f: &mut dyn FnMut(Sample<'_>));
}

/// One ApiToken as the metrics see it.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
    /// Whether its condition `Ready` is True.
    pub ready: bool,
    /// Reason of its condition `Ready`.
    pub reason: &'a str,
    /// When the token in the output expires; none if there is no token.
    pub expires_at: Option<Timestamp>,
    /// When it is to be renewed; none if that is not planned.
    pub renew_at: Option<Timestamp>,
    /// Whether the renewal should have been begun and was not.
    pub overdue: bool,
}

/// Turns an [`Inventory`] into series.
#[derive(Debug)]
pub struct InventoryCollector {
    inventory: Arc<dyn Inventory>,
    object_series: bool,
}

/// Counts over all ApiTokens.
#[derive(Default)]
struct Totals {
    by_reason: BTreeMap<String, u64>,
    expired: u64,
    overdue: u64,
}

impl InventoryCollector {
    pub fn new(inventory: Arc<dyn Inventory>, object_series: bool) -> Self {
        Self { inventory, object_series }
    }

    fn totals(&self, now: Timestamp) -> Totals {
        let mut totals = Totals::default();
        self.inventory.visit(&mut |sample| {
            if let Some(count) = totals.by_reason.get_mut(sample.reason) {
                *count += 1;
            } else {
                totals.by_reason.insert(sample.reason.to_owned(), 1);
            }
            totals.expired += u64::from(sample.expires_at.is_some_and(|at| at <= now));
            totals.overdue += u64::from(sample.overdue);
        });
        totals
    }

    fn encode_totals(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let totals = self.totals(Timestamp::now());
        let mut gauge =
            |name, help, value| encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value);
        gauge("tokens_expired", "ApiTokens whose token has expired", totals.expired)?;
        gauge("tokens_overdue", "ApiTokens whose renewal should have been begun and was not", totals.overdue)?;
        let mut tokens = encoder.encode_descriptor(
            "tokens",
            "ApiTokens by the reason of their condition Ready",
            None,
            MetricType::Gauge,
        )?;
        for (reason, count) in &totals.by_reason {
            tokens.encode_family(&[("reason", reason.as_str())])?.encode_gauge(count)?;
        }
        Ok(())
    }

    /// One gauge with a series for each ApiToken for which `value` yields something.
    fn encode_each<V: EncodeGaugeValue>(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        value: impl Fn(&Sample<'_>) -> Option<V>,
    ) -> fmt::Result {
        let mut gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        let mut result = Ok(());
        self.inventory.visit(&mut |sample| {
            if let (Ok(()), Some(value)) = (result, value(&sample)) {
                let labels = [("namespace", sample.namespace), ("name", sample.name)];
                result = gauge.encode_family(&labels).and_then(|mut series| series.encode_gauge(&value));
            }
        });
        result
    }
}

impl Collector for InventoryCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.encode_totals(&mut encoder)?;
        if !self.object_series {
            return Ok(());
        }
        self.encode_each(&mut encoder, "ready", "Whether the condition Ready is True", |s| Some(u32::from(s.ready)))?;
        self.encode_each(
            &mut encoder,
            "expiry_timestamp_seconds",
            "When the token in the output expires, Unix time",
            |s| s.expires_at.map(Timestamp::as_second),
        )?;
        self.encode_each(&mut encoder, "renew_timestamp_seconds", "When the token is to be renewed, Unix time", |s| {
            s.renew_at.map(Timestamp::as_second)
        })
    }
}
