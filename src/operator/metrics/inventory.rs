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

use super::labels::{FAILURE_CLASSES, outcome_label};
use crate::api::http::FailureClass;

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
    /// Whether the renewal should have been begun and was not, though nothing is in its way.
    pub overdue: bool,
    /// Whether its owner wants no renewal.
    pub suspended: bool,
    /// What the last attempt failed of, and how many have failed since one succeeded; none while all is well.
    pub failing: Option<(FailureClass, u32)>,
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
    failing: [u64; FAILURE_CLASSES.len()],
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
            // What is suspended expires because somebody wants it to.
            totals.expired += u64::from(!sample.suspended && sample.expires_at.is_some_and(|at| at <= now));
            totals.overdue += u64::from(sample.overdue);
            for (class, count) in FAILURE_CLASSES.iter().zip(&mut totals.failing) {
                *count += u64::from(sample.failing.is_some_and(|(failing, _)| failing == *class));
            }
        });
        totals
    }

    fn encode_totals(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let totals = self.totals(Timestamp::now());
        let mut gauge =
            |name, help, value| encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value);
        gauge("tokens_expired", "ApiTokens, not suspended, whose token has expired", totals.expired)?;
        gauge(
            "tokens_overdue",
            "ApiTokens whose renewal should have been begun and was not, though nothing is in its way",
            totals.overdue,
        )?;
        let mut tokens = encoder.encode_descriptor(
            "tokens",
            "ApiTokens by the reason of their condition Ready",
            None,
            MetricType::Gauge,
        )?;
        for (reason, count) in &totals.by_reason {
            tokens.encode_family(&[("reason", reason.as_str())])?.encode_gauge(count)?;
        }
        let help = "ApiTokens whose last attempt failed, by what the failure means";
        let mut failing = encoder.encode_descriptor("tokens_failing", help, None, MetricType::Gauge)?;
        for (class, count) in FAILURE_CLASSES.iter().zip(&totals.failing) {
            failing.encode_family(&[("class", outcome_label(Err(*class)))])?.encode_gauge(count)?;
        }
        Ok(())
    }

    /// One gauge with a series for each ApiToken for which `value` yields something: the value, and a label if there
    /// is one besides namespace and name.
    fn encode_each<V: EncodeGaugeValue>(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        value: impl for<'a> Fn(&Sample<'a>) -> Option<(V, Option<(&'static str, &'a str)>)>,
    ) -> fmt::Result {
        let mut gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        let mut result = Ok(());
        self.inventory.visit(&mut |sample| {
            if let (Ok(()), Some((value, label))) = (result, value(&sample)) {
                let (namespace, name) = (("namespace", sample.namespace), ("name", sample.name));
                result = match label {
                    None => gauge.encode_family(&[namespace, name]).and_then(|mut one| one.encode_gauge(&value)),
                    Some(label) => {
                        gauge.encode_family(&[namespace, name, label]).and_then(|mut one| one.encode_gauge(&value))
                    }
                };
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
        let help = "Whether the condition Ready is True, with its reason";
        self.encode_each(&mut encoder, "ready", help, |s| Some((u32::from(s.ready), Some(("reason", s.reason)))))?;
        let help = "When the token in the output expires, Unix time";
        self.encode_each(&mut encoder, "expiry_timestamp_seconds", help, |s| Some((s.expires_at?.as_second(), None)))?;
        let help = "When the token is to be renewed, Unix time";
        self.encode_each(&mut encoder, "renew_timestamp_seconds", help, |s| Some((s.renew_at?.as_second(), None)))?;
        let help = "Attempts that have failed since one succeeded; absent while all is well";
        self.encode_each(&mut encoder, "failures", help, |s| {
            let (class, count) = s.failing?;
            Some((count, Some(("class", outcome_label(Err(class))))))
        })
    }
}
