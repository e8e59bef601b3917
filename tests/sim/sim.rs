//! The world of one run: true time, the API server's objects, the providers, the processes, and the faults that are
//! about to strike. Everything that happens is written into the history.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use apitoken_operator::operator::{
    Operator,
    entry::{Key, Subject},
};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep},
};

use crate::{
    bug::Bug,
    fault::{Harm, SECOND, Step},
    history::{Entry, Event, History, How, Scope},
    rng::Rng,
    store::{Change, Id, Kind, Store},
    vendor::Vendor,
};

/// The beginning of every run.
pub const BEGINNING: i64 = 1_763_640_000;
pub const NAMESPACE: &str = "web";

pub struct Sim {
    begun: Instant,
    pub bug: Option<Bug>,
    pub state: Mutex<State>,
}

pub struct State {
    pub rng: Rng,
    pub store: Store,
    pub vendors: Vec<Vendor>,
    pub history: History,
    pub processes: Vec<Process>,
    pub armed: Vec<(Step, Harm, u8)>,
    pub api_down_until: i64,
    /// How far the operator's clock is ahead.
    pub offset: i64,
    pub serial: u64,
    pub flights: Vec<Flight>,
    /// Times of deletion of ApiTokens, by uid.
    pub dead: BTreeMap<String, i64>,
    /// Blocks that last until a login works, by token: their places in the history.
    open: BTreeMap<String, Vec<usize>>,
    /// Interrupted logins in a row, by the name of the credentials Secret.
    pub interrupted: BTreeMap<String, u32>,
    pub fired: BTreeMap<String, usize>,
    /// Renewals of the Lease are good for this long, in milliseconds.
    pub renew_within: i64,
}

/// One life of the operator.
pub struct Process {
    pub dead: bool,
    pub paused_until: i64,
    pub feed: mpsc::UnboundedSender<Fed>,
    pub stalled_until: i64,
    /// Events are lost until then.
    pub gap_until: i64,
    pub killed: Arc<Notify>,
    pub operator: Option<Arc<Operator>>,
    /// When the Lease was last written in its name.
    pub renewed_at: Option<i64>,
    /// Tokens whose provider has answered and whose session was not written since.
    pub owes: BTreeSet<String>,
}

/// What a watch brings.
pub enum Fed {
    Change(Box<Change>, i64),
    /// Begin anew.
    List(i64),
}

/// A request to a provider that is under way.
pub struct Flight {
    pub id: u64,
    pub process: usize,
    pub credentials: String,
    pub login: bool,
}

impl Sim {
    pub fn new(rng: Rng, vendors: Vec<Vendor>, history: History, bug: Option<Bug>) -> Arc<Self> {
        let state = State {
            rng,
            store: Store::default(),
            vendors,
            history,
            processes: Vec::new(),
            armed: Vec::new(),
            api_down_until: 0,
            offset: 0,
            serial: 0,
            flights: Vec::new(),
            dead: BTreeMap::new(),
            open: BTreeMap::new(),
            interrupted: BTreeMap::new(),
            fired: BTreeMap::new(),
            renew_within: 10 * SECOND,
        };
        Arc::new(Self { begun: Instant::now(), bug, state: Mutex::new(state) })
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// True milliseconds since the beginning.
    pub fn now(&self) -> i64 {
        i64::try_from(self.begun.elapsed().as_millis()).unwrap()
    }

    /// What the operator's clock shows.
    pub fn clock(&self) -> Timestamp {
        let offset = self.lock().offset;
        timestamp(self.now() + offset)
    }

    pub fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    pub fn note(&self, event: Event) {
        let at = self.now();
        self.lock().note(at, event);
    }

    /// Something is wrong for these, from now for so many milliseconds.
    pub fn block(&self, scope: Scope, lasts: i64, how: How) {
        let until = self.now() + lasts;
        self.note(Event::Blocked { scope, until, how });
    }

    /// A process dies on the spot: whatever it waits for never comes.
    pub fn kill(&self, process: usize) {
        let now = self.now();
        let mut state = self.lock();
        let state = &mut *state;
        let dying = &mut state.processes[process];
        if dying.dead {
            return;
        }
        dying.dead = true;
        dying.killed.notify_one();
        let cut_off: Vec<_> = state.flights.extract_if(.., |flight| flight.process == process).collect();
        state.note(now, Event::Died { process });
        state.note(now, Event::Blocked { scope: Scope::All, until: now + 90 * SECOND, how: How::Blind });
        for flight in cut_off.iter().filter(|flight| flight.login) {
            state.interrupt(&flight.credentials, now);
        }
    }

    /// A pass of this process is about to panic.
    pub fn panicking(&self, process: usize, token: Option<&str>) {
        let mut state = self.lock();
        let process = &mut state.processes[process];
        if self.has(Bug::PanicsEndTheLoop) {
            process.paused_until = i64::MAX;
        }
        if let (true, Some(operator), Some(token)) = (self.has(Bug::PanicsCountForNothing), &process.operator, token) {
            operator.wake(Subject::Token(Key::new(NAMESPACE, token)));
        }
    }

    /// Returns while the process runs; never, once it is dead.
    pub async fn running(&self, process: usize) {
        loop {
            let (dead, paused_until) = {
                let state = self.lock();
                (state.processes[process].dead, state.processes[process].paused_until)
            };
            let now = self.now();
            if dead {
                std::future::pending::<()>().await;
            }
            if paused_until <= now {
                return;
            }
            pause(paused_until - now).await;
        }
    }

    /// Tells the watches and the history of what was written since.
    pub fn publish(self: &Arc<Self>, state: &mut State) {
        let now = self.now();
        for change in std::mem::take(&mut state.store.changes) {
            state.observe(&change, now);
            if change.deleted && change.id.kind == Kind::ApiToken {
                let uid = text(&change.object["metadata"]["uid"]).to_owned();
                state.dead.insert(uid, now);
                self.collect_later(state);
            }
            for process in 0..state.processes.len() {
                let lag = if state.rng.percent(3) { 500 } else { 20 };
                let due = now + state.rng.between(1, lag);
                let process = &state.processes[process];
                if !process.dead && now >= process.gap_until {
                    let _gone = process.feed.send(Fed::Change(Box::new(change.clone()), due));
                }
            }
        }
    }

    pub fn collect_later(self: &Arc<Self>, state: &mut State) {
        let delay = state.rng.between(200, 3000);
        let sim = Arc::clone(self);
        tokio::spawn(async move {
            pause(delay).await;
            let mut state = sim.lock();
            state.collect();
            sim.publish(&mut state);
        });
    }
}

impl State {
    pub fn note(&mut self, at: i64, event: Event) {
        self.history.entries.push(Entry { at, event });
    }

    /// Something is wrong for a token until its next login works.
    pub fn block_until_login(&mut self, token: &str, now: i64) {
        self.open.entry(token.to_owned()).or_default().push(self.history.entries.len());
        self.note(now, Event::Blocked { scope: Scope::Token(token.to_owned()), until: i64::MAX, how: How::NoToken });
    }

    /// The tokens whose login was refused, or cut off, and that nobody has mended since.
    pub fn wait_for_somebody(&self) -> Vec<String> {
        self.open.keys().cloned().collect()
    }

    pub fn login_worked(&mut self, token: &str, now: i64) {
        for place in self.open.remove(token).unwrap_or_default() {
            if let Event::Blocked { until, .. } = &mut self.history.entries[place].event {
                *until = now + 30 * SECOND;
            }
        }
    }

    /// A login was cut off: the next has to wait.
    pub fn interrupt(&mut self, credentials: &str, now: i64) {
        *self.interrupted.entry(credentials.to_owned()).or_default() += 1;
        for token in self.users_of(credentials) {
            self.block_until_login(&token, now);
        }
    }

    /// The ApiTokens that name these credentials.
    pub fn users_of(&self, credentials: &str) -> Vec<String> {
        let tokens = self.store.all().filter(|(id, _)| id.kind == Kind::ApiToken);
        let users = tokens.filter(|(_, token)| token["spec"]["credentialsRef"]["name"] == credentials);
        users.map(|(id, _)| id.name.clone()).collect()
    }

    /// The names of all ApiTokens.
    pub fn tokens(&self) -> Vec<String> {
        self.store.all().filter(|(id, _)| id.kind == Kind::ApiToken).map(|(id, _)| id.name.clone()).collect()
    }

    /// The name of the ApiToken with this uid.
    pub fn token_of(&self, uid: &str) -> Option<String> {
        let mut tokens = self.store.all().filter(|(id, _)| id.kind == Kind::ApiToken);
        tokens.find(|(_, token)| token["metadata"]["uid"] == uid).map(|(id, _)| id.name.clone())
    }

    pub fn token(&self, name: &str) -> Option<&Value> {
        self.store.get(&Id::new(Kind::ApiToken, NAMESPACE, name))
    }
}

/// The time that a clock shows which is right.
pub fn timestamp(milliseconds: i64) -> Timestamp {
    Timestamp::from_second(BEGINNING).unwrap() + SignedDuration::from_millis(milliseconds)
}

/// The reverse of [`timestamp`].
pub fn milliseconds(at: Timestamp) -> i64 {
    at.as_millisecond() - BEGINNING * SECOND
}

pub async fn pause(milliseconds: i64) {
    sleep(Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))).await;
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
