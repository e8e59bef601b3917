//! The network between a process and the providers.

use std::{sync::Arc, time::Duration};

use apitoken_operator::{
    api::http::Operation,
    operator::{
        address::Tenancy,
        egress::{Carrier, Cause, Reason, Unanswered},
        tls::TlsMaterial,
    },
    provider::{interpret::Reply, render::Request},
};
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, header};
use k8s_openapi::jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::{sync::oneshot, time::timeout};
use url::Url;

use crate::{
    bug::Bug,
    fault::{Harm, MINUTE, Odd, SECOND, Step},
    history::{Asked, Event, How, Scope},
    leak::WANTED,
    sim::{Flight, Sim, State, pause},
    vendor::Answer,
};

/// A process's way to the providers.
pub struct Road {
    pub sim: Arc<Sim>,
    pub process: usize,
    /// One for all, where that bug is planted.
    pub line: tokio::sync::Mutex<()>,
}

/// A request, as a provider reads it.
struct Order {
    url: Url,
    provider: usize,
    operation: Operation,
    uid: String,
    token: String,
    credentials: String,
    body: Value,
}

/// Takes a request off the list however it ends.
struct Landing(Arc<Sim>, u64);

impl Carrier for Road {
    fn carry<'a>(
        &'a self,
        request: Request,
        _: &'a TlsMaterial,
        _: Tenancy,
        limit: Duration,
        now: &'a (dyn Fn() -> Timestamp + Sync),
    ) -> BoxFuture<'a, Result<Reply, Unanswered>> {
        Box::pin(async move {
            let order = Order::read(&self.sim, &request);
            let frozen = self.sim.lock().processes[self.process].paused_until > self.sim.now();
            self.sim.running(self.process).await;
            let _line = if self.sim.has(Bug::SharesOneLine) { Some(self.line.lock().await) } else { None };
            let mut sent_at = now();
            let sent = self.send(&order, frozen);
            let answer = timeout(limit, sent).await.unwrap_or(Err((Cause::Timeout(limit), true)));
            self.sim.running(self.process).await;
            if self.sim.has(Bug::CountsFromTheReply) {
                sent_at = now();
            }
            let mut answer = answer.map_err(|(cause, sent)| Unanswered::new(&order.url, cause, sent))?;
            self.heard(&order, &answer);
            if self.sim.has(Bug::DistrustsRefreshes) && order.operation == Operation::Refresh {
                answer.status = 400;
            }
            if answer.refused && self.sim.has(Bug::RetriesRefusedPasswords) {
                answer.status = 500;
            }
            if self.sim.has(Bug::MisreadsLifetimes) {
                answer.body = answer.body.replace("\"expiresIn\":", "\"expiresIn\":3");
            }
            Ok(reply(&answer, sent_at, now()))
        })
    }
}

impl Road {
    async fn send(&self, order: &Order, frozen: bool) -> Result<Answer, (Cause, bool)> {
        let (harm, there, back, down) = self.fate(order);
        match harm {
            Some(Harm::CrashBefore) => self.sim.kill(self.process),
            Some(Harm::LostBefore) => {
                pause(there).await;
                return Err((Cause::NoConnection(Reason::Refused), false));
            }
            _ if down => {
                pause(there).await;
                return Err((Cause::NoConnection(Reason::Unreachable), false));
            }
            _ => {}
        }
        self.sim.running(self.process).await;
        if self.sim.has(Bug::KeepsRequests) {
            tokio::spawn(std::future::pending::<()>());
        }
        let _landing = self.depart(order, frozen);
        let (tell, told) = oneshot::channel();
        let (sim, process) = (Arc::clone(&self.sim), self.process);
        let (provider, operation, body) = (order.provider, order.operation, order.body.clone());
        tokio::spawn(async move {
            pause(there).await;
            let answer = sim.answer(provider, operation, &body);
            if harm == Some(Harm::CrashAfter) {
                sim.kill(process);
            }
            let _gone = tell.send(answer);
        });
        match harm {
            Some(Harm::CrashSent) => self.sim.kill(self.process),
            Some(Harm::Hang) => std::future::pending().await,
            _ => {}
        }
        let answer = told.await.map_err(|_| (Cause::Closed, true))?;
        pause(back).await;
        assert!(harm != Some(Harm::Panic), "{WANTED} {} after {}", answer.body, order.body);
        if harm == Some(Harm::LostAfter) { Err((Cause::Closed, true)) } else { Ok(answer) }
    }

    fn fate(&self, order: &Order) -> (Option<Harm>, i64, i64, bool) {
        let now = self.sim.now();
        let mut state = self.sim.lock();
        let (there, back) = (state.rng.between(5, 400), state.rng.between(5, 400));
        let step = if order.operation == Operation::Login { Step::Login } else { Step::Refresh };
        let down = now < state.vendors[order.provider].down_until;
        let Some(harm) = state.strike(step) else { return (None, there, back, down) };
        let slow = if let Harm::Slow(lasts) = harm { lasts } else { 0 };
        let until = now + slow + 75 * SECOND;
        for token in state.users_of(&order.credentials) {
            state.note(now, Event::Blocked { scope: Scope::Token(token), until, how: How::NoToken });
        }
        if harm == Harm::Panic && step == Step::Login {
            state.interrupt(&order.credentials, now);
        }
        (Some(harm), there + slow / 2, back + slow / 2, down)
    }

    /// The request has left: what outsiders can tell of it.
    fn depart(&self, order: &Order, frozen: bool) -> Landing {
        let now = self.sim.now();
        let mut state = self.sim.lock();
        let state = &mut *state;
        let stored = state.session_of(&order.uid);
        let stored = stored.and_then(|session| Some(session["material"]["refreshToken"].as_str()?.to_owned()));
        let refreshes = order.operation == Operation::Refresh;
        let alive = |flight: &&Flight| flight.credentials == order.credentials;
        let asked = Asked {
            process: self.process,
            token: order.token.clone(),
            provider: order.provider,
            operation: order.operation,
            content: format!("{} {}", order.body["user"], order.body["password"]),
            presented: refreshes.then(|| order.body["refresh"].as_str().unwrap_or_default().to_owned()),
            stored,
            one_time: state.vendors[order.provider].one_time,
            in_flight: state.flights.iter().filter(alive).filter(|flight| state.is_running(flight, now)).count(),
            due_at: state.due_of(&order.token, &order.uid).map(|due| due - state.offset),
        };
        state.note(now, Event::Asked(asked));
        if !frozen {
            state.usurps(self.process, now, format!("{:?} for {}", order.operation, order.token));
        }
        state.serial += 1;
        let id = state.serial;
        let credentials = order.credentials.clone();
        state.flights.push(Flight { id, process: self.process, credentials, login: !refreshes });
        Landing(Arc::clone(&self.sim), id)
    }

    /// The answer has arrived: what it is an excuse for.
    fn heard(&self, order: &Order, answer: &Answer) {
        let now = self.sim.now();
        let mut state = self.sim.lock();
        state.processes[self.process].owes.insert(order.token.clone());
        let (token, operation, meaning) = (order.token.clone(), order.operation, answer.meaning(order.operation));
        state.note(now, Event::Answered { token, operation, meaning });
        let login = order.operation == Operation::Login;
        if login {
            state.interrupted.remove(&order.credentials);
        }
        match answer.odd {
            Some(Odd::Status(429 | 503, _)) => {
                let until = now + 75 * SECOND;
                state.note(now, Event::Blocked { scope: Scope::Provider(order.provider), until, how: How::NoToken });
            }
            Some(Odd::Status(404, _) | Odd::Garbage | Odd::EmptyToken | Odd::Echo) if login => {
                let until = now + 16 * MINUTE;
                state.note(now, Event::Blocked { scope: Scope::Token(order.token.clone()), until, how: How::NoToken });
            }
            Some(_) => {
                let until = now + 75 * SECOND;
                state.note(now, Event::Blocked { scope: Scope::Token(order.token.clone()), until, how: How::NoToken });
            }
            None => {}
        }
        if login && answer.refused {
            let content = format!("{} {}", order.body["user"], order.body["password"]);
            state.note(now, Event::Refused { content });
        }
        if login && matches!(answer.status, 400 | 401 | 403) {
            for token in state.users_of(&order.credentials) {
                state.block_until_login(&token, now);
            }
        } else if login && answer.status == 200 {
            for token in state.users_of(&order.credentials) {
                state.login_worked(&token, now);
            }
        }
    }
}

impl Sim {
    fn answer(&self, provider: usize, operation: Operation, body: &Value) -> Answer {
        let now = self.now();
        let mut state = self.lock();
        state.serial += 1;
        let serial = state.serial;
        let answer = state.vendors[provider].answer(operation, body, serial, now);
        if let Some(kept) = &answer.kept {
            state.note(now, Event::Kept { refresh_token: kept.clone() });
        }
        answer
    }
}

impl State {
    fn is_running(&self, flight: &Flight, now: i64) -> bool {
        let process = &self.processes[flight.process];
        // What a leader that stops still waits for when it has handed over is as what a dead one has left behind.
        let handed_over = process.operator.as_ref().is_some_and(|operator| operator.handover.has_begun());
        !process.dead && !handed_over && process.paused_until <= now
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.0.lock().flights.retain(|flight| flight.id != self.1);
    }
}

impl Order {
    fn read(sim: &Sim, request: &Request) -> Self {
        let url = Url::parse(request.url.expose_secret()).unwrap();
        let uid = request.headers.iter().find(|(name, _)| name == "x-uid");
        let uid = uid.map(|(_, value)| value.expose_secret().to_owned()).unwrap();
        let body = request.body.as_ref().map(|body| serde_json::from_slice(body.expose_secret()).unwrap());
        let host = url.host_str().unwrap();
        let state = sim.lock();
        let token = state.token_of(&uid).unwrap_or_else(|| format!("deleted {uid}"));
        Self {
            provider: host.split('.').next().unwrap()[1..].parse().unwrap(),
            operation: if url.path() == "/login" { Operation::Login } else { Operation::Refresh },
            credentials: state.credentials_of(&token).unwrap_or_default(),
            body: body.unwrap_or_default(),
            token,
            uid,
            url,
        }
    }
}

fn reply(answer: &Answer, sent_at: Timestamp, received_at: Timestamp) -> Reply {
    let mut headers = HeaderMap::new();
    if let Some(wait) = answer.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_str(&wait.to_string()).unwrap());
    }
    if answer.status == 302 {
        headers.insert(header::LOCATION, HeaderValue::from_static("/elsewhere"));
    }
    let body = answer.body.clone().into_bytes().into();
    Reply { status: answer.status, headers, body, sent_at, received_at }
}
