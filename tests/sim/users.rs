//! What users and misfortune do: each fault, at its time.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    fault::{Edit, Fault, HOUR, SECOND, What},
    history::{Event, How, Scope},
    leak::CANARY,
    observe::CREDENTIALS,
    sim::{Fed, NAMESPACE, Sim, State, pause, timestamp},
    store::{By, Id, Kind},
};

/// Strikes when its time has come.
pub async fn befall(sim: Arc<Sim>, fault: Fault) {
    pause(fault.at - sim.now()).await;
    *sim.lock().fired.entry(fault.what.kind()).or_default() += 1;
    let now = sim.now();
    match fault.what {
        What::Call { step, harm, times } => sim.lock().armed.push((step, harm, times)),
        What::Api { down_for } => {
            sim.lock().api_down_until = now + down_for;
            sim.block(Scope::All, down_for + 90 * SECOND, How::Blind);
        }
        What::ProviderDown { provider, down_for } => {
            sim.lock().vendors[provider].down_until = now + down_for;
            sim.block(Scope::Provider(provider), down_for + 75 * SECOND, How::NoToken);
        }
        What::Reply { provider, odd, times } => {
            let mut state = sim.lock();
            (0..times).for_each(|_| state.vendors[provider].odd.push_back(odd));
        }
        What::Revoke { provider } => sim.lock().vendors[provider].revoke(),
        What::EndTokens { provider, sessions } => {
            let mut state = sim.lock();
            let serials = state.vendors[provider].end_all();
            state.note(now, Event::Ended { serials });
            if sessions {
                state.vendors[provider].revoke();
            }
        }
        What::ErrandReply { provider, status, times } => {
            let mut state = sim.lock();
            (0..times).for_each(|_| state.vendors[provider].odd_errands.push_back(status));
        }
        What::EditProvider { provider } => edit_provider(&sim, provider),
        What::User { token, edit, lasts } => user(&sim, &format!("t{token}"), edit, lasts).await,
        What::LeaseDeleted => {
            sim.block(Scope::All, 60 * SECOND, How::Blind);
            let mut state = sim.lock();
            let lease = Id::new(Kind::Lease, NAMESPACE, "apitoken-operator");
            let _none = state.store.delete(&lease, &Value::Null, By::User);
            state.note(now, Event::LeaseDeleted);
            sim.publish(&mut state);
        }
        what => process(&sim, what),
    }
}

fn process(sim: &Arc<Sim>, what: What) {
    let now = sim.now();
    let living = |replica: usize| {
        let state = sim.lock();
        let living: Vec<_> = (0..state.processes.len()).filter(|number| !state.processes[*number].dead).collect();
        living.get(replica % living.len().max(1)).copied()
    };
    match what {
        What::Crash { replica } => living(replica).into_iter().for_each(|number| sim.kill(number)),
        What::Terminate { replica } => {
            sim.block(Scope::All, 90 * SECOND, How::Blind);
            let operator = living(replica).and_then(|number| sim.lock().processes[number].operator.clone());
            if let Some(operator) = operator {
                operator.stopping.cancel();
            }
        }
        What::Pause { replica, lasts } => {
            sim.block(Scope::All, lasts + 90 * SECOND, How::Blind);
            if let Some(number) = living(replica) {
                sim.lock().processes[number].paused_until = now + lasts;
            }
        }
        What::Jump { by } => {
            let mut state = sim.lock();
            state.offset += by;
            let offset = state.offset;
            state.note(now, Event::Clock { offset });
            let lasts = 180 * SECOND + if by < 0 { HOUR - by } else { 0 };
            state.note(now, Event::Blocked { scope: Scope::All, until: now + lasts, how: How::Blind });
        }
        What::WatchStalls { replica, lasts } => {
            sim.block(Scope::All, lasts + 30 * SECOND, How::Blind);
            if let Some(number) = living(replica) {
                sim.lock().processes[number].stalled_until = now + lasts;
            }
        }
        What::WatchSkips { replica, lasts } => {
            sim.block(Scope::All, lasts + 30 * SECOND, How::Blind);
            if let Some(number) = living(replica) {
                let mut state = sim.lock();
                state.processes[number].gap_until = now + lasts;
                let _gone = state.processes[number].feed.send(Fed::List(now + lasts));
            }
        }
        _ => {}
    }
}

fn edit_provider(sim: &Arc<Sim>, provider: usize) {
    sim.block(Scope::Provider(provider), 60 * SECOND, How::NoToken);
    let mut state = sim.lock();
    let now = sim.now();
    state.vendors[provider].edits += 1;
    state.note(now, Event::Waived);
    let spec = state.vendors[provider].spec();
    let id = Id::new(Kind::Provider, "", &format!("v{provider}"));
    state.change(&id, |object| object["spec"] = spec);
    sim.publish(&mut state);
}

async fn user(sim: &Arc<Sim>, token: &str, edit: Edit, lasts: i64) {
    if sim.lock().token(token).is_none() {
        return;
    }
    begin(sim, token, edit, lasts);
    let takes_away = matches!(
        edit,
        Edit::WrongPassword
            | Edit::RemoveCredentials
            | Edit::UnlabelCredentials
            | Edit::Suspend
            | Edit::TakeOutput
            | Edit::Recreate
    );
    if takes_away {
        pause(lasts).await;
        undo(sim, token, edit);
    }
}

fn begin(sim: &Arc<Sim>, token: &str, edit: Edit, lasts: i64) {
    let now = sim.now();
    let mut state = sim.lock();
    let state = &mut *state;
    let scope = Scope::Token(token.to_owned());
    let id = Id::new(Kind::ApiToken, NAMESPACE, token);
    let output = Id::secret(NAMESPACE, token);
    let credentials = Id::secret(NAMESPACE, &state.credentials_of(token).unwrap());
    state.note(now, Event::Waived);
    match edit {
        Edit::WrongPassword => state.set_password(&credentials.name, &format!("{CANARY}wrong")),
        Edit::NewPassword => state.new_password(&credentials.name),
        Edit::TouchCredentials => {
            state.change(&credentials, |it| it["metadata"]["labels"]["touched"] = json!(now.to_string()));
        }
        Edit::UnlabelCredentials => {
            state.change(&credentials, |it| it["metadata"]["labels"] = json!({}));
        }
        Edit::RemoveCredentials => drop(state.store.delete(&credentials, &Value::Null, By::User)),
        Edit::ChangeSpec => state.change(&id, |it| it["spec"]["refresh"] = json!({ "atPercent": 40 + now % 40 })),
        Edit::Suspend => state.change(&id, |it| it["spec"]["suspend"] = json!(true)),
        Edit::RequestRefresh => {
            state.change(&id, |it| {
                it["metadata"]["annotations"]["apitoken.dev/refresh-requested-at"] = json!(now.to_string());
            });
        }
        Edit::DeleteOutput => drop(state.store.delete(&output, &Value::Null, By::User)),
        Edit::OverwriteOutput => {
            state.change(&output, |it| it["data"] = json!({ "token": BASE64_STANDARD.encode("mine") }));
        }
        Edit::TakeOutput => {
            let _none = state.store.delete(&output, &Value::Null, By::User);
            let theirs = json!({ "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {},
                "data": { "token": BASE64_STANDARD.encode("theirs") } });
            state.store.create(&output, theirs, By::User, &timestamp(now).to_string()).unwrap();
        }
        Edit::DeleteSession => {
            let uid = crate::sim::text(&state.token(token).unwrap()["metadata"]["uid"]).to_owned();
            let session = Id::secret(NAMESPACE, &format!("{}{uid}", crate::observe::SESSION));
            let _none = state.store.delete(&session, &Value::Null, By::User);
        }
        Edit::TamperStatus => state.change(&id, |it| {
            it["status"]["expiresAt"] = json!("2036-11-20T12:00:00Z");
            it["status"]["renewAt"] = json!("2036-11-20T12:00:00Z");
        }),
        Edit::Recreate | Edit::Delete => drop(state.store.delete(&id, &Value::Null, By::User)),
    }
    let suspended = if matches!(edit, Edit::Suspend | Edit::TakeOutput) { lasts } else { 0 };
    state.note(now, Event::Blocked { scope: scope.clone(), until: now + 90 * SECOND, how: How::Blind });
    state.note(now, Event::Blocked { scope, until: now + suspended + 90 * SECOND, how: How::NoToken });
    if matches!(edit, Edit::WrongPassword | Edit::RemoveCredentials | Edit::UnlabelCredentials) {
        for user in state.users_of(&credentials.name) {
            state.block_until_login(&user, now);
        }
    }
    sim.publish(state);
}

/// What was taken away is given back.
fn undo(sim: &Arc<Sim>, token: &str, edit: Edit) {
    let now = sim.now();
    let mut state = sim.lock();
    let state = &mut *state;
    let id = Id::new(Kind::ApiToken, NAMESPACE, token);
    state.note(now, Event::Waived);
    let Some(credentials) = state.credentials_of(token) else {
        if edit == Edit::Recreate {
            state.make_token(token, now);
            state.note(
                now,
                Event::Blocked { scope: Scope::Token(token.to_owned()), until: now + 90 * SECOND, how: How::Blind },
            );
            sim.publish(state);
        }
        return;
    };
    match edit {
        Edit::WrongPassword | Edit::RemoveCredentials | Edit::UnlabelCredentials => {
            state.restore_credentials(&credentials, now);
            for user in state.users_of(&credentials) {
                state.login_worked(&user, now + 60 * SECOND);
            }
        }
        Edit::Suspend => state.change(&id, |it| drop(it["spec"].as_object_mut().unwrap().remove("suspend"))),
        Edit::TakeOutput => state.give_back(&Id::secret(NAMESPACE, token)),
        _ => {}
    }
    sim.publish(state);
}

/// All that users can mend is mended: whatever the last faults have left behind.
pub fn heal(sim: &Arc<Sim>) {
    let now = sim.now();
    let mut state = sim.lock();
    let state = &mut *state;
    state.armed.clear();
    for vendor in &mut state.vendors {
        vendor.odd.clear();
        vendor.odd_errands.clear();
    }
    for token in state.tokens() {
        state.give_back(&Id::secret(NAMESPACE, &token));
    }
    // Only where nothing happens before somebody acts: all others must come right by themselves.
    let waiting = if state.history.endless { Vec::new() } else { state.wait_for_somebody() };
    for token in waiting {
        let Some(credentials) = state.credentials_of(&token) else { continue };
        state.new_password(&credentials);
        state.login_worked(&token, now);
    }
    state.note(now, Event::Mended);
    sim.publish(state);
}

impl State {
    pub fn make_token(&mut self, name: &str, now: i64) {
        let number: usize = name[1..].parse().unwrap();
        let provider = self.history.providers[name];
        // Every third shares the credentials of the one before, with the same provider.
        let credentials = format!("{CREDENTIALS}{}", shared(number, self.vendors.len()));
        let object = json!({
            "apiVersion": "apitoken.dev/v1alpha1", "kind": "ApiToken", "metadata": { "annotations": {} },
            "spec": { "providerRef": { "name": format!("v{provider}") }, "credentialsRef": { "name": credentials } },
        });
        let id = Id::new(Kind::ApiToken, NAMESPACE, name);
        let _there = self.store.create(&id, object, By::User, &timestamp(now).to_string());
    }

    /// The credentials as they must be, made anew where they are gone.
    pub fn restore_credentials(&mut self, name: &str, now: i64) {
        let id = Id::secret(NAMESPACE, name);
        let data = self.data_of(name);
        let labels = json!({ "apitoken.dev/role": "credentials" });
        if self.store.get(&id).is_some() {
            self.change(&id, |it| {
                it["data"] = data;
                it["metadata"]["labels"] = labels;
            });
        } else {
            let object = json!({ "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": { "labels": labels }, "data": data });
            let _there = self.store.create(&id, object, By::User, &timestamp(now).to_string());
        }
    }

    pub fn data_of(&self, name: &str) -> Value {
        let user = name.strip_prefix(CREDENTIALS).unwrap();
        let password =
            self.vendors.iter().find_map(|vendor| Some(vendor.accounts.get(user)?.password.clone())).unwrap();
        json!({ "user": BASE64_STANDARD.encode(user), "password": BASE64_STANDARD.encode(password) })
    }

    fn set_password(&mut self, credentials: &str, password: &str) {
        let password = json!(BASE64_STANDARD.encode(password));
        self.change(&Id::secret(NAMESPACE, credentials), |it| it["data"]["password"] = password);
    }

    /// Changed at the provider and in the Secret.
    fn new_password(&mut self, credentials: &str) {
        self.serial += 1;
        let (user, password) =
            (credentials.strip_prefix(CREDENTIALS).unwrap(), format!("{CANARY}password-{}", self.serial));
        for account in self.vendors.iter_mut().filter_map(|vendor| vendor.accounts.get_mut(user)) {
            account.password.clone_from(&password);
            account.locked = false;
        }
        self.set_password(credentials, &password);
    }

    /// The Secret of somebody else goes, if it is still his.
    fn give_back(&mut self, id: &Id) {
        if self.store.get(id).is_some_and(|there| there["metadata"]["labels"].is_null()) {
            let _gone = self.store.delete(id, &Value::Null, By::User);
        }
    }

    fn change(&mut self, id: &Id, change: impl FnOnce(&mut Value)) {
        let Some(mut object) = self.store.get(id).cloned() else { return };
        change(&mut object);
        let _same_version = self.store.replace(id, object, By::User);
    }
}

/// Whose credentials a token uses.
pub fn shared(number: usize, providers: usize) -> usize {
    if number >= providers && (number / providers) % 3 == 2 { number - providers } else { number }
}
