//! Where a secret must not stand: the operator's log, its metrics, and all that it writes but the data of Secrets. Every
//! secret of a run begins alike, so that one search finds them all, in whatever encoding.

use std::{
    io,
    panic::{self, PanicHookInfo},
    sync::{Arc, LazyLock, Once, Weak},
};

use apitoken_operator::operator::logging::{LogFormat, LogLevel, log_panic, subscriber};
use serde_json::Value;
use testbed::leaks::Canaries;
use tracing::subscriber::DefaultGuard;

use crate::{
    call::Call,
    history::Event,
    sim::{Sim, text},
    store::Kind,
};

/// The beginning of every password and every token.
pub const CANARY: &str = "c4n4ry-secret-";

static CANARIES: LazyLock<Canaries> = LazyLock::new(|| {
    let mut canaries = Canaries::default();
    canaries.add("a secret", CANARY);
    canaries
});

/// The log of all processes of a run, line by line.
#[derive(Clone)]
struct Log(Weak<Sim>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(sim) = self.0.upgrade() {
            let line = String::from_utf8_lossy(bytes);
            sim.look_at("the log", &line);
            if line.contains("\"level\":\"ERROR\"") {
                sim.note(Event::Complained { line: line.trim().to_owned() });
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads the operator's log until the guard goes; with all that it may say.
pub fn listen(sim: &Arc<Sim>) -> DefaultGuard {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| if is_wanted(info) { log_panic(info) } else { others(info) }));
    });
    let log = Log(Arc::downgrade(sim));
    tracing::subscriber::set_default(subscriber(LogFormat::Json, LogLevel::Trace, false, move || log.clone()))
}

/// What a run that wants a panic says first: all other panics are the simulator's, and are printed.
pub const WANTED: &str = "cannot read";

fn is_wanted(info: &PanicHookInfo<'_>) -> bool {
    info.payload().downcast_ref::<String>().is_some_and(|text| text.starts_with(WANTED))
}

impl Sim {
    /// Notes it if a secret stands there.
    pub fn look_at(&self, place: &str, text: &str) {
        if let Some(leak) = CANARIES.find(place, text).first() {
            self.note(Event::Leaked { place: leak.to_string() });
        }
    }

    /// In what a process writes; the data of a Secret are where secrets belong.
    pub fn look_for_secrets(&self, call: &Call) {
        if !call.is_write() {
            return;
        }
        let mut body = call.body.clone();
        match &mut body {
            Value::Object(object) if call.id.kind == Kind::Secret => drop(object.remove("data")),
            Value::Array(patch) => patch.retain(|step| !text(&step["path"]).starts_with("/data")),
            _ => {}
        }
        self.look_at(&format!("{:?} of {}", call.step(), call.id.name), &body.to_string());
    }
}
