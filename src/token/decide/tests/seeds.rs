//! Credentials that are good for one login.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, sample::select};

use super::*;
use crate::{
    api::{http::Reuse, provider::NameRef},
    provider::grant::Grant,
    token::{
        facts::{Intent, SeenCredentials},
        session::{Circumstances, Session},
    },
};

use FailureClass::{Rejected, Transient};
use Operation::{Login, Refresh};

const CONSENT: &str = "wait 60 s: CredentialsRejected";

#[track_caller]
fn holds(rows: Vec<(&str, Scene, &str)>) {
    for (story, scene, expected) in rows {
        assert_eq!(decided(&scene).1, expected, "{story}");
    }
}

fn new() -> Scene {
    Scene::new(seeded())
}

fn issued() -> Scene {
    Scene::issued(seeded())
}

fn spent(scene: Scene, seed: &str) -> Scene {
    scene.facts(|facts| facts.spent.push(format!("hash of {seed}")))
}

fn reusable() -> crate::provider::definition::Definition {
    let mut definition = seeded();
    definition.seed.as_mut().unwrap().reuse = Reuse::Reusable;
    definition.refresh.as_mut().unwrap().reuse = Reuse::Reusable;
    definition
}

#[test]
fn a_refresh_token_to_which_somebody_consented_is_presented_once() {
    holds(vec![
        ("new", new(), "log in, intent 1 first"),
        ("though another ApiToken was let in with it", new().with(|seen| seen.accepted = true), "log in, intent 1 first"),
        ("it was spent", spent(new(), "first"), CONSENT),
        ("perhaps it was", new().intending(Login, 5, 1), CONSENT),
        ("for ever", new().intending(Login, 30 * DAY, 1), CONSENT),
        ("whoever asks", spent(new(), "first").asked("now"), CONSENT),
        ("another Secret holds it too", new().with(|seen| seen.spent_elsewhere = true), CONSENT),
        ("nobody can tell", new().with(|seen| if let CredentialsView::There { content: Some(it), .. } = &mut seen.credentials { it.seed = None; }), CONSENT),
        ("a new one after it", spent(new(), "first").credentials("first-second"), "log in, intent 1 first"),
        ("an old one after that", spent(spent(new(), "first"), "second").credentials("first"), CONSENT),
        ("nobody was let in, and a refusal elsewhere counts for passwords", new().refused(5, HOUR), "log in, intent 1 first"),
    ]);
}

#[test]
fn what_was_never_sent_is_sent_later() {
    holds(vec![
        ("it waits", new().failed(Login, Transient, 1, 30), "wait 30 s: held, ProviderUnavailable"),
        ("and no longer", new().failed(Login, Transient, 30, 0), "log in, intent 1 first"),
    ]);
}

#[test]
fn the_session_refreshes_to_its_end_and_is_followed_by_no_login() {
    holds(vec![
        ("fresh", issued(), "wait until renewal: fresh"),
        ("due", issued().due(), "refresh, intent 1 first, overdue"),
        ("asked for", issued().asked("now"), "refresh, intent 1 first"),
        ("it adds almost no life", issued().grant(|it| it.ending = true), "wait until renewal: fresh"),
        ("near its end", issued().session(96 * HOUR, 4 * HOUR), "wait until renewal: fresh"),
        ("due near its end", issued().due().session(96 * HOUR, 4 * HOUR), "refresh, intent 1 first, overdue"),
        ("due after its end", issued().due().session(96 * HOUR, -1), CONSENT),
        ("the provider has ended it", issued().grant(|it| it.over = true), CONSENT),
        ("a refresh was interrupted", issued().intending(Refresh, 5, 1), CONSENT),
        ("the provider gave no refresh token", issued().due().grant(|it| it.has_refresh_token = false), CONSENT),
        ("the login is another", issued().grant(|it| it.provider_fingerprint = "old".to_owned()), CONSENT),
        ("over, and there is a new one", issued().grant(|it| it.over = true).credentials("first-second"), "log in, intent 1 first"),
    ]);
    holds(vec![
        ("good for many: near its end", Scene::issued(reusable()).session(96 * HOUR, 4 * HOUR), "wait until renewal: fresh"),
        ("good for many: over", Scene::issued(reusable()).grant(|it| it.over = true), "log in"),
    ]);
}

#[test]
fn a_new_consent_is_a_new_login_and_a_new_client_secret_a_refresh() {
    holds(vec![
        ("a new consent", issued().credentials("first-second"), "log in, intent 1 first"),
        ("and another client", issued().credentials("other-second"), "log in, intent 1 first"),
        ("it was refused, and the old session goes on", spent(issued(), "second").credentials("first-second").failed(Login, Rejected, 5, HOUR), "wait until renewal: fresh"),
        ("a new client secret", issued().credentials("other-first"), "refresh, intent 1 first"),
        ("that was refused", issued().credentials("other-first").failed(Refresh, Rejected, 5, 30), "wait 30 s: held, CredentialsRejected"),
        ("of a session that is over", issued().grant(|it| it.over = true).credentials("other-first"), CONSENT),
    ]);
}

#[test]
fn the_same_version_of_the_credentials_holds_the_same_refresh_token_whatever_the_key_of_the_hash() {
    let rehashed = |scene: Scene| {
        scene.with(|seen| {
            let CredentialsView::There { content: Some(content), .. } = &mut seen.credentials else { panic!("unread") };
            (content.fingerprint, content.seed) = ("another key's".to_owned(), Some("another key's".to_owned()));
        })
    };
    holds(vec![
        ("it lives", rehashed(issued()), "wait until renewal: fresh"),
        ("it is over", rehashed(issued().grant(|it| it.over = true)), CONSENT),
    ]);
    // And once that was written down, also in another version.
    let content = rehashed(issued()).0.credentials_content().cloned().unwrap();
    let mut facts = issued().0.facts().unwrap().clone();
    facts.see_credentials(content);
    assert!(facts.has_spent("another key's") && facts.has_spent("hash of first"));
}

#[test]
fn who_has_to_consent_is_told_why_and_which_key_of_which_secret_to_replace() {
    let scene = issued().grant(|it| it.over = true).failed(Refresh, Rejected, 5, HOUR);
    let scene = scene.spec(|spec| spec.credentials_ref = Some(NameRef { name: "login".to_owned() }));
    let Next::Wait(Wait { why: Why::Blocked(block), .. }) = decide(&scene.0, now()).next else { panic!("not blocked") };
    assert_eq!(
        block.message,
        "the provider said so; the refresh token in the credentials is good for one use and not presented again: have \
         somebody consent anew, and replace refreshToken in Secret \"login\": kubectl patch secret login -n web -p \
         '{\"stringData\":{\"refreshToken\":\"VALUE\"}}'"
    );
}

/// What may happen to one credentials Secret, its session and the operator.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A pass, whose request, if it makes one, ends so.
    Pass(End),
    Edited(&'static str),
    Later(i64),
    Asked,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Good,
    Refused,
    /// Nobody knows: the operator died after the intent was stored.
    Crash,
    /// Known not to have been sent.
    Unsent,
}

fn event() -> impl Strategy<Value = Event> {
    let end = select(&[End::Good, End::Good, End::Refused, End::Crash, End::Unsent][..]);
    prop_oneof![
        4 => end.prop_map(Event::Pass),
        1 => select(&["first", "first-second", "first-third", "other-first", "other-second"][..]).prop_map(Event::Edited),
        2 => (1..2 * HOUR).prop_map(Event::Later),
        1 => Just(Event::Asked),
    ]
}

/// One session through its events. What is presented is noted as the provider sees it.
struct Life {
    session: Option<Session>,
    credentials: &'static str,
    asked: usize,
    time: i64,
    presented: Vec<String>,
}

impl Life {
    fn scene(&self) -> Scene {
        let scene = new().credentials(self.credentials);
        let scene = if self.asked > 0 { scene.asked(&self.asked.to_string()) } else { scene };
        match &self.session {
            Some(session) => scene.with(|seen| seen.session = Seen::There(session.facts.clone())),
            None => scene,
        }
    }

    fn pass(&mut self, end: End) {
        let scene = self.scene();
        let now = at(self.time);
        let Next::Call(call) = decide(&scene.0, now).next else { return };
        let content = scene.0.credentials_content().cloned().unwrap();
        assert!(call.intent.is_some(), "{call:?} without an intent");
        let session = self.session.take().unwrap_or_default().intending(intent(&scene, &content, call, now));
        let seed = content.seed.clone().unwrap();
        let presented = match call.operation {
            Login => seed,
            Refresh => session.facts.issued.as_ref().unwrap().grant.clone(),
        };
        if end != End::Unsent {
            self.presented.push(presented);
        }
        self.session = Some(match end {
            End::Good => session.granted(grant(now), of(&scene, call, content, self.presented.len())),
            End::Crash => session,
            End::Unsent => unsent(session, call, &scene, content),
            End::Refused if call.operation == Refresh => session.ended_for_good(scene.failure(Rejected, 0, HOUR)),
            End::Refused => session.failed(Login, scene.failure(Rejected, 0, HOUR), Some(content)),
        });
    }
}

fn intent(scene: &Scene, content: &SeenCredentials, call: Call, now: Timestamp) -> Intent {
    Intent {
        id: "attempt".to_owned(),
        operation: call.operation,
        at: now,
        count: 1,
        provider_fingerprint: scene.provider().fingerprint.clone(),
        credentials_fingerprint: Some(content.fingerprint.clone()),
        seed: content.seed.clone().filter(|_| call.operation == Login),
    }
}

fn unsent(mut session: Session, call: Call, scene: &Scene, content: SeenCredentials) -> Session {
    session.facts.drop_intent();
    session.failed(call.operation, scene.failure(Transient, 0, 0), Some(content))
}

fn grant(now: Timestamp) -> Grant {
    Grant {
        access_token: format!("token of {now}").into(),
        refresh_token: Some("next".into()),
        outputs: BTreeMap::new(),
        issued_at: now,
        expires_at: now + SignedDuration::from_hours(1),
        session_expires_at: None,
        clock_offset: None,
    }
}

/// The grant's id stands for the refresh token that came with it.
fn of(scene: &Scene, call: Call, content: SeenCredentials, number: usize) -> Circumstances {
    Circumstances {
        id: format!("grant {number}"),
        operation: call.operation,
        occasion: call.occasion,
        provider_fingerprint: scene.provider().fingerprint.clone(),
        credentials: Some(content),
        session_limit: None,
        suggested_output: BTreeMap::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn no_refresh_token_is_ever_presented_twice(events in prop::collection::vec(event(), 0..40)) {
        let mut life = Life { session: None, credentials: "first", asked: 0, time: 0, presented: Vec::new() };
        for event in events {
            match event {
                Event::Pass(end) => life.pass(end),
                Event::Edited(values) => life.credentials = values,
                Event::Later(seconds) => life.time += seconds,
                Event::Asked => life.asked += 1,
            }
        }
        let different: BTreeSet<_> = life.presented.iter().collect();
        prop_assert_eq!(different.len(), life.presented.len(), "{:?}", life.presented);
    }
}
