//! What a vendor was asked and what it answered, in the order of arrival.
//!
//! It records and counts; it judges nothing. Times are real time, whatever clock the vendor pretends to have.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::ledger::Token;

/// What a request wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum Operation {
    Login,
    Refresh,
    /// A use of the token.
    Protected,
    /// What a server says of itself.
    Metadata,
    /// Revocations, and whatever the vendor has no place for.
    Other,
}

/// One request and what became of it.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// From 1, in the order of arrival; [`History::clear`] does not reset it.
    pub number: u64,
    /// The connection that it came on, from 1.
    pub connection: u64,
    pub received: Timestamp,
    /// `None` while it is unanswered, and for ever if the client went away before.
    pub answered: Option<Timestamp>,
    pub operation: Operation,
    pub account: Option<String>,
    /// The ids of the tokens in the request; `unknown` for those that the vendor never gave.
    pub presented: Vec<String>,
    /// The tokens that the vendor gave, also if the reply never arrived.
    pub issued: Vec<Token>,
    /// The status as sent; `None` if nothing was.
    pub status: Option<u16>,
    /// Why the vendor refused it. The client is not told this.
    pub refusal: Option<String>,
    /// The injected fault, as its type prints.
    pub fault: Option<String>,
    /// What was wrong with the request's form.
    pub protocol_errors: Vec<String>,
    /// Logins and refreshes of the same account in flight when it arrived, itself included.
    pub in_flight: usize,
}

/// A request whose form a real vendor would not have understood, or should not have been sent.
#[derive(Clone, Debug)]
pub struct ProtocolError {
    /// Of the exchange.
    pub number: u64,
    pub operation: Operation,
    pub what: String,
}

/// The record of one vendor.
#[derive(Clone)]
pub struct History(Arc<Inner>);

struct Inner {
    record: Mutex<Record>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Record {
    exchanges: Vec<Exchange>,
    arrived: u64,
    in_flight: HashMap<String, usize>,
    peaks: HashMap<String, usize>,
    total: usize,
    total_peak: usize,
}

/// A request as it arrives.
pub(super) struct Arrival {
    pub(super) operation: Operation,
    pub(super) account: Option<String>,
    pub(super) connection: u64,
    pub(super) fault: Option<String>,
    pub(super) protocol_errors: Vec<String>,
}

/// A request in flight; it lands when this is dropped.
pub(super) struct Visit {
    history: History,
    number: u64,
    /// The account that it counts for, if it is a login or a refresh.
    counted: Option<String>,
}

impl Default for History {
    fn default() -> Self {
        Self(Arc::new(Inner { record: Mutex::default(), changed: watch::Sender::new(0) }))
    }
}

impl History {
    /// Enters a request.
    pub(super) fn arrive(&self, arrival: Arrival) -> Visit {
        let Arrival { operation, account, connection, fault, protocol_errors } = arrival;
        let mut record = self.record();
        record.arrived += 1;
        let number = record.arrived;
        let counts = matches!(operation, Operation::Login | Operation::Refresh);
        let counted = counts.then(|| account.clone().unwrap_or_default());
        let in_flight = counted.as_deref().map_or(0, |account| record.take_off(account));
        record.exchanges.push(Exchange {
            number,
            connection,
            received: Timestamp::now(),
            answered: None,
            operation,
            account,
            presented: Vec::new(),
            issued: Vec::new(),
            status: None,
            refusal: None,
            fault,
            protocol_errors,
            in_flight,
        });
        drop(record);
        self.announce();
        Visit { history: self.clone(), number, counted }
    }

    /// Changes an exchange; one that was cleared away stays away.
    pub(super) fn update(&self, number: u64, change: impl FnOnce(&mut Exchange)) {
        if let Some(exchange) = self.record().exchanges.iter_mut().rev().find(|exchange| exchange.number == number) {
            change(exchange);
        }
        self.announce();
    }

    /// All exchanges so far, those in flight included.
    pub fn all(&self) -> Vec<Exchange> {
        self.record().exchanges.clone()
    }

    /// Those of one operation.
    pub fn of(&self, operation: Operation) -> Vec<Exchange> {
        self.record().exchanges.iter().filter(|exchange| exchange.operation == operation).cloned().collect()
    }

    /// How many requests of one operation an account has made.
    pub fn count(&self, operation: Operation, account: &str) -> usize {
        let record = self.record();
        let of_account = record.exchanges.iter().filter(|exchange| exchange.account.as_deref() == Some(account));
        of_account.filter(|exchange| exchange.operation == operation).count()
    }

    pub fn protocol_errors(&self) -> Vec<ProtocolError> {
        let record = self.record();
        let errors = record.exchanges.iter().flat_map(|exchange| {
            let (number, operation) = (exchange.number, exchange.operation);
            exchange.protocol_errors.iter().map(move |what| ProtocolError { number, operation, what: what.clone() })
        });
        errors.collect()
    }

    /// The most logins and refreshes of one account that were in flight at once, since the last clear.
    pub fn in_flight_peak(&self, account: &str) -> usize {
        self.record().peaks.get(account).copied().unwrap_or(0)
    }

    /// The same over all accounts.
    pub fn peak_in_flight(&self) -> usize {
        self.record().total_peak
    }

    /// Forgets all exchanges and peaks. What is in flight stays in flight.
    pub fn clear(&self) {
        let mut record = self.record();
        record.exchanges.clear();
        record.peaks = record.in_flight.clone();
        record.total_peak = record.total;
    }

    /// Waits until the exchanges are as wanted; looks whenever one changes.
    ///
    /// # Panics
    /// After `deadline`, with all exchanges.
    pub async fn wait_for(&self, what: &str, deadline: Duration, wanted: impl Fn(&[Exchange]) -> bool) {
        let mut changes = self.0.changed.subscribe();
        let reached = async {
            while !wanted(&self.record().exchanges) {
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        if tokio::time::timeout(deadline, reached).await.is_err() {
            panic!("after {deadline:?} there is still no {what}; the vendor saw {:#?}", self.all());
        }
    }

    fn announce(&self) {
        self.0.changed.send_modify(|version| *version += 1);
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.0.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn take_off(&mut self, account: &str) -> usize {
        self.total += 1;
        self.total_peak = self.total_peak.max(self.total);
        let now = self.in_flight.entry(account.to_owned()).or_default();
        *now += 1;
        let peak = self.peaks.entry(account.to_owned()).or_default();
        *peak = (*peak).max(*now);
        *now
    }

    fn land(&mut self, account: &str) {
        self.total -= 1;
        if let Some(now) = self.in_flight.get_mut(account) {
            *now -= 1;
        }
    }
}

impl Visit {
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Notes the answer that is given now; `None`: no status was sent.
    pub(super) fn answer(&self, status: Option<u16>) {
        self.history.update(self.number, |exchange| {
            exchange.answered = Some(Timestamp::now());
            exchange.status = status;
        });
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(account) = &self.counted {
            self.history.record().land(account);
        }
        self.history.announce();
    }
}
