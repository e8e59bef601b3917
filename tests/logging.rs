//! What a log line looks like, and what never stands in one.

use std::{
    io::{self, Write},
    panic,
    sync::{Arc, Mutex},
};

use apitoken_operator::operator::logging::{LogFormat, LogLevel, log_panic, subscriber};
use tracing::subscriber::with_default;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().map_err(|_| io::Error::other("a writer panicked"))?.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// All that is written while `act` runs.
fn written(format: LogFormat, level: LogLevel, act: impl FnOnce()) -> String {
    let captured = Captured::default();
    let writer = captured.clone();
    with_default(subscriber(format, level, false, move || writer.clone()), act);
    String::from_utf8(captured.0.lock().expect("no writer panics").clone()).expect("text")
}

#[test]
fn a_json_line_is_one_object_with_the_fields_beside_the_message() {
    let line = written(LogFormat::Json, LogLevel::Info, || {
        tracing::info!(target: "apitoken_operator::operator", namespace = "web", name = "assets", "refreshed");
    });
    assert_eq!(line.matches('\n').count(), 1, "{line}");
    let object: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(object["level"], "INFO");
    assert_eq!(object["message"], "refreshed");
    assert_eq!((&object["namespace"], &object["name"]), (&"web".into(), &"assets".into()));
    let timestamp = object["timestamp"].as_str().expect("a timestamp");
    timestamp.parse::<jiff::Timestamp>().expect("RFC 3339");
}

#[test]
fn a_text_line_has_no_colours_where_nobody_looks() {
    let line = written(LogFormat::Text, LogLevel::Info, || {
        tracing::info!(target: "apitoken_operator", name = "assets", "refreshed");
    });
    assert!(line.contains("refreshed") && line.contains("assets") && !line.contains('\u{1b}'), "{line:?}");
}

#[test]
fn at_trace_only_the_operator_speaks_below_a_warning_and_kube_not_at_all() {
    let lines = written(LogFormat::Text, LogLevel::Trace, || {
        tracing::trace!(target: "apitoken_operator::token", "own step");
        tracing::info!(target: "hyper::proto", "canary-header");
        tracing::warn!(target: "hyper::proto", "foreign warning");
        tracing::error!(target: "kube_client::client", "canary-body");
        tracing::error!(target: "kube_runtime::watcher", "canary-list");
    });
    assert!(lines.contains("own step") && lines.contains("foreign warning"), "{lines}");
    assert!(!lines.contains("canary"), "{lines}");
}

#[test]
fn a_panic_is_logged_by_its_place_and_without_its_payload() {
    let line = written(LogFormat::Json, LogLevel::Info, || {
        let before = panic::take_hook();
        panic::set_hook(Box::new(log_panic));
        let outcome = panic::catch_unwind(|| panic!("canary-{}", 7));
        panic::set_hook(before);
        assert!(outcome.is_err());
    });
    assert!(line.contains("tests/logging.rs:") && line.contains("panicked"), "{line}");
    assert!(!line.contains("canary"), "{line}");
}
