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
    token::decide::Errand,
};
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, header};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use tokio::{sync::oneshot, time::timeout};

use crate::{
    bug::Bug,
    fault::{HOUR, Harm, MINUTE, Odd, SECOND, Step},
    history::{Asked, Event, How, Scope},
    leak::WANTED,
    order::{Ask, Order},
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
            let mut order = Order::read(&self.sim, &request);
            let frozen = self.sim.lock().processes[self.process].paused_until > self.sim.now();
            self.sim.running(self.process).await;
            let _line = if self.sim.has(Bug::SharesOneLine) { Some(self.line.lock().await) } else { None };
            self.pervert(&mut order);
            let mut sent_at = now();
            let sent = self.send(&order, frozen);
            let answer = timeout(limit, sent).await.unwrap_or(Err((Cause::Timeout(limit), true)));
            self.sim.running(self.process).await;
            if self.sim.has(Bug::CountsFromTheReply) {
                sent_at = now();
            }
            match (order.ask, &answer) {
                (Ask::Tokens(operation), Ok(answer)) => self.heard(&order, operation, answer),
                (Ask::Tokens(_), Err(_)) => {}
                (Ask::About(errand), answer) => {
                    self.heard_about(&order, errand, answer.as_ref().ok().map(|answer| answer.status));
                }
            }
            let mut answer = answer.map_err(|(cause, sent)| Unanswered::new(&order.url, cause, sent))?;
            self.misread(&order, &mut answer);
            Ok(reply(&answer, sent_at, now()))
        })
    }
}

impl Road {
    /// The planted bug in what is sent.
    fn pervert(&self, order: &mut Order) {
        if order.ask == Ask::About(Errand::Revoke) && self.sim.has(Bug::RevokesTheNewToken) {
            let exposed = self.sim.lock().exposed_text(order);
            order.body["token"] = exposed.into();
        }
    }

    /// The planted bugs in what is heard.
    fn misread(&self, order: &Order, answer: &mut Answer) {
        match self.sim.bug {
            Some(Bug::DistrustsRefreshes) if order.ask == Ask::Tokens(Operation::Refresh) => answer.status = 400,
            Some(Bug::RetriesRefusedPasswords) if answer.refused => answer.status = 500,
            Some(Bug::DeafToProbes) if order.ask == Ask::About(Errand::Probe) => answer.status = 200,
            Some(Bug::MisreadsLifetimes) => {
                answer.body = answer.body.replace("\"expiresIn\":", "\"expiresIn\":3");
            }
            _ => {}
        }
    }

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
        let (provider, token, ask, body) = (order.provider, order.token.clone(), order.ask, order.body.clone());
        tokio::spawn(async move {
            pause(there).await;
            let answer = sim.answer(provider, &token, ask, &body);
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
        if harm == Some(Harm::Panic) {
            self.sim.panicking(self.process, Some(&order.token));
            panic!("{WANTED} {} after {}", answer.body, order.body);
        }
        if harm == Some(Harm::LostAfter) { Err((Cause::Closed, true)) } else { Ok(answer) }
    }

    fn fate(&self, order: &Order) -> (Option<Harm>, i64, i64, bool) {
        let now = self.sim.now();
        let mut state = self.sim.lock();
        let (there, back) = (state.rng.between(5, 400), state.rng.between(5, 400));
        let step = order.ask.step();
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
        let alive = |flight: &&Flight| flight.credentials == order.credentials;
        let in_flight = state.flights.iter().filter(alive).filter(|flight| state.is_running(flight, now)).count();
        match order.ask {
            Ask::Tokens(operation) => self.asked(order, operation, in_flight, state, now),
            Ask::About(errand) => self.inquired(order, errand, in_flight, state, now),
        }
        if !frozen {
            state.usurps(self.process, now, format!("{:?} for {}", order.ask, order.token));
        }
        state.serial += 1;
        let id = state.serial;
        let (credentials, login) = (order.credentials.clone(), order.ask == Ask::Tokens(Operation::Login));
        state.flights.push(Flight { id, process: self.process, credentials, login });
        Landing(Arc::clone(&self.sim), id)
    }

    fn asked(&self, order: &Order, operation: Operation, in_flight: usize, state: &mut State, now: i64) {
        let stored = state.session_of(&order.uid);
        let stored = stored.and_then(|session| Some(session["material"]["refreshToken"].as_str()?.to_owned()));
        let refreshes = operation == Operation::Refresh;
        let asked = Asked {
            process: self.process,
            token: order.token.clone(),
            provider: order.provider,
            operation,
            content: format!("{} {}", order.body["user"], order.body["password"]),
            presented: refreshes.then(|| order.body["refresh"].as_str().unwrap_or_default().to_owned()),
            stored,
            one_time: state.vendors[order.provider].one_time,
            in_flight,
            due_at: state.due_of(&order.token, &order.uid).map(|due| due - state.offset),
        };
        state.note(now, Event::Asked(asked));
    }

    /// The answer has arrived: what it is an excuse for.
    fn heard(&self, order: &Order, operation: Operation, answer: &Answer) {
        let now = self.sim.now();
        let mut state = self.sim.lock();
        state.processes[self.process].owes.insert(order.token.clone());
        let (token, meaning) = (order.token.clone(), answer.meaning(operation));
        state.note(now, Event::Answered { token, operation, meaning });
        let login = operation == Operation::Login;
        if login {
            state.interrupted.remove(&order.credentials);
        }
        if let Some(wait) = answer.retry_after.filter(|wait| *wait > 60) {
            let until = now + (wait * SECOND).min(HOUR) + MINUTE;
            state.note(now, Event::AskedToWait { provider: order.provider, until });
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
    fn answer(&self, provider: usize, token: &str, ask: Ask, body: &Value) -> Answer {
        let now = self.now();
        let mut state = self.lock();
        let operation = match ask {
            Ask::Tokens(operation) => operation,
            Ask::About(errand) => {
                let about = body["token"].as_str().unwrap_or_default();
                return state.answer_about((provider, token), errand, about, now);
            }
        };
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
