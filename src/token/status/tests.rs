use std::collections::BTreeSet;

use k8s_openapi::jiff::SignedDuration;

use super::*;
use crate::{
    api::http::{FailureClass::*, Operation},
    token::{
        decide::{Next, decide},
        fixtures::{HOUR, MINUTE, Scene, at, now, open, palette, probed, tenovos, virtana},
        observation::Block,
    },
};

use Operation::{Login, Refresh};

/// What is waited for; before and between calls, nothing but the end of the pass.
fn wait(scene: &Scene) -> Wait {
    match decide(&scene.0, now()).next {
        Next::Wait(wait) => wait,
        _ => Wait { until: None, why: Why::Fresh },
    }
}

fn reported(scene: &Scene) -> ApiTokenStatus {
    reported_after(&ApiTokenStatus::default(), scene, now())
}

fn reported_after(old: &ApiTokenStatus, scene: &Scene, now: Timestamp) -> ApiTokenStatus {
    report(old, &scene.0, &wait(scene), now)
}

fn condition<'a>(status: &'a ApiTokenStatus, type_: &str) -> &'a Condition {
    status.conditions.iter().find(|condition| condition.type_ == type_).unwrap()
}

/// Ready, Reconciling, Stalled by their initials, and the reason.
fn in_words(status: &ApiTokenStatus) -> String {
    let letters = [READY, RECONCILING, STALLED].map(|type_| condition(status, type_).status[..1].to_owned());
    format!("{} {}", letters.concat(), condition(status, READY).reason)
}

fn suspended(scene: Scene) -> Scene {
    scene.spec(|spec| spec.suspend = Some(true))
}

fn blocked_output(ownership: Ownership) -> Scene {
    Scene::new(tenovos()).output_is(ownership)
}

#[rustfmt::skip] // A row is a line.
fn table() -> Vec<(&'static str, Scene, &'static str)> {
    vec![
        // Ready, Reconciling, Stalled.
        ("new", Scene::new(tenovos()), "FTF Pending"),
        ("a valid token", Scene::issued(tenovos()), "TFF Issued"),
        ("being renewed", Scene::issued(tenovos()).due(), "TFF Issued"),
        ("a failed renewal", Scene::issued(tenovos()).due().failed(Refresh, Transient, 1, 9), "TFF Issued"),
        ("a refused early login", Scene::issued(palette()).failed(Login, Rejected, 1, 9), "TFF Issued"),
        ("valid, provider gone", Scene::issued(tenovos()).provider_blocked(reasons::PROVIDER_NOT_FOUND), "TFF Issued"),
        ("valid, credentials gone", Scene::issued(tenovos()).credentials_blocked(reasons::CREDENTIALS_NOT_FOUND), "TFF Issued"),
        ("waiting for garbage collection", blocked_output(Ownership::Leaving), "FTF Pending"),
        ("suspended, valid", suspended(Scene::issued(tenovos())), "TFF Suspended"),
        ("suspended, expired", suspended(Scene::issued(tenovos()).expired()), "FFF Suspended"),
        ("suspended, new", suspended(Scene::new(tenovos())), "FFF Suspended"),
        ("no provider", Scene::new(tenovos()).provider_blocked(reasons::PROVIDER_NOT_FOUND), "FFT ProviderNotFound"),
        ("not for this namespace", Scene::new(tenovos()).provider_blocked(reasons::PROVIDER_NOT_ALLOWED), "FFT ProviderNotAllowed"),
        ("a wrong definition", Scene::new(tenovos()).provider_blocked(reasons::PROVIDER_INVALID), "FFT ProviderInvalid"),
        ("no credentials", Scene::new(tenovos()).credentials_blocked(reasons::CREDENTIALS_NOT_FOUND), "FFT CredentialsNotFound"),
        ("no consent", Scene::new(tenovos()).credentials_blocked(reasons::CREDENTIALS_NOT_LABELLED), "FFT CredentialsNotLabelled"),
        ("a key missing", Scene::new(tenovos()).credentials_blocked(reasons::CREDENTIALS_INCOMPLETE), "FFT CredentialsIncomplete"),
        ("a wrong password", Scene::new(tenovos()).refused_itself(1, HOUR), "FFT CredentialsRejected"),
        ("too many requests", Scene::new(tenovos()).failed(Login, RateLimited, 1, 9), "FTF RateLimited"),
        ("provider down", Scene::new(tenovos()).failed(Login, Transient, 1, 9), "FTF ProviderUnavailable"),
        ("an unknown form of reply", Scene::new(tenovos()).failed(Login, Misconfigured, 1, 9), "FTF ResponseInvalid"),
        ("an output of somebody else's", blocked_output(Ownership::Another("x".to_owned())), "FFT OutputConflict"),
        ("expired, being renewed", Scene::issued(tenovos()).expired(), "FTF TokenExpired"),
        ("expired, provider down", Scene::issued(tenovos()).expired().failed(Refresh, Transient, 1, 9), "FTF TokenExpired"),
        ("expired, too many requests", Scene::issued(tenovos()).expired().failed(Refresh, RateLimited, 1, 9), "FTF TokenExpired"),
        ("expired, refused", Scene::issued(virtana()).expired().refused_itself(1, HOUR), "FFT CredentialsRejected"),
        ("expired, refused without credentials", Scene::issued(open()).expired().failed(Login, Rejected, 1, 9), "FFT CredentialsRejected"),
        ("expired, provider gone", Scene::issued(tenovos()).expired().provider_blocked(reasons::PROVIDER_NOT_FOUND), "FFT ProviderNotFound"),
        ("another provider's token", Scene::issued(tenovos()).grant(|it| it.provider_fingerprint = "old".to_owned()), "FTF Pending"),
        ("the output was deleted and is not written yet", Scene::issued(tenovos()).with(|it| it.output.secret = Seen::Absent), "FTF Pending"),
        ("the output was taken over", Scene::issued(tenovos()).output_is(Ownership::Another("x".to_owned())), "FFT OutputConflict"),
    ]
}

#[test]
fn each_reason_has_its_conditions() {
    for (story, scene, expected) in table() {
        assert_eq!(in_words(&reported(&scene)), expected, "{story}");
    }
}

#[test]
fn the_table_knows_every_reason_and_no_other() {
    let met: BTreeSet<_> = table().iter().map(|(_, scene, _)| judge(&scene.0, &wait(scene), now()).reason).collect();
    assert_eq!(met, reasons::ALL.iter().map(|reason| (*reason).to_owned()).collect());
}

#[test]
fn at_most_one_condition_is_true_and_all_are_of_this_generation() {
    for (story, scene, _) in table() {
        let status = reported(&scene);
        let truths = status.conditions.iter().filter(|condition| condition.status == "True").count();
        assert!(truths <= 1, "{story}");
        assert!(status.conditions.iter().all(|condition| condition.observed_generation == Some(3)), "{story}");
        assert_eq!(status.observed_generation, Some(3), "{story}");
    }
}

#[test]
fn equal_input_gives_an_equal_status_however_often() {
    for (story, scene, _) in table() {
        let first = reported(&scene);
        let later = now() + SignedDuration::from_secs(7);
        let again = report(&first, &scene.0, &wait(&scene), later);
        assert_eq!(again, first, "{story}: an unchanged status is not written");
    }
}

#[test]
fn ready_turns_false_in_the_second_of_expiry() {
    let scene = Scene::issued(tenovos()).due();
    let expiry = at(10 * MINUTE);
    let ready = |now| condition(&report(&ApiTokenStatus::default(), &scene.0, &wait(&scene), now), READY).clone();
    assert_eq!(ready(expiry - SignedDuration::from_nanos(1)).status, "True");
    assert_eq!((ready(expiry).status.as_str(), ready(expiry).reason.as_str()), ("False", "TokenExpired"));
    assert_eq!(ready(expiry).last_transition_time, Time(expiry));
}

#[test]
fn the_time_of_the_last_transition_moves_only_when_a_status_flips() {
    let first = reported(&Scene::new(tenovos()).failed(Login, Transient, 1, 9));
    let later = now() + SignedDuration::from_secs(60);
    let transition = |status: &ApiTokenStatus, type_| condition(status, type_).last_transition_time.0;
    let refused = reported_after(&first, &Scene::new(tenovos()).refused_itself(1, HOUR), later);
    assert_eq!(condition(&refused, READY).reason, "CredentialsRejected");
    assert_eq!(transition(&refused, READY), now(), "False before and after, for another reason");
    assert_eq!((transition(&refused, RECONCILING), transition(&refused, STALLED)), (later, later));
    let fraction = SignedDuration::from_millis(61_900);
    let issued = reported_after(&refused, &Scene::issued(tenovos()), now() + fraction);
    assert_eq!(transition(&issued, READY), at(61), "whole seconds");
    assert_eq!((transition(&issued, RECONCILING), transition(&issued, STALLED)), (later, at(61)));
}

#[test]
fn a_renewal_that_goes_well_changes_nothing_but_times() {
    let before = reported(&Scene::issued(tenovos()).aged(40 * MINUTE, HOUR));
    let renewed = Scene::issued(tenovos()).aged(0, HOUR).grant(|issued| issued.grant = "grant-2".to_owned());
    let after = reported_after(&before, &renewed.holding("grant-2"), now());
    assert_eq!(after.conditions, before.conditions);
    let timeless = |status: &ApiTokenStatus| ApiTokenStatus {
        issued_at: None,
        expires_at: None,
        renew_at: None,
        session_started_at: None,
        session_expires_at: None,
        ..status.clone()
    };
    assert_eq!(timeless(&after), timeless(&before));
    assert_eq!((after.issued_at, after.expires_at), (Some(Time(now())), Some(Time(at(HOUR)))));
}

#[test]
fn a_secret_is_named_always_and_bound_only_while_it_holds_a_token_of_ours() {
    let bound = |scene: Scene| reported(&scene).binding.map(|binding| binding.name);
    assert_eq!(bound(Scene::issued(tenovos())).as_deref(), Some("assets"));
    assert_eq!(bound(Scene::issued(tenovos()).expired()).as_deref(), Some("assets"), "it is never taken from pods");
    assert_eq!(bound(Scene::new(tenovos())), None);
    assert_eq!(bound(blocked_output(Ownership::Offered)), None);
    assert_eq!(reported(&Scene::new(tenovos())).secret_name.as_deref(), Some("assets"));
}

#[test]
fn an_older_token_in_the_output_counts_until_its_own_expiry() {
    let until = |expires_at: Option<i64>| {
        let scene = Scene::issued(tenovos()).holding("grant-0").output(|it| it.expires_at = expires_at.map(at));
        condition(&reported(&scene), READY).status == "True"
    };
    assert!(until(Some(1)));
    assert!(!until(Some(0)));
    assert!(!until(None));
    let boasting =
        Scene::issued(tenovos()).expired().holding("grant-0").output(|it| it.expires_at = Some(at(9 * HOUR)));
    assert_eq!(
        condition(&reported(&boasting), READY).status,
        "False",
        "an annotation can be edited; the session counts"
    );
}

#[test]
fn failures_tell_the_newest_one_and_when_it_is_tried_again() {
    let scene = Scene::issued(tenovos()).due().failed(Login, Misconfigured, 9, 90).failed(Refresh, Transient, 5, 30);
    let told = reported(&scene).failures.unwrap();
    assert_eq!((told.class, told.count, told.last_at, told.next_at), (Transient, 1, Time(at(-5)), Some(Time(at(30)))));
    assert_eq!(told.message, "the provider said so");
    assert_eq!(reported(&suspended(scene.clone())).failures.unwrap().next_at, None, "nothing is tried while suspended");
    let blocked = scene.provider_blocked(reasons::PROVIDER_NOT_FOUND);
    assert_eq!(reported(&blocked).failures.unwrap().next_at, None, "nor without a provider");
    assert_eq!(reported(&Scene::issued(tenovos())).failures, None);
}

#[test]
fn the_message_says_what_holds_and_what_does_not() {
    let message = |scene: Scene| condition(&reported(&scene), READY).message.clone();
    assert_eq!(message(Scene::issued(tenovos())), "Secret \"assets\" holds a valid token");
    assert_eq!(
        message(Scene::issued(tenovos()).due().failed(Refresh, Transient, 1, 9)),
        "Secret \"assets\" holds a valid token, but the last attempt failed: ProviderUnavailable: the provider said so"
    );
    assert_eq!(
        message(Scene::issued(tenovos()).with(|it| it.provider = Err(Block::new("ProviderNotFound", "create it")))),
        "Secret \"assets\" holds a valid token, but it cannot be renewed: ProviderNotFound: create it"
    );
    assert_eq!(
        message(Scene::issued(tenovos()).expired().failed(Refresh, Transient, 1, 9)),
        "the token expired at 2026-11-20T11:59:59Z, and renewing it fails: ProviderUnavailable: the provider said so"
    );
    assert_eq!(
        message(suspended(Scene::new(tenovos()))),
        "there is no valid token, and none is fetched while spec.suspend is true"
    );
}

#[test]
fn a_token_that_its_provider_refuses_is_valid_by_its_expiry_and_the_message_says_what_is_wrong() {
    let refused = Scene::issued(probed()).settled(0).found_dead(2, 60, 600);
    let status = reported(&refused);
    assert_eq!(in_words(&status), "TFF Issued");
    assert_eq!(
        condition(&status, READY).message,
        "Secret \"assets\" holds a valid token, but the provider refuses it (its probe; tokens in a row: 2); it is renewed \
         for that at 2026-11-20T12:10:00Z, or when you ask for it. May this account do what the probe asks for?"
    );
    assert!(status.failures.is_none(), "no renewal has failed");
    let said = |scene: &Scene| condition(&reported(scene), READY).message.contains(IS_REFUSED);
    assert!(!said(&refused.clone().grant(|it| it.grant = "grant-2".to_owned()).holding("grant-2")), "of another token");
    assert!(!said(&Scene::issued(tenovos()).found_dead(2, 60, 600)), "nobody asks any more");
}
