//! Probes, revocations, and what a refused probe leads to.

use super::*;
use crate::api::http::FailureClass::Transient;

const REFUSED: &str = "the probe was refused: renew";
const REVOKE: &str = "the token before is to be revoked";
const PROBE: &str = "the token is to be probed";
const FRESH: &str = "the token is fresh";

/// Just probed, so that no probe is due.
fn quiet() -> Scene {
    Scene::issued(probed()).settled(0)
}

fn rule(scene: &Scene) -> (&'static str, String) {
    decided(scene)
}

#[test]
fn a_fresh_token_is_probed_once_an_interval() {
    let scene = Scene::issued(probed()).settled(300);
    let at = schedule::errand::probe_at(
        scene.0.facts().unwrap().issued.as_ref().unwrap(),
        scene.provider().definition.probe.as_ref().unwrap(),
        at(0),
        UID,
        now(),
    );
    let (name, next) = next(&quiet().0, now());
    assert_eq!(
        (name, in_words(&quiet().0, &next, now())),
        (FRESH, format!("wait {} s: fresh", at.duration_since(now()).as_secs()))
    );
    assert_eq!(self::next(&quiet().0, at), (PROBE, Next::Errand(Errand::Probe)));
    let settled = quiet().with(|seen| seen.last_errand = at);
    assert!(matches!(self::next(&settled.0, at), (FRESH, _)), "it is asked once");
}

/// Seconds from now at which the token is to be probed.
fn due() -> Timestamp {
    let scene = quiet();
    let Next::Wait(wait) = next(&scene.0, now()).1 else { panic!("something is due") };
    wait.until.unwrap()
}

#[test]
fn a_token_that_nobody_sees_or_that_is_about_to_be_renewed_is_not_probed() {
    let at_due = |scene: Scene| next(&scene.0, due()).0;
    assert_eq!(at_due(quiet()), PROBE);
    assert_eq!(at_due(quiet().output(|it| it.written_at = None)), FRESH, "nobody knows when it came into the output");
    assert_ne!(at_due(quiet().holding("grant-0")), PROBE, "the output holds the token before");
    assert_ne!(at_due(quiet().spec(|spec| spec.suspend = Some(true))), PROBE, "suspended");
    assert_ne!(at_due(quiet().credentials_blocked("CredentialsNotLabelled")), PROBE, "no consent");
    let until_renewal = |seconds: i64| {
        let scene = Scene::issued(probed());
        let renewal = schedule::renew_at(scene.0.facts().unwrap().issued.as_ref().unwrap(), None, UID);
        (scene, renewal - k8s_openapi::jiff::SignedDuration::from_secs(seconds))
    };
    let (scene, then) = until_renewal(29);
    assert_eq!(next(&scene.0, then).0, FRESH, "its renewal is near");
    assert_eq!(in_words(&scene.0, &next(&scene.0, then).1, then), "wait until renewal: fresh");
}

#[test]
fn a_refused_token_is_renewed_once_and_then_after_pauses() {
    let dead = |count, next_in| quiet().found_dead(count, 0, next_in);
    for (story, scene, expected) in [
        ("the first at once", dead(1, 0), (REFUSED, "refresh, intent 1 first")),
        (
            "by a login where it cannot be refreshed",
            dead(1, 0).grant(|it| it.has_refresh_token = false),
            (REFUSED, "log in"),
        ),
        ("again after a pause", dead(2, -1), (REFUSED, "refresh, intent 1 first")),
        ("not before", dead(2, 40), (FRESH, "wait 40 s: fresh")),
        (
            "a failed refresh waits",
            dead(1, 0).failed(Operation::Refresh, Transient, 1, 20),
            (FRESH, "wait 20 s: fresh"),
        ),
    ] {
        let (name, words) = rule(&scene);
        assert_eq!((name, words.as_str()), expected, "{story}");
    }
    let rejected = dead(1, 0).grant(|it| it.has_refresh_token = false).refused_itself(5, 30);
    assert_eq!(rule(&rejected), (FRESH, "wait 30 s: fresh".to_owned()), "credentials that are refused are not tried");
    let renewed = dead(1, 0).grant(|it| it.grant = "grant-2".to_owned()).holding("grant-2");
    assert_eq!(rule(&renewed).0, FRESH, "the next token is another");
    let unasked = Scene::issued(tenovos()).found_dead(1, 0, 0);
    assert_eq!(rule(&unasked).0, FRESH, "the probe was taken out of the definition");
}

#[test]
fn the_token_before_is_revoked_five_minutes_after_its_successor_came_into_the_output() {
    let written = |ago: i64| quiet().settled(DAY).replaced(HOUR).output(move |it| it.written_at = Some(at(-ago)));
    let of = |scene: &Scene| rule(scene).0;
    assert_eq!(of(&written(300)), REVOKE);
    assert_ne!(of(&written(299)), REVOKE, "pods may still use it");
    assert_ne!(of(&written(300).settled(29)), REVOKE, "somebody was asked just now");
    assert_ne!(of(&written(300).grant(|it| it.issued_at = at(-299))), REVOKE, "by the later of two clocks");
    assert_ne!(of(&written(300).replaced(0)), REVOKE, "it has died by itself");
    assert_ne!(of(&written(300).output(|it| it.written_at = None)), REVOKE);
    assert_ne!(of(&written(300).holding("grant-0")), REVOKE, "pods still have it");
    assert_ne!(of(&written(300).token(|it| it.deleting = true)), REVOKE, "nothing is sent for what is deleted");
    assert_ne!(of(&written(300).spec(|spec| spec.suspend = Some(true))), REVOKE, "suspended");
    let later = written(300).facts(|facts| facts.replaced.as_mut().unwrap().next_at = Some(at(1)));
    assert_ne!(of(&later), REVOKE, "a failed one waits");
}
