//! What `/metrics` holds, with each instrument used at least once.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use apitoken_operator::{
    api::{
        http::{FailureClass, Operation},
        reasons,
    },
    operator::metrics::{ErrandOutcome, Inventory, Metrics, Sample},
};
use k8s_openapi::jiff::Timestamp;

/// What comes with a series from Prometheus and its operator.
const OF_THE_TARGET: [&str; 4] = ["cluster", "instance", "job", "pod"];
const CLASSES: [FailureClass; 5] = [
    FailureClass::Rejected,
    FailureClass::SessionOver,
    FailureClass::RateLimited,
    FailureClass::Transient,
    FailureClass::Misconfigured,
];

/// An ApiToken for each reason.
#[derive(Debug)]
struct OneOfEach;

impl Inventory for OneOfEach {
    fn visit(&self, f: &mut dyn FnMut(Sample<'_>)) {
        for reason in reasons::ALL {
            let at = Some(Timestamp::UNIX_EPOCH);
            let failing = Some((FailureClass::Rejected, 1));
            f(Sample {
                namespace: "web",
                name: reason,
                ready: *reason == reasons::ISSUED,
                reason,
                expires_at: at,
                renew_at: at,
                overdue: true,
                suspended: false,
                failing,
            });
        }
    }
}

/// The text of `/metrics`.
pub fn text() -> String {
    let metrics = Metrics::new(Arc::new(OneOfEach), true);
    for outcome in [Ok(())].into_iter().chain(CLASSES.map(Err)) {
        metrics.provider_request("p", Operation::Login, outcome, Duration::ZERO);
        metrics.provider_request("p", Operation::Refresh, outcome, Duration::ZERO);
    }
    for outcome in [ErrandOutcome::Good, ErrandOutcome::Refused, ErrandOutcome::Unproven, ErrandOutcome::LeftOut] {
        metrics.probed("p", outcome);
    }
    for outcome in [ErrandOutcome::Revoked, ErrandOutcome::Refused, ErrandOutcome::Unproven, ErrandOutcome::LeftOut] {
        metrics.revoked("p", outcome);
    }
    metrics.reconciled("idle", Duration::ZERO);
    for outcome in ["ok", "forbidden", "refused", "timeout", "failed", "server_error"] {
        metrics.api_request("get", "secrets", outcome);
    }
    metrics.watch_failed("secrets");
    metrics.gate_waiting("p", 0);
    metrics.gate_concurrency("p", Some(1));
    metrics.clock_offset("p", 0.0);
    metrics.encode()
}

/// Name and type of each family, as in `apitoken_ready gauge`.
pub fn families(text: &str) -> BTreeSet<String> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).map(str::to_owned).collect()
}

/// What is wrong with the metrics that an expression names: those that are not served, labels that they have not, and
/// values that these never have.
pub fn mistakes(expression: &str, text: &str) -> Vec<String> {
    let mut mistakes = Vec::new();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for (at, _) in expression.match_indices(word) {
        let rest = &expression[at..];
        let starts = !expression[..at].ends_with(|c: char| word(c) || c == '"');
        if !starts || !["apitoken_", "process_"].iter().any(|prefix| rest.starts_with(prefix)) {
            continue;
        }
        let (name, after) = rest.split_at(rest.find(|c| !word(c)).unwrap_or(rest.len()));
        let series: Vec<_> = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name)).collect();
        if series.is_empty() {
            mistakes.push(format!("{name} is not served"));
        }
        let matchers = after.strip_prefix('{').and_then(|after| after.split_once('}')).map_or("", |(inside, _)| inside);
        for matcher in matchers.split(", ").filter(|matcher| !matcher.is_empty()) {
            mistakes.extend(mistake(name, matcher, &series));
        }
    }
    mistakes
}

/// Of a matcher such as `reason!~"Issued|Suspended"`.
fn mistake(name: &str, matcher: &str, series: &[&str]) -> Option<String> {
    let (label, value) = matcher.split_once(['=', '!']).unwrap();
    if OF_THE_TARGET.contains(&label) {
        return None;
    }
    let values = value.trim_start_matches(['=', '~']).trim_matches('"');
    let has = |value: &str| {
        let wanted = if value.starts_with('$') { format!("{label}=\"") } else { format!("{label}=\"{value}\"") };
        series.iter().any(|series| series.contains(&wanted))
    };
    values.split('|').find(|value| !has(value)).map(|value| format!("{name} has no {label}={value:?}"))
}

#[test]
fn a_metric_a_label_or_a_value_that_is_not_served_is_found() {
    let text = text();
    for (expression, mistake) in [
        ("sum(apitoken_ready == 0)", None),
        (r#"apitoken_ready{cluster=~"$cluster", namespace=~"$namespace", reason!~"Issued|Suspended"}"#, None),
        ("rate(apitoken_provider_requests_total[5m])", None),
        ("rate(apitoken_provider_requests[5m])", Some("apitoken_provider_requests is not served")),
        (r#"apitoken_ready{reason="Good"}"#, Some(r#"apitoken_ready has no reason="Good""#)),
        (r#"apitoken_ready{class=~"Rejected"}"#, Some(r#"apitoken_ready has no class="Rejected""#)),
        (r#"apitoken_ready{provider=~"$provider"}"#, Some(r#"apitoken_ready has no provider="$provider""#)),
    ] {
        assert_eq!(mistakes(expression, &text).first().map(String::as_str), mistake, "{expression}");
    }
}
