//! The API server as a process reaches it: latency, faults, and then the store.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{
    bug::Bug,
    call::{Call, status},
    fault::{Harm, SECOND, Step},
    history::{Event, How, Scope},
    leak::{CANARY, WANTED},
    observe::{CREDENTIALS, SESSION},
    sim::{Sim, State, pause, text, timestamp},
    store::Kind,
};

type Answer = Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>>;

/// After a call that failed, the next pass comes within the longest back-off.
const AFTER_FAILURE: i64 = 90 * SECOND;

impl Sim {
    /// Answers one call of a process, or never.
    pub async fn serve(self: Arc<Self>, process: usize, request: Request<Body>) -> Answer {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await?;
        let mut call = Call::read(&parts, &body);
        let frozen = self.lock().processes[process].paused_until > self.now();
        self.running(process).await;
        if !frozen {
            self.look_for_usurpers(process, &call);
        }
        if let Some(pretended) = self.sabotage(&mut call) {
            return answer(&(200, pretended));
        }
        self.look_for_secrets(&call);
        let concerned = self.lock().concerned(&call);
        let (harm, there, back) = self.fate(&call);
        match harm {
            Some(Harm::CrashBefore) => self.kill(process),
            Some(Harm::LostBefore) => {
                pause(there).await;
                return Err("the connection was reset".into());
            }
            Some(Harm::Refuse(code)) => {
                pause(there + back).await;
                return answer(&(code, status(code, "Refused")));
            }
            _ => {}
        }
        self.running(process).await;
        let (tell, told) = oneshot::channel();
        let sim = Arc::clone(&self);
        tokio::spawn(async move {
            pause(there).await;
            let done = sim.apply(process, &call);
            if harm == Some(Harm::CrashAfter) {
                sim.kill(process);
            }
            let _gone = tell.send(done);
        });
        match harm {
            Some(Harm::CrashSent) => self.kill(process),
            Some(Harm::Hang) => std::future::pending().await,
            _ => {}
        }
        let done = told.await?;
        if harm == Some(Harm::LostAfter) {
            return Err("the connection was reset".into());
        }
        pause(back).await;
        self.running(process).await;
        if harm == Some(Harm::Panic) {
            self.panicking(process, concerned.as_deref());
            panic!("{WANTED} {}, or {CANARY}", done.1);
        }
        answer(&done)
    }

    /// What befalls a call, and how long its ways take.
    fn fate(&self, call: &Call) -> (Option<Harm>, i64, i64) {
        let now = self.now();
        let mut state = self.lock();
        let slow = if state.rng.percent(2) { 200 } else { 4 };
        let (there, back) = (state.rng.between(0, slow), state.rng.between(0, slow));
        if now < state.api_down_until {
            return (Some(Harm::LostBefore), there, back);
        }
        let Some(harm) = state.strike(call.step()) else { return (None, there, back) };
        let scope = match state.concerned(call) {
            Some(token) if !matches!(harm, Harm::CrashBefore | Harm::CrashSent | Harm::CrashAfter) => {
                Scope::Token(token)
            }
            _ => Scope::All,
        };
        let slow = if let Harm::Slow(lasts) = harm { lasts } else { 0 };
        state.note(now, Event::Blocked { scope, until: now + AFTER_FAILURE + slow, how: How::Blind });
        if call.step() == Step::WriteIntent {
            // It may be found later, and then means a request that was cut off.
            for token in
                state.concerned(call).iter().filter_map(|token| state.credentials_of(token)).collect::<Vec<_>>()
            {
                state.interrupt(&token, now);
            }
        }
        (Some(harm), there + slow / 2, back + slow / 2)
    }

    fn apply(self: &Arc<Self>, process: usize, call: &Call) -> (u16, Value) {
        let now = self.now();
        let created = timestamp(now).to_string();
        let mut state = self.lock();
        let state = &mut *state;
        let theirs = state.store.get(&call.id).is_some_and(|there| is_of_others(call, there));
        state.store.clock.clone_from(&created);
        let (code, object) = call.apply(&mut state.store, process, &created);
        if code < 300 && call.is_write() && !call.forgotten {
            let what = call.step();
            let token = state.concerned(call).unwrap_or_default();
            if theirs {
                state.note(now, Event::Touched { name: call.id.name.clone() });
            }
            match what {
                Step::WriteAnswer => drop(state.processes[process].owes.remove(&token)),
                Step::WriteIntent => state.note(now, Event::Intended { token: token.clone(), process }),
                _ => {}
            }
            if call.id.kind == Kind::Lease {
                state.processes[process].renewed_at = Some(now);
            } else {
                let conditional = call.is_conditional();
                state.note(now, Event::Wrote { token, what: name_of(what), conditional });
            }
            self.look_for_orphans(state, call, now);
            self.publish(state);
        }
        (code, object)
    }

    /// A Secret that is made for an ApiToken that is gone.
    fn look_for_orphans(self: &Arc<Self>, state: &mut State, call: &Call, now: i64) {
        let owners = call.body["metadata"]["ownerReferences"].as_array();
        let Some(uid) = owners.into_iter().flatten().map(|owner| text(&owner["uid"])).next() else { return };
        let Some(died_at) = state.dead.get(uid).copied() else { return };
        if now - died_at > 10 * SECOND {
            state.note(now, Event::Resurrected { uid: uid.to_owned(), name: call.id.name.clone() });
        }
        self.collect_later(state);
    }

    /// Who leads no more may only store what it was told already.
    fn look_for_usurpers(&self, process: usize, call: &Call) {
        let now = self.now();
        let mut state = self.lock();
        let acts = call.is_write() && !call.forgotten && call.id.kind != Kind::Lease;
        let owed = state.concerned(call).is_some_and(|token| state.processes[process].owes.contains(&token));
        if acts && !(owed && call.step() == Step::WriteAnswer) {
            state.usurps(process, now, format!("{:?} of {}", call.step(), call.id.name));
        }
    }

    /// The planted bugs at this border. Some: the call does not take place, and this is what is answered.
    fn sabotage(&self, call: &mut Call) -> Option<Value> {
        match (self.bug?, call.step()) {
            (Bug::WritesOutputsBlindly, Step::WriteOutput) if call.body.is_array() => {
                call.body.as_array_mut()?.remove(0);
                None
            }
            (Bug::NeverUnready, Step::WriteStatus) => {
                let conditions = call.body["status"]["conditions"].as_array()?;
                let unready = conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "False");
                let state = self.lock();
                unready.then(|| state.store.get(&call.id).cloned().unwrap_or_default())
            }
            (Bug::TellsSecrets, Step::WriteStatus) => {
                let password = self.lock().data_of(&format!("{CREDENTIALS}0"))["password"].clone();
                call.body["status"]["conditions"][0]["message"] = password;
                None
            }
            (Bug::SeizesOutputs, Step::ReadOutput) => {
                let state = self.lock();
                let there = state.store.get(&call.id).filter(|there| is_of_others(call, there));
                there.map(|there| state.as_ours(call, there.clone()))
            }
            // The intent is neither stored nor missed.
            (Bug::ForgetsIntents, Step::WriteIntent) => {
                let state = self.lock();
                let there = state.store.get(&call.id).cloned();
                there.filter(|_| call.verb == http::Method::PUT)
            }
            // To ask for it is of no help either.
            (Bug::DeafToDeletions, _) if call.id.kind == Kind::ApiToken && !call.is_write() => {
                let state = self.lock();
                let (uid, _) = state.dead.iter().max_by_key(|(_, at)| **at)?;
                let metadata = json!({ "name": call.id.name, "namespace": call.id.namespace, "uid": uid });
                Some(json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata }))
            }
            (Bug::BelievesInItsLease, Step::Lease) => {
                let state = self.lock();
                let there = state.store.get(&call.id).cloned()?;
                call.is_write().then_some(there)
            }
            _ => None,
        }
    }
}

impl State {
    /// The fault that was waiting for this step, if one was.
    pub fn strike(&mut self, step: Step) -> Option<Harm> {
        let at = self.armed.iter().position(|(waiting, ..)| *waiting == step)?;
        let (_, harm, times) = &mut self.armed[at];
        let harm = *harm;
        *times -= 1;
        if *times == 0 {
            self.armed.remove(at);
        }
        *self.fired.entry(format!("{harm:?}").split('(').next()?.to_owned()).or_default() += 1;
        Some(harm)
    }

    /// Whose call it is.
    fn concerned(&self, call: &Call) -> Option<String> {
        let name = &call.id.name;
        match call.id.kind {
            Kind::Secret if name.starts_with(SESSION) => self.token_of(name.strip_prefix(SESSION)?),
            Kind::Secret if name.starts_with(CREDENTIALS) => None,
            Kind::ApiToken | Kind::Secret => Some(name.clone()),
            Kind::Lease | Kind::Provider => None,
        }
    }

    /// A Secret of somebody else, as if it were this output.
    fn as_ours(&self, call: &Call, mut there: Value) -> Value {
        let uid = self.token(&call.id.name).map(|token| token["metadata"]["uid"].clone());
        let owner = json!([{ "apiVersion": "apitoken.dev/v1alpha1", "kind": "ApiToken", "name": call.id.name,
            "uid": uid.unwrap_or_default(), "controller": true }]);
        there["metadata"]["labels"] = json!({ "apitoken.dev/role": "output" });
        there["metadata"]["ownerReferences"] = owner;
        there
    }

    pub fn credentials_of(&self, token: &str) -> Option<String> {
        Some(text(&self.token(token)?["spec"]["credentialsRef"]["name"]).to_owned())
    }

    /// Notes it if a process acts whose claim has run out.
    pub fn usurps(&mut self, process: usize, now: i64, what: String) {
        let renewed_at = self.processes[process].renewed_at;
        let leads = renewed_at.is_some_and(|at| now <= at + self.renew_within);
        if self.history.elected && !leads {
            self.note(now, Event::Usurped { process, what });
        }
    }
}

/// What a process has no business with: Secrets without our label, credentials, and all but the status of what users
/// write.
fn is_of_others(call: &Call, there: &Value) -> bool {
    match call.id.kind {
        Kind::Secret => !matches!(text(&there["metadata"]["labels"]["apitoken.dev/role"]), "session" | "output"),
        Kind::ApiToken | Kind::Provider => !call.status,
        Kind::Lease => false,
    }
}

fn name_of(step: Step) -> &'static str {
    match step {
        Step::WriteIntent => "intent",
        Step::WriteAnswer => "session",
        Step::WriteOutput => "output",
        Step::WriteStatus => "status",
        _ => "other",
    }
}

fn answer((code, body): &(u16, Value)) -> Answer {
    let body = Full::new(Bytes::from(serde_json::to_vec(body)?));
    Ok(Response::builder().status(*code).header("content-type", "application/json").body(body)?)
}
