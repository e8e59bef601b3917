//! What a write means to those who look at the objects from outside.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

use crate::{
    history::Event,
    sim::{NAMESPACE, State, milliseconds, text},
    store::{By, Change, Id, Kind},
};

pub const SESSION: &str = "apitoken-session-";
pub const CREDENTIALS: &str = "credentials-";

impl State {
    pub fn observe(&mut self, change: &Change, now: i64) {
        match change.id.kind {
            Kind::ApiToken => self.observe_token(change, now),
            Kind::Secret if !is_other(&change.id.name) => self.observe_output(change, now),
            _ => {}
        }
    }

    fn observe_token(&mut self, change: &Change, now: i64) {
        let token = change.id.name.clone();
        let uid = text(&change.object["metadata"]["uid"]).to_owned();
        if change.deleted {
            self.note(now, Event::Deleted { token, uid });
            return;
        }
        if change.object["status"].is_null() {
            self.note(now, Event::Created { token, uid });
            return;
        }
        let conditions = change.object["status"]["conditions"].as_array();
        let ready = conditions.into_iter().flatten().find(|condition| condition["type"] == "Ready");
        let ready = ready.is_some_and(|ready| ready["status"] == "True");
        self.note(now, Event::Ready { token, ready });
    }

    fn observe_output(&mut self, change: &Change, now: i64) {
        let issue = if change.deleted { None } else { self.issue_in(&change.object) };
        let claimed = text(&change.object["metadata"]["annotations"]["apitoken.dev/expires-at"]).parse();
        let event = Event::Output {
            token: change.id.name.clone(),
            by_us: matches!(change.by, By::Process(_)),
            claimed: claimed.ok().map(milliseconds).filter(|_| issue.is_some()),
            issue,
        };
        self.note(now, event);
    }

    pub fn issue_in(&self, secret: &Value) -> Option<crate::history::Issue> {
        let bytes = BASE64_STANDARD.decode(secret["data"]["token"].as_str()?).ok()?;
        let token = String::from_utf8(bytes).ok()?;
        self.vendors.iter().find_map(|vendor| vendor.issues.get(&token).cloned())
    }

    /// The session of an ApiToken, as it is stored.
    pub fn session_of(&self, uid: &str) -> Option<Value> {
        let secret = self.store.get(&Id::secret(NAMESPACE, &format!("{SESSION}{uid}")))?;
        let bytes = BASE64_STANDARD.decode(secret["data"]["session.json"].as_str()?).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// When the stored session says that it is due, by the operator's clock. Unless the owner has changed that since.
    pub fn due_of(&self, token: &str, uid: &str) -> Option<i64> {
        self.token(token).filter(|token| token["spec"]["refresh"].is_null() && token["spec"]["suspend"].is_null())?;
        let secret = self.store.get(&Id::secret(NAMESPACE, &format!("{SESSION}{uid}")))?;
        let due = text(&secret["metadata"]["annotations"]["apitoken.dev/renew-at"]).parse().ok()?;
        Some(milliseconds(due))
    }

    /// What the collector removes: whose owner is gone.
    pub fn collect(&mut self) {
        let orphaned = |object: &&Value| {
            let owners = object["metadata"]["ownerReferences"].as_array();
            owners.into_iter().flatten().any(|owner| self.dead.contains_key(text(&owner["uid"])))
        };
        let gone: Vec<_> = self.store.all().filter(|(_, object)| orphaned(object)).map(|(id, _)| id.clone()).collect();
        for id in gone {
            let _raced = self.store.delete(&id, &Value::Null, By::Collector);
        }
    }
}

/// No output.
pub fn is_other(name: &str) -> bool {
    name.starts_with(SESSION) || name.starts_with(CREDENTIALS)
}
