//! What holds of every observation at every time.

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use proptest::{prelude::*, sample::select};

use super::*;
use crate::{
    api::http::Reuse,
    provider::{definition::Definition, grant::Grant},
    token::{
        facts::Issued,
        schedule::Attempt,
        session::{Circumstances, Occasion, Session},
    },
};

static PROVIDERS: LazyLock<[Definition; 6]> =
    LazyLock::new(|| [tenovos(), palette(), virtana(), one_time(), open(), often_probed()]);

/// At every moment the time of a probe has passed not long ago.
fn often_probed() -> Definition {
    let mut definition = probed();
    definition.probe.as_mut().unwrap().interval = Duration::from_secs(60);
    definition
}

fn definition() -> impl Strategy<Value = Definition> {
    (0..PROVIDERS.len()).prop_map(|index| PROVIDERS[index].clone())
}

fn operation() -> impl Strategy<Value = Operation> {
    select(&[Operation::Login, Operation::Refresh][..])
}

fn class() -> impl Strategy<Value = FailureClass> {
    use FailureClass::*;
    select(&[Rejected, SessionOver, RateLimited, Transient, Misconfigured][..])
}

/// Around now: in the second, in the hour, in the month.
fn moment() -> impl Strategy<Value = i64> {
    prop_oneof![-5..5i64, -2 * HOUR..2 * HOUR, -40 * DAY..40 * DAY]
}

/// Changes of the grant: its times, and what is known against it.
fn grant() -> impl Strategy<Value = fn(Scene, i64, i64) -> Scene> {
    select(
        &[
            (|scene, _, _| scene) as fn(Scene, i64, i64) -> Scene,
            |scene, a, b| scene.aged(a.max(0), b),
            |scene, a, b| scene.aged(a.max(0), b.abs() + 1).session(b.abs(), a),
            |scene, _, _| scene.grant(|it| it.over = true),
            |scene, _, _| scene.grant(|it| it.ending = true),
            |scene, _, _| scene.grant(|it| it.no_progress = true),
            |scene, _, _| scene.grant(|it| it.has_refresh_token = false),
            |scene, _, _| scene.grant(|it| it.provider_fingerprint = "another".to_owned()),
            |scene, a, b| scene.found_dead(2, a.abs(), b),
            |scene, a, _| scene.replaced(a),
            |scene, a, _| scene.intending(Operation::Refresh, a.max(0), 1),
            |scene, a, b| scene.intending(Operation::Login, a.max(0), u32::try_from(b.unsigned_abs() % 7).unwrap()),
        ][..],
    )
}

/// Changes of everything around it.
fn surroundings() -> impl Strategy<Value = fn(Scene, i64, i64) -> Scene> {
    select(
        &[
            (|scene, _, _| scene) as fn(Scene, i64, i64) -> Scene,
            |scene, _, _| scene.asked("now"),
            |scene, _, _| scene.credentials("second"),
            |scene, _, _| scene.credentials("first-changed"),
            |scene, a, b| scene.refused(a.abs(), b),
            |scene, a, _| scene.settled(a.abs()),
            |scene, a, b| scene.refused_itself(a.abs(), b),
            |scene, a, _| scene.token(|it| (it.spec_mark, it.spec_seen_at) = ("edited".to_owned(), at(-a.abs()))),
            |scene, _, _| scene.with(|it| it.credentials = CredentialsView::Unknown),
            |scene, _, _| scene.with(|it| it.output.secret = Seen::Absent),
            |scene, _, _| scene.with(|it| it.output.secret = Seen::Unknown),
        ][..],
    )
}

prop_compose! {
    /// An ApiToken whose provider may be used.
    fn scene()(
        definition in definition(),
        issued in any::<bool>(),
        (first, a, b) in (grant(), moment(), moment()),
        (second, c, d) in (grant(), moment(), moment()),
        failures in prop::collection::vec((operation(), class(), moment(), moment()), 0..3),
        around in prop::collection::vec((surroundings(), moment(), moment()), 0..3),
    ) -> Scene {
        let mut scene = if issued {
            second(first(Scene::issued(definition), a, b), c, d)
        } else {
            Scene::new(definition)
        };
        for (operation, class, ago, next_in) in failures {
            scene = scene.failed(operation, class, ago.abs(), next_in);
        }
        around.into_iter().fold(scene, |scene, (change, a, b)| change(scene, a, b))
    }
}

fn call(scene: &Scene) -> Option<Call> {
    match decide(&scene.0, now()).next {
        Next::Call(call) => Some(call),
        _ => None,
    }
}

fn case(scene: &Scene) -> Case<'_> {
    Case { seen: &scene.0, provider: scene.provider(), now: now() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_asked_without_leave(scene in scene(), why in 0..5) {
        let held = match why {
            0 => scene.spec(|spec| spec.suspend = Some(true)),
            1 => scene.token(|token| token.deleting = true),
            2 => scene.provider_blocked(reasons::PROVIDER_NOT_ALLOWED),
            3 => scene.credentials_blocked(reasons::CREDENTIALS_NOT_LABELLED),
            _ => scene.output_is(Ownership::Another("it is somebody's".to_owned())),
        };
        prop_assert_eq!(call(&held), None);
    }

    #[test]
    fn a_refresh_token_that_may_be_spent_is_never_presented(scene in scene()) {
        if let Some(Call { operation: Operation::Refresh, intent, .. }) = call(&scene) {
            let facts = scene.0.facts().unwrap();
            let issued = facts.issued.as_ref().unwrap();
            let refresh = scene.provider().definition.refresh.as_ref().unwrap();
            prop_assert!(!issued.over);
            prop_assert!(facts.intent.as_ref().is_none_or(|intent| intent.operation != Operation::Refresh));
            prop_assert!(issued.session_expires_at.is_none_or(|end| now() < end));
            prop_assert_eq!(&issued.provider_fingerprint, &scene.provider().fingerprint);
            prop_assert_eq!(intent.is_some(), refresh.reuse == Reuse::OneTime);
        }
    }

    #[test]
    fn credentials_are_sent_without_an_intent_only_where_they_were_accepted_before(scene in scene()) {
        if let Some(Call { operation: Operation::Login, intent: None, .. }) = call(&scene) {
            let accepted = scene.0.facts().and_then(|facts| facts.issued.as_ref()?.credentials_fingerprint.as_deref());
            let content = scene.0.credentials_content();
            prop_assert!(content.is_none_or(|content| accepted == Some(&*content.fingerprint)));
        }
    }

    #[test]
    fn what_is_waited_for_lies_ahead(scene in scene()) {
        if let Next::Wait(Wait { until, .. }) = decide(&scene.0, now()).next {
            prop_assert!(until.is_none_or(|until| now() < until), "{until:?}");
        }
    }

    #[test]
    fn only_what_somebody_must_end_is_waited_for_without_a_time(scene in scene()) {
        if let Next::Wait(wait) = decide(&scene.0, now()).next {
            prop_assert!(wait.until.is_some(), "{wait:?}");
        }
    }

    #[test]
    fn the_expiry_of_a_living_token_is_never_slept_through(scene in scene()) {
        let Some(issued) = scene.0.facts().and_then(|facts| facts.issued.as_ref()) else { return Ok(()) };
        if let Next::Wait(wait) = decide(&scene.0, now()).next && !issued.is_expired(now()) {
            prop_assert!(wait.until.unwrap() <= issued.expires_at);
        }
    }

    #[test]
    fn nothing_has_to_be_done_before_the_time_that_is_waited_for(scene in scene(), part in 0.0..1.0f64) {
        let Next::Wait(Wait { until: Some(until), .. }) = decide(&scene.0, now()).next else { return Ok(()) };
        let before = now() + (until - now()).to_duration(jiff::SpanRelativeTo::days_are_24_hours()).unwrap().mul_f64(part);
        if before < until {
            let then = decide(&scene.0, before).next;
            prop_assert!(matches!(then, Next::Wait(_)), "{then:?} at {before}, which is before {until}");
        }
    }

    #[test]
    fn a_fresh_token_leads_to_no_call(scene in scene()) {
        let case = case(&scene);
        let Some(issued) = case.issued() else { return Ok(()) };
        let fresh = case.is_of_this_provider(issued)
            && !case.is_over(issued)
            && issued.credentials_fingerprint.as_deref() == case.fingerprint()
            && !issued.ending
            && !case.request_is_open()
            && scene.0.facts().unwrap().refusal.is_none()
            && now() < case.renew_at(issued)
            && case.early_login_at(issued).is_none_or(|at| now() < at);
        prop_assert!(!fresh || call(&scene).is_none());
    }

    #[test]
    fn a_due_token_is_renewed_or_waits_for_a_reason(scene in scene()) {
        let is_due = |scene: &Scene| case(scene).issued().is_some_and(|issued| case(scene).renew_at(issued) <= now());
        let idle = matches!(decide(&scene.0, now()).next, Next::Wait(Wait { why: Why::Fresh, .. }));
        prop_assert!(!(is_due(&scene) && idle));
    }

    /// Whatever a provider answers, it is not asked again in the same breath.
    #[test]
    fn an_answer_with_a_token_is_followed_by_a_wait(
        scene in scene(),
        operation in operation(),
        expires in moment(),
        end in prop::option::of(moment()),
        limit in prop::option::of(0u64..100_000),
        token in select(&["same", "other"][..]),
    ) {
        let before = session(&scene);
        let case = case(&scene);
        let known = |issued: &Issued| issued.credentials_fingerprint.as_deref() == case.fingerprint();
        let refreshable = case.issued().is_some_and(|issued| case.can_refresh(issued) && known(issued));
        let grant = Grant {
            access_token: token.into(),
            refresh_token: None,
            outputs: BTreeMap::new(),
            issued_at: now(),
            expires_at: at(expires),
            session_expires_at: end.map(at),
            clock_offset: None,
        };
        let circumstances = Circumstances {
            id: "grant-2".to_owned(),
            operation: if refreshable { operation } else { Operation::Login },
            occasion: Occasion::Planned,
            provider_fingerprint: scene.provider().fingerprint.clone(),
            credentials: scene.0.credentials_content().cloned(),
            session_limit: limit.map(Duration::from_secs),
            suggested_output: BTreeMap::new(),
        };
        let login = circumstances.operation == Operation::Login;
        let after = before.granted(grant, circumstances);
        let scene = scene.with(|seen| {
            seen.session = Seen::There(after.facts);
            seen.token.refresh_requested = None;
            if login {
                seen.rejection = None;
            }
        });
        let next = decide(&scene.0, now()).next;
        let again = matches!(&next, Next::Call(call) if login || call.operation == Operation::Refresh);
        prop_assert!(!again, "{next:?} at once");
    }

    #[test]
    fn a_failed_attempt_is_not_repeated_at_once(scene in scene(), class in class(), count in 1u32..50, told in prop::option::of(0u64..100)) {
        let Some(Call { operation, .. }) = call(&scene) else { return Ok(()) };
        let expires_at = scene.0.facts().and_then(|facts| Some(facts.issued.as_ref()?.expires_at));
        let attempt = Attempt { class, count, now: now(), expires_at, retry_after: told, uid: UID };
        let mut record = scene.failure(class, 0, 0);
        (record.count, record.next_at) = (count, schedule::next_attempt(&attempt));
        let next_in = record.next_at.as_second() - now().as_second();
        let after = session(&scene).failed(operation, record, scene.0.credentials_content().cloned());
        let scene = scene.with(|seen| {
            seen.session = Seen::There(after.facts);
            seen.token.refresh_requested = None;
        });
        // What is refused with credentials is remembered for all; what was remembered before stays, its probe due or not.
        let remembered = class == FailureClass::Rejected && scene.0.credentials_content().is_some();
        let scene = if remembered { scene.refused(0, next_in) } else { scene };
        let next = decide(&scene.0, now()).next;
        let again = matches!(&next, Next::Call(call) if call.operation == operation);
        prop_assert!(!again, "{next:?} at once");
    }
}

/// The session whose facts are seen.
fn session(scene: &Scene) -> Session {
    Session { facts: scene.0.facts().cloned().unwrap_or_default(), ..Session::default() }
}

#[test]
fn every_rule_and_every_call_is_met_by_these_properties() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut met = std::collections::BTreeSet::new();
    for _ in 0..4000 {
        let scene = scene().new_tree(&mut runner).unwrap().current();
        let (rule, next) = next(&scene.0, now());
        met.insert(rule);
        if let Next::Call(call) = next {
            met.insert(if call.operation == Operation::Login { "login" } else { "refresh" });
        }
    }
    for (rule, _) in CHAIN.iter().filter(|(rule, _)| !rule.contains("missing") && !rule.contains("somebody else's")) {
        assert!(met.contains(rule), "{rule} is never met");
    }
    assert!(met.contains("login") && met.contains("refresh"));
}
