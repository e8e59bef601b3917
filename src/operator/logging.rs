//! How the operator speaks: one subscriber on standard error, and a panic hook.
//!
//! Decides which crates may speak at all. Must not know what is said, and must not print the payload of a panic.

use std::{
    io::{self, IsTerminal},
    panic::{self, PanicHookInfo},
};

use clap::ValueEnum;
use tracing::{Subscriber, level_filters::LevelFilter, subscriber::SetGlobalDefaultError};
use tracing_subscriber::{
    Registry,
    filter::Targets,
    fmt::{self, MakeWriter},
    layer::{Layer, SubscriberExt},
};

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line: timestamp (RFC 3339), level, target and the event's own fields side by side.
    Json,
    /// For people: timestamp, level, target, message and fields; coloured on a terminal.
    Text,
}

/// From which severity on the operator's own lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What needs somebody.
    Error,
    /// What went wrong and will be tried again.
    Warn,
    /// One line for each pass that did something.
    Info,
    /// Why a pass decided as it did.
    Debug,
    /// Each step.
    Trace,
}

/// Sends all events of this process to standard error, and panics after them.
///
/// # Errors
/// If this process has a global subscriber already.
pub fn init(format: LogFormat, level: LogLevel) -> Result<(), SetGlobalDefaultError> {
    let colours = io::stderr().is_terminal();
    tracing::subscriber::set_global_default(subscriber(format, level, colours, io::stderr))?;
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// The subscriber that [`init`] installs, for any writer.
pub fn subscriber<W>(format: LogFormat, level: LogLevel, colours: bool, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let lines = match format {
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(writer).boxed(),
        LogFormat::Text => fmt::layer().with_ansi(colours).with_writer(writer).boxed(),
    };
    Box::new(Registry::default().with(targets(level)).with(lines))
}

/// Who may speak: this crate from `level` on, all others from `warn` on at most, kube's crates never.
#[must_use]
pub fn targets(level: LogLevel) -> Targets {
    let own = LevelFilter::from(level);
    Targets::new()
        .with_default(own.min(LevelFilter::WARN))
        .with_target(env!("CARGO_CRATE_NAME"), own)
        // Both print replies of the API server that they could not parse or that were refused, at `warn`, whole:
        // a Secret may be in them (kube-client `Client::request`, kube-runtime `watcher`). What they return as an
        // error is logged by us, without the body.
        .with_target("kube_client", LevelFilter::OFF)
        .with_target("kube_runtime", LevelFilter::OFF)
}

/// The panic hook: says where, never what, because a payload may hold whatever was being formatted.
pub fn log_panic(info: &PanicHookInfo<'_>) {
    let location = info.location().map_or_else(|| "unknown".to_owned(), ToString::to_string);
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    tracing::error!(%location, thread, "panicked: this is a bug in the operator, please report the location");
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::OFF,
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn trace_opens_no_other_crate_beyond_warnings() {
        let targets = targets(LogLevel::Trace);
        assert!(targets.would_enable("apitoken_operator::operator::reconcile", &Level::TRACE));
        for foreign in ["hyper::proto", "reqwest::connect", "rustls::client", "tower::buffer", "h2"] {
            assert!(targets.would_enable(foreign, &Level::WARN), "{foreign}");
            assert!(!targets.would_enable(foreign, &Level::INFO), "{foreign}");
        }
    }

    #[test]
    fn kube_is_silent_at_every_level() {
        for level in LogLevel::value_variants() {
            for kube in ["kube_client::client", "kube_runtime::watcher"] {
                assert!(!targets(*level).would_enable(kube, &Level::ERROR), "{kube} at {level:?}");
            }
        }
    }

    #[test]
    fn a_quieter_level_quiets_the_other_crates_too() {
        assert!(!targets(LogLevel::Error).would_enable("hyper", &Level::WARN));
        assert!(!targets(LogLevel::Off).would_enable("apitoken_operator", &Level::ERROR));
    }
}
