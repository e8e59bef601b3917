//! The way of one request through a vendor: arrival, fault, latency, work, answer, each entered in the history.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{
    accounts::Accounts,
    faults::{Fault, http_date},
    history::{Arrival, History, Operation, Visit},
    inspect::Inspection,
    ledger::Ledger,
    message::{Delivery, Raw, Reply, Request},
    script::{Faults, RateLimit, Script},
    server::{Answer, Handler},
    vendor::{Counter, Misread, Outcome, Vendor},
};

/// Tells a consumer why its token was refused, which no real vendor does; on logins and refreshes it is not there.
pub(super) const REFUSAL_HEADER: &str = "x-refusal";

/// What a vendor knows.
pub(super) struct Books {
    pub(super) accounts: Accounts,
    pub(super) ledger: Ledger,
    buckets: HashMap<String, Bucket>,
}

/// A leaky bucket (as gateways count): a request that would overfill it is refused.
struct Bucket {
    level: f64,
    seen: Instant,
}

/// Everything of one vendor but its port.
pub(super) struct Desk<V: Vendor> {
    script: Mutex<Script<V::Quirks>>,
    faults: Mutex<Faults>,
    books: Mutex<Books>,
    pub(super) history: History,
}

impl<V: Vendor> Desk<V> {
    pub(super) fn new() -> Self {
        let books = Books { accounts: Accounts::default(), ledger: Ledger::new(V::NAME), buckets: HashMap::new() };
        Self {
            script: Mutex::new(V::script()),
            faults: Mutex::default(),
            books: Mutex::new(books),
            history: History::default(),
        }
    }

    pub(super) fn script(&self) -> MutexGuard<'_, Script<V::Quirks>> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time on the vendor's clock.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::now() + self.script().clock_offset
    }

    async fn answer(self: Arc<Self>, request: Request) -> Delivery {
        let mut inspection = Inspection::default();
        inspection.every_request(&request);
        let read = V::read(&request, &mut inspection);
        let operation = operation_of::<V>(&read);
        // Before anybody is told of the arrival: whoever waits for it may change the script at once.
        let latency = self.latency(operation);
        let (visit, fault) = self.enter(&read, inspection, request.connection);
        if fault == Some(Fault::Hang) {
            std::future::pending::<()>().await;
        }
        let error = |status| V::error(status, "scripted");
        if let Some(delivery) = fault.as_ref().and_then(|fault| fault.instead(error)) {
            wait(latency).await;
            return self.deliver(delivery, visit);
        }
        let number = visit.number();
        // On its own: what a vendor has begun it ends, though the client may have gone away.
        let work = tokio::spawn(async move {
            wait(latency).await;
            let throttled = self.throttle(&request.path, number);
            let reply = match (throttled, read) {
                (Some(reply), _) => reply,
                (None, Ok(ask)) => self.work(ask, number),
                (None, Err(misread)) => misread.reply,
            };
            (self, reply)
        });
        let (desk, reply) = work.await.expect("invariant: a vendor's work does not panic");
        let delivery = match fault {
            Some(fault) => fault.spoil(reply, V::TOKEN_POINTER),
            None => Delivery::Reply(reply),
        };
        desk.deliver(delivery, visit)
    }

    /// Enters a request in the history, with the fault that it meets.
    fn enter(&self, read: &Result<V::Ask, Misread>, inspection: Inspection, connection: u64) -> (Visit, Option<Fault>) {
        let operation = operation_of::<V>(read);
        let account = read.as_ref().ok().and_then(|ask| V::account(ask, &self.books().ledger));
        let fault = self.faults().take(operation);
        let visit = self.history.arrive(Arrival {
            operation,
            account,
            connection,
            fault: fault.as_ref().map(|fault| format!("{fault:?}")),
            protocol_errors: inspection.into_mistakes(),
        });
        (visit, fault)
    }

    fn latency(&self, operation: Operation) -> Duration {
        let script = self.script();
        match operation {
            Operation::Login => script.login_latency,
            Operation::Refresh => script.refresh_latency,
            Operation::Protected | Operation::Metadata | Operation::Other => Duration::ZERO,
        }
    }

    /// Works on a request and notes what came of it.
    fn work(&self, ask: V::Ask, number: u64) -> Reply {
        let script = self.script().clone();
        let operation = V::operation(&ask);
        let now = Timestamp::now() + script.clock_offset;
        let mut books = self.books();
        let Books { accounts, ledger, .. } = &mut *books;
        let outcome = V::act(ask, &mut Counter { script: &script, accounts, ledger, now });
        drop(books);
        let Outcome { reply, account, presented, issued, refusal, mistakes } = outcome;
        let reply = match (&refusal, operation) {
            (Some(why), Operation::Protected) => reply.header(REFUSAL_HEADER, why.as_str()),
            _ => reply,
        };
        self.history.update(number, |exchange| {
            exchange.account = account.or(exchange.account.take());
            exchange.presented = presented;
            exchange.issued = issued;
            exchange.refusal = refusal;
            exchange.protocol_errors.extend(mistakes);
        });
        reply
    }

    /// The answer to a client that asks too often; it is not JSON, as gateways answer.
    fn throttle(&self, path: &str, number: u64) -> Option<Reply> {
        let limit = self.script().rate_limit?;
        let place: Vec<_> = path.split('/').skip(1).take(2).collect();
        let mut books = self.books();
        let now = Instant::now();
        let bucket = books.buckets.entry(place.join("/")).or_insert(Bucket { level: 0.0, seen: now });
        if bucket.admit(limit, now) {
            return None;
        }
        drop(books);
        self.history.update(number, |exchange| exchange.refusal = Some("too many requests".to_owned()));
        Some(Reply::text(429, "Too Many Requests"))
    }

    /// Notes the answer, and keeps the request in flight until raw bytes are written.
    fn deliver(&self, delivery: Delivery, visit: Visit) -> Delivery {
        let offset = self.script().clock_offset;
        match delivery {
            Delivery::Reply(reply) => {
                visit.answer(Some(reply.status));
                if offset.is_zero() {
                    return Delivery::Reply(reply);
                }
                Delivery::Reply(reply.header("date", http_date(Timestamp::now() + offset)))
            }
            Delivery::Raw(raw) => {
                visit.answer(raw.status);
                Delivery::Raw(Raw { until_written: Some(Box::new(visit)), ..raw })
            }
        }
    }
}

impl<V: Vendor> Handler for Desk<V> {
    fn handle(self: Arc<Self>, request: Request) -> Answer {
        Box::pin(self.answer(request))
    }
}

fn operation_of<V: Vendor>(read: &Result<V::Ask, Misread>) -> Operation {
    read.as_ref().map_or_else(|misread| misread.operation, V::operation)
}

/// A timer of zero would still cost a tick of a millisecond.
async fn wait(latency: Duration) {
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
}

impl Bucket {
    fn admit(&mut self, limit: RateLimit, now: Instant) -> bool {
        let drained = now.duration_since(self.seen).as_secs_f64() * limit.per_second;
        let level = (self.level - drained).max(0.0);
        self.seen = now;
        let fits = level <= limit.burst;
        self.level = if fits { level + 1.0 } else { level };
        fits
    }
}
