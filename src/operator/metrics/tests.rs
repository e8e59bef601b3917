use super::*;
use jiff::Timestamp;

#[derive(Debug)]
struct Fixed(Vec<(&'static str, &'static str, &'static str, Option<i64>, bool)>);

impl Inventory for Fixed {
    fn visit(&self, f: &mut dyn FnMut(Sample<'_>)) {
        for &(namespace, name, reason, expires, overdue) in &self.0 {
            let expires_at = expires.map(|second| Timestamp::from_second(second).unwrap());
            let ready = reason == "Issued";
            let (suspended, rejected) = (reason == "Suspended", reason == "CredentialsRejected");
            let failing = rejected.then_some((FailureClass::Rejected, 2));
            let renew_at = expires_at;
            f(Sample { namespace, name, ready, reason, expires_at, renew_at, overdue, suspended, failing });
        }
    }
}

const FAR: i64 = 32_503_680_000;

fn metrics(object_series: bool) -> Metrics {
    let inventory = Fixed(vec![
        ("web", "assets", "Issued", Some(FAR), false),
        ("web", "late", "Issued", Some(FAR), true),
        ("shop", "assets", "TokenExpired", Some(1_000), false),
        ("shop", "new", "Pending", None, false),
        ("shop", "asleep", "Suspended", Some(1_000), false),
        ("shop", "wrong", "CredentialsRejected", None, false),
    ]);
    Metrics::new(Arc::new(inventory), object_series)
}

fn assert_has(text: &str, line: &str) {
    assert!(text.lines().any(|found| found == line), "no line {line:?} in\n{text}");
}

#[test]
fn each_object_has_its_series_and_no_token_means_no_expiry() {
    let text = metrics(true).encode();
    assert_has(&text, r#"apitoken_expiry_timestamp_seconds{namespace="web",name="assets"} 32503680000"#);
    assert_has(&text, r#"apitoken_renew_timestamp_seconds{namespace="shop",name="assets"} 1000"#);
    assert_has(&text, r#"apitoken_ready{namespace="web",name="assets",reason="Issued"} 1"#);
    assert_has(&text, r#"apitoken_ready{namespace="shop",name="new",reason="Pending"} 0"#);
    assert!(!text.contains(r#"apitoken_expiry_timestamp_seconds{namespace="shop",name="new"}"#));
    assert_has(&text, r#"apitoken_failures{namespace="shop",name="wrong",class="Rejected"} 2"#);
    assert!(!text.contains(r#"apitoken_failures{namespace="web""#), "{text}");
}

#[test]
fn without_series_for_objects_the_counts_over_all_of_them_stay() {
    let text = metrics(false).encode();
    assert!(!text.contains("namespace="), "{text}");
    assert_has(&text, "apitoken_tokens_expired 1");
    assert_has(&text, "apitoken_tokens_overdue 1");
    assert_has(&text, r#"apitoken_tokens_failing{class="Rejected"} 1"#);
    assert_has(&text, r#"apitoken_tokens_failing{class="Transient"} 0"#);
    assert_has(&text, r#"apitoken_tokens{reason="Issued"} 2"#);
    assert_has(&text, r#"apitoken_tokens{reason="Pending"} 1"#);
}

#[test]
fn a_request_is_counted_by_its_outcome_and_timed_by_its_operation() {
    let metrics = metrics(false);
    metrics.provider_request("Preset/Palette", Operation::Login, Ok(()), Duration::from_millis(20));
    let rejected = Err(FailureClass::Rejected);
    metrics.provider_request("Preset/Palette", Operation::Login, rejected, Duration::from_millis(20));
    let text = metrics.encode();
    let labels = r#"provider="Preset/Palette",operation="Login""#;
    assert_has(&text, &format!("apitoken_provider_requests_total{{{labels},outcome=\"Succeeded\"}} 1"));
    assert_has(&text, &format!("apitoken_provider_requests_total{{{labels},outcome=\"Rejected\"}} 1"));
    assert_has(&text, &format!("apitoken_provider_request_duration_seconds_count{{{labels}}} 2"));
    assert_has(&text, &format!("apitoken_provider_request_duration_seconds_bucket{{le=\"0.025\",{labels}}} 2"));
}

#[test]
fn a_forgotten_provider_leaves_no_series_and_its_namesake_elsewhere_stays() {
    let metrics = metrics(false);
    for provider in ["TokenProvider/web/sso", "TokenProvider/shop/sso"] {
        for operation in OPERATIONS {
            for outcome in [Ok(())].into_iter().chain(FAILURE_CLASSES.map(Err)) {
                metrics.provider_request(provider, operation, outcome, Duration::ZERO);
            }
        }
        for outcome in ERRAND_OUTCOMES {
            metrics.probed(provider, outcome);
            metrics.revoked(provider, outcome);
        }
        metrics.gate_waiting(provider, 3);
        metrics.gate_concurrency(provider, Some(16));
        metrics.clock_offset(provider, -7.5);
    }
    metrics.forget_provider("TokenProvider/web/sso");
    let text = metrics.encode();
    assert!(!text.contains("TokenProvider/web/sso"), "{text}");
    assert_has(&text, r#"apitoken_gate_waiting{provider="TokenProvider/shop/sso"} 3"#);
    assert_has(&text, r#"apitoken_gate_concurrency{provider="TokenProvider/shop/sso"} 16"#);
    assert_has(&text, r#"apitoken_clock_offset_seconds{provider="TokenProvider/shop/sso"} -7.5"#);
    metrics.gate_concurrency("TokenProvider/shop/sso", None);
    assert!(!metrics.encode().contains("apitoken_gate_concurrency{"), "its own limits hold again");
    for labels in ["outcome=\"Refused\"", "outcome=\"LeftOut\""] {
        assert_has(&text, &format!("apitoken_probes_total{{provider=\"TokenProvider/shop/sso\",{labels}}} 1"));
        assert_has(&text, &format!("apitoken_revocations_total{{provider=\"TokenProvider/shop/sso\",{labels}}} 1"));
    }
}

#[test]
fn passes_api_requests_and_watch_failures_are_counted() {
    let metrics = metrics(false);
    metrics.reconciled("Refreshed", Duration::from_millis(7));
    metrics.api_request("update", "secrets", "Conflict");
    metrics.watch_failed("ApiToken");
    let text = metrics.encode();
    assert_has(&text, r#"apitoken_reconciliations_total{outcome="Refreshed"} 1"#);
    assert_has(&text, r#"apitoken_reconcile_duration_seconds_bucket{le="0.01",outcome="Refreshed"} 1"#);
    assert_has(&text, r#"apitoken_api_requests_total{verb="update",resource="secrets",outcome="Conflict"} 1"#);
    assert_has(&text, r#"apitoken_watch_errors_total{watch="ApiToken"} 1"#);
}

#[test]
fn a_pass_that_panics_is_an_increase_even_if_it_is_the_first() {
    let metrics = metrics(false);
    assert_has(&metrics.encode(), r#"apitoken_reconciliations_total{outcome="panicked"} 0"#);
}

#[test]
fn the_text_tells_the_build_and_ends_as_openmetrics_wants() {
    let text = metrics(false).encode();
    assert_has(&text, concat!("apitoken_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"));
    assert!(text.ends_with("# EOF\n"));
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_metrics_are_there_under_the_names_that_dashboards_know() {
    let text = metrics(false).encode();
    for name in ["process_resident_memory_bytes ", "process_cpu_seconds_total ", "process_start_time_seconds "] {
        assert!(text.lines().any(|line| line.starts_with(name)), "no {name} in\n{text}");
    }
}
