//! One row for each rule, and for each combination that is worth a sentence.

use std::collections::BTreeSet;

use super::*;
use crate::api::{duration::HumanDuration, http::FailureClass::*, token::RefreshPolicy};

use Operation::{Login, Refresh};

type Row = (&'static str, Scene, &'static str);

const NO_SESSION: &str = "there is no session of this provider that still lives: log in";
const NEW_CREDENTIALS: &str = "the credentials are new: log in";
const ENDING: &str = "the session is about to end: log in while it still works";
const DUE: &str = "the token is due: refresh, else log in";
const FRESH: &str = "the token is fresh";

#[track_caller]
fn holds(rule: &str, rows: Vec<Row>) {
    for (story, scene, expected) in rows {
        let (by, said) = decided(&scene);
        assert_eq!((by, said.as_str()), (rule, expected), "{story}");
    }
}

fn suspended(scene: Scene) -> Scene {
    scene.spec(|spec| spec.suspend = Some(true))
}

fn unread(scene: Scene) -> Scene {
    scene.with(|seen| {
        if let CredentialsView::There { content, .. } = &mut seen.credentials {
            *content = None;
        }
    })
}

/// Somebody has edited the ApiToken or its provider so many seconds ago.
fn edited(scene: Scene, ago: i64) -> Scene {
    scene.token(|it| (it.spec_mark, it.spec_seen_at) = ("4".to_owned(), at(-ago)))
}

#[test]
fn a_deleted_or_suspended_apitoken_or_one_without_a_provider_asks_for_nothing() {
    holds("the ApiToken is being deleted", vec![
        ("new", Scene::new(tenovos()).token(|it| it.deleting = true), "wait for an event: fresh"),
        ("due", Scene::issued(tenovos()).due().token(|it| it.deleting = true), "wait for an event: fresh"),
    ]);
    holds("the ApiToken is suspended", vec![
        ("new", suspended(Scene::new(tenovos())), "wait for an event: suspended"),
        ("Ready turns False at expiry all the same", suspended(Scene::issued(tenovos())), "wait until expiry: suspended"),
        ("due", suspended(Scene::issued(tenovos()).due()), "wait until expiry: suspended"),
        ("expired", suspended(Scene::issued(tenovos()).expired()), "wait for an event: suspended"),
        ("asked", suspended(Scene::issued(tenovos()).asked("now")), "wait until expiry: suspended"),
    ]);
    holds("the provider is missing, not allowed or not valid", vec![
        ("new", Scene::new(tenovos()).provider_blocked("ProviderNotFound"), "wait for an event: ProviderNotFound"),
        ("issued", Scene::issued(tenovos()).provider_blocked("ProviderInvalid"), "wait until expiry: ProviderInvalid"),
        ("due", Scene::issued(tenovos()).due().provider_blocked("ProviderNotAllowed"), "wait until expiry: ProviderNotAllowed"),
    ]);
}

#[test]
fn missing_credentials_withdraw_consent_and_are_looked_for_every_minute() {
    let blocked = |scene: Scene| scene.credentials_blocked("CredentialsNotFound");
    holds("the credentials are missing, unlabelled or lack a key", vec![
        ("new", blocked(Scene::new(tenovos())), "wait 60 s: CredentialsNotFound"),
        ("before anything else is read", blocked(Scene::new(tenovos()).with(|it| it.session = Seen::Unknown)), "wait 60 s: CredentialsNotFound"),
        ("due", blocked(Scene::issued(tenovos()).due()), "wait 60 s: CredentialsNotFound"),
        ("asked", blocked(Scene::issued(palette()).asked("now")), "wait 60 s: CredentialsNotFound"),
        ("about to expire", blocked(Scene::issued(tenovos()).aged(HOUR - 20, HOUR)), "wait until expiry: CredentialsNotFound"),
    ]);
}

#[test]
fn no_login_is_spent_on_an_output_that_cannot_be_written() {
    let anothers = || Ownership::Another("Deployment \"x\" controls it".to_owned());
    holds("the output is somebody else's", vec![
        ("new", Scene::new(tenovos()).output_is(anothers()), "wait 60 s: OutputConflict"),
        ("due", Scene::issued(tenovos()).due().output_is(anothers()), "wait 60 s: OutputConflict"),
        ("of an ApiToken just deleted", Scene::new(tenovos()).output_is(Ownership::Leaving), "wait 2 s: Pending"),
    ]);
}

#[test]
fn what_is_not_known_is_read_before_the_provider_is_asked() {
    holds("not enough is known yet", vec![
        ("session", Scene::new(tenovos()).with(|it| it.session = Seen::Unknown), "look"),
        ("output", Scene::new(tenovos()).with(|it| it.output.secret = Seen::Unknown), "look"),
        ("credentials", Scene::new(tenovos()).with(|it| it.credentials = CredentialsView::Unknown), "look"),
        ("their content", unread(Scene::new(tenovos())), "look"),
        ("their new content", unread(Scene::issued(tenovos()).credentials("second")), "look"),
    ]);
    holds(FRESH, vec![
        ("their content was read before, and has not changed since", unread(Scene::issued(tenovos())), "wait until renewal: fresh"),
    ]);
}

#[test]
fn without_a_living_session_of_this_provider_one_login_is_made() {
    holds(NO_SESSION, vec![
        ("new", Scene::new(tenovos()), "log in, intent 1 first"),
        ("new, with credentials that another ApiToken was let in with", Scene::new(tenovos()).with(|seen| seen.accepted = true), "log in"),
        ("new, and no account that could be locked", Scene::new(open()), "log in"),
        ("an output that its owner offers", Scene::new(tenovos()).output_is(Ownership::Offered), "log in, intent 1 first"),
        ("another URL, login or parameter", Scene::issued(tenovos()).grant(|it| it.provider_fingerprint = "old".to_owned()), "log in, intent 1 first"),
        ("the provider has refused to refresh it", Scene::issued(tenovos()).grant(|it| it.over = true), "log in"),
        ("a one-time token that may have been presented", Scene::issued(one_time()).intending(Refresh, 5, 1), "log in"),
        ("whatever the definition says by now", Scene::issued(tenovos()).intending(Refresh, 5, 1), "log in"),
    ]);
}

#[test]
fn a_failed_login_waits_for_its_time_for_an_edit_or_for_a_request() {
    holds(NO_SESSION, vec![
        ("it waits", Scene::new(tenovos()).failed(Login, Transient, 1, 30), "wait 30 s: held, ProviderUnavailable"),
        ("and no longer", Scene::new(tenovos()).failed(Login, Transient, 30, 0), "log in, intent 1 first"),
        ("as told", Scene::new(tenovos()).failed(Login, RateLimited, 1, 30), "wait 30 s: held, RateLimited"),
        ("a wrong definition", Scene::new(tenovos()).failed(Login, Misconfigured, 1, 60), "wait 60 s: held, ResponseInvalid"),
        ("refused without credentials", Scene::new(open()).failed(Login, Rejected, 1, HOUR), "wait 3600 s: held, CredentialsRejected"),
        ("an edit", edited(Scene::new(tenovos()).failed(Login, Misconfigured, 1, 60), 0), "log in, intent 1 first"),
        ("new credentials", Scene::new(tenovos()).failed(Login, Transient, 1, 60).credentials("second"), "log in, intent 1 first"),
        ("a request", Scene::new(tenovos()).failed(Login, Misconfigured, 60, 900).asked("now"), "log in, intent 1 first"),
        ("a request within a minute", Scene::new(tenovos()).failed(Login, Misconfigured, 20, 900).asked("now"), "wait 40 s: held, ResponseInvalid"),
        ("a request when it is about to be tried", Scene::new(tenovos()).failed(Login, Transient, 20, 5).asked("now"), "wait 5 s: held, ProviderUnavailable"),
        ("the token dies first", Scene::issued(virtana()).aged(HOUR - 9, HOUR).grant(|it| it.over = true).failed(Login, RateLimited, 1, 30), "wait until expiry: held, RateLimited"),
    ]);
}

#[test]
fn an_interrupted_login_is_followed_by_two_more_at_most_before_it_counts_as_refused() {
    holds(NO_SESSION, vec![
        ("first", Scene::new(tenovos()).intending(Login, 10, 1), "wait 20 s: held, ProviderUnavailable"),
        ("first, later", Scene::new(tenovos()).intending(Login, 30, 1), "log in, intent 2 first"),
        ("second", Scene::new(tenovos()).intending(Login, 10, 2), "wait 50 s: held, ProviderUnavailable"),
        ("third", Scene::new(tenovos()).intending(Login, 10, 3), "wait 3590 s: held, ProviderUnavailable"),
        ("new credentials", Scene::new(tenovos()).intending(Login, 10, 3).credentials("second"), "log in, intent 1 first"),
        ("asking changes nothing", Scene::new(tenovos()).intending(Login, 10, 1).asked("now"), "wait 20 s: held, ProviderUnavailable"),
    ]);
    holds(FRESH, vec![
        ("the old session goes on, and the login is not forgotten",
            Scene::issued(tenovos()).credentials("first-changed").intending(Login, 10, 1), "wait 20 s: fresh"),
    ]);
}

#[test]
fn refused_credentials_are_tried_once_by_all_apitokens_together() {
    holds(NO_SESSION, vec![
        ("another's attempt", Scene::new(tenovos()).refused(5, HOUR), "remember the rejection"),
        ("and then as its own", Scene::new(tenovos()).refused_itself(5, HOUR), "wait 3600 s: held, CredentialsRejected"),
        ("the slow probe", Scene::new(tenovos()).refused_itself(HOUR, 0), "log in, intent 1 first"),
        ("the slow probe has shown nothing", Scene::new(tenovos()).refused(HOUR, 0).failed(Login, Transient, 1, 60), "wait 60 s: held, ProviderUnavailable"),
        ("and is put off for all", Scene::new(tenovos()).refused(1, 300).failed(Login, Transient, 1, 60), "remember the rejection"),
        ("the slow probe was interrupted", Scene::new(tenovos()).refused_itself(HOUR, 0).intending(Login, 10, 1), "wait 20 s: held, ProviderUnavailable"),
        ("accepted elsewhere since", Scene::new(tenovos()).failed(Login, Rejected, 5, HOUR), "log in, intent 1 first"),
        ("an edit", edited(Scene::new(tenovos()).refused_itself(60, HOUR), 10), "log in, intent 1 first"),
        ("an edit within a minute", edited(Scene::new(tenovos()).refused_itself(20, HOUR), 10), "wait 40 s: held, CredentialsRejected"),
        ("an edit before somebody's attempt", edited(Scene::new(tenovos()).refused_itself(10, HOUR), 20), "remember the rejection"),
        ("an edit in the second of somebody's attempt, but before it", edited(Scene::new(tenovos()).refused_itself(60, HOUR), 59).asked_exactly(58), "remember the rejection"),
        ("a request", Scene::new(tenovos()).refused_itself(60, HOUR).asked("now"), "log in, intent 1 first"),
        ("a request within a minute", Scene::new(tenovos()).refused_itself(20, HOUR).asked("now"), "wait 40 s: held, CredentialsRejected"),
        ("a request of one who has not tried", Scene::new(tenovos()).refused(60, HOUR).asked("now"), "remember the rejection"),
    ]);
}

#[test]
fn new_credentials_get_one_login_and_the_old_session_goes_on_if_that_is_refused() {
    holds(NEW_CREDENTIALS, vec![
        ("changed", Scene::issued(tenovos()).credentials("second"), "log in, intent 1 first"),
        ("a key that the refresh does not use", Scene::issued(tenovos()).credentials("first-changed"), "log in, intent 1 first"),
        ("wanted from now on", Scene::issued(tenovos()).grant(|it| it.credentials_fingerprint = None), "log in, intent 1 first"),
        ("known to be refused", Scene::issued(palette()).credentials("second").refused(5, HOUR), "remember the rejection"),
        ("refused, and the refresh uses the key that changed", Scene::issued(tenovos()).credentials("second").refused_itself(5, 2 * HOUR), "wait until expiry: held, CredentialsRejected"),
        ("refused, and there is no refresh", Scene::issued(virtana()).credentials("second").refused_itself(5, 2 * HOUR), "wait until expiry: held, CredentialsRejected"),
    ]);
    holds(FRESH, vec![
        ("refused, and the refresh uses none", Scene::issued(palette()).credentials("second").refused_itself(5, HOUR), "wait until renewal: fresh"),
        ("refused, and the refresh uses another", Scene::issued(tenovos()).credentials("first-changed").refused_itself(5, 60), "wait 60 s: fresh"),
    ]);
    holds(DUE, vec![
        ("refused, and the refresh uses none", Scene::issued(palette()).due().credentials("second").refused_itself(5, HOUR), "refresh, overdue"),
    ]);
}

#[test]
fn a_request_refreshes_once_for_each_text_and_at_most_once_a_minute() {
    let handled = |scene: Scene| scene.facts(|facts| facts.handled_request = Some("now".to_owned()));
    holds("somebody asked for a refresh", vec![
        ("asked", Scene::issued(tenovos()).asked("now"), "refresh"),
        ("asked again", handled(Scene::issued(tenovos()).asked("again")), "refresh"),
        ("nothing to refresh with", Scene::issued(virtana()).asked("now"), "log in"),
        ("one-time", Scene::issued(one_time()).asked("now"), "refresh, intent 1 first"),
        ("a minute after a failure", Scene::issued(tenovos()).asked("now").failed(Refresh, Transient, 60, 60), "refresh"),
    ]);
    holds(FRESH, vec![
        ("handled", handled(Scene::issued(tenovos()).asked("now")), "wait until renewal: fresh"),
        ("just issued", Scene::issued(tenovos()).asked("now").aged(20, HOUR), "wait 40 s: fresh"),
        ("just failed", Scene::issued(tenovos()).asked("now").failed(Refresh, Transient, 20, 50), "wait 40 s: fresh"),
        ("only a login would do, and it is held", Scene::issued(virtana()).asked("now").refused_itself(20, HOUR), "wait 40 s: fresh"),
    ]);
}

#[test]
fn a_login_comes_before_the_sessions_end_and_its_failure_takes_nothing_away() {
    let late = |scene: Scene| scene.session(96 * HOUR, 4 * HOUR);
    holds(ENDING, vec![
        ("at 80 to 95 % of the limit", late(Scene::issued(tenovos())), "log in, overdue"),
        ("also when the token is due", late(Scene::issued(tenovos()).due()), "log in, overdue"),
        ("a refresh added almost no life", Scene::issued(tenovos()).grant(|it| it.ending = true), "log in"),
    ]);
    holds(FRESH, vec![
        ("long before", Scene::issued(tenovos()).session(79 * HOUR, 21 * HOUR), "wait until renewal: fresh"),
        ("right before", Scene::issued(tenovos()).session(8 * HOUR - 60, 2 * HOUR + 60).aged(60, 10 * HOUR), "wait until the early login: fresh"),
        ("it failed", late(Scene::issued(tenovos())).failed(Login, Transient, 1, 60), "wait 60 s: fresh"),
        ("it was refused", late(Scene::issued(tenovos())).refused_itself(5, 60), "wait 60 s: fresh"),
        ("over, but the token lives", Scene::issued(tenovos()).session(96 * HOUR, -1).failed(Login, Transient, 1, 60), "wait 60 s: fresh"),
    ]);
    holds(DUE, vec![
        ("it failed", late(Scene::issued(tenovos()).due()).failed(Login, Misconfigured, 1, 60), "refresh, overdue"),
        ("it was refused", late(Scene::issued(tenovos()).due()).refused_itself(5, HOUR), "refresh, overdue"),
        ("it failed, and the refresh is as planned", late(Scene::issued(tenovos()).aged(HOUR * 67 / 100, HOUR)).failed(Login, Transient, 1, 60), "refresh, being due"),
    ]);
}

#[test]
fn a_token_that_is_due_is_refreshed_if_that_can_be_and_else_logged_in_for() {
    let policy = |scene: Scene, before: Option<u64>, at_percent| {
        scene.spec(|it| it.refresh = Some(RefreshPolicy { before: before.map(HumanDuration::from_secs), at_percent }))
    };
    holds(DUE, vec![
        ("the clock was set back by an hour", Scene::issued(palette()).aged(-50 * MINUTE, HOUR), "refresh, overdue"),
        ("so was it after a failure", Scene::issued(palette()).aged(-50 * MINUTE, HOUR).failed(Refresh, Transient, -51 * MINUTE, 52 * MINUTE), "refresh, overdue"),
        ("a refresh token", Scene::issued(tenovos()).due(), "refresh, overdue"),
        ("a one-time refresh token", Scene::issued(one_time()).due(), "refresh, intent 1 first, overdue"),
        ("a refresh token outlives the token", Scene::issued(tenovos()).expired(), "refresh, overdue"),
        ("a living access token", Scene::issued(palette()).due(), "refresh, overdue"),
        ("a dead access token", Scene::issued(palette()).expired(), "log in, overdue"),
        ("no refresh token was given", Scene::issued(tenovos()).due().grant(|it| it.has_refresh_token = false), "log in, overdue"),
        ("this provider has no refresh", Scene::issued(virtana()).due(), "log in, overdue"),
        ("nor does it want credentials", Scene::issued(open()).due(), "log in, overdue"),
        ("its owner wants it early", policy(Scene::issued(tenovos()).aged(30 * MINUTE, HOUR), Some(40 * 60), None), "refresh, overdue"),
    ]);
    holds(DUE, vec![
        ("the renewal that was planned", Scene::issued(tenovos()).aged(HOUR * 67 / 100, HOUR), "refresh, being due"),
        ("and made late by that", Scene::issued(tenovos()).aged(HOUR * 73 / 100, HOUR), "refresh, overdue"),
        ("a login that was planned", Scene::issued(virtana()).aged(HOUR * 67 / 100, HOUR), "log in, being due"),
    ]);
    holds(DUE, vec![
        ("a failed refresh waits", Scene::issued(tenovos()).due().failed(Refresh, Transient, 1, 20), "wait 20 s: held, ProviderUnavailable"),
        ("as told", Scene::issued(tenovos()).due().failed(Refresh, RateLimited, 1, 20), "wait 20 s: held, RateLimited"),
        ("and no longer", Scene::issued(tenovos()).due().failed(Refresh, Transient, 20, 0), "refresh, overdue"),
        ("a failed login does not hold a refresh", Scene::issued(tenovos()).due().failed(Login, Rejected, 1, HOUR), "refresh, overdue"),
        ("a failed login waits", Scene::issued(virtana()).due().failed(Login, Transient, 1, 20), "wait 20 s: held, ProviderUnavailable"),
        ("over, dead, and the login waits", Scene::issued(tenovos()).expired().session(30 * DAY, 0).failed(Login, Transient, 1, 30), "wait 30 s: held, ProviderUnavailable"),
    ]);
    holds(FRESH, vec![
        ("its owner wants it late", policy(Scene::issued(tenovos()).aged(50 * MINUTE, HOUR), None, Some(95)), "wait until renewal: fresh"),
        ("expired on arrival", Scene::issued(virtana()).aged(10, 0), "wait until renewal: fresh"),
    ]);
}

#[test]
fn each_rule_has_a_name_of_its_own() {
    let names: Vec<_> = GATES.iter().map(|(name, _)| *name).chain(CHAIN.iter().map(|(name, _)| *name)).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
}

#[test]
fn the_output_holds_the_sessions_token_whatever_is_asked_of_the_provider() {
    use OutputStep::{Keep, Project};
    let absent = |scene: Scene| scene.with(|it| it.output.secret = Seen::Absent);
    let fresh = || Scene::issued(tenovos());
    for (story, scene, expected) in vec![
        ("it holds it", fresh(), Keep),
        ("there is no token yet", Scene::new(tenovos()), Keep),
        ("deleted by somebody", absent(fresh()), Project),
        ("edited by somebody", fresh().output(|it| it.drifted = true), Project),
        ("its label was taken off", fresh().output(|it| it.labelled = false), Project),
        ("its revision was taken off", fresh().output(|it| it.revision = None), Project),
        ("it holds the token before", fresh().holding("grant-0"), Project),
        ("the spec wants another form", fresh().with(|it| it.output.plan.as_mut().unwrap().labels = [("a".into(), "b".into())].into()), Project),
        ("it has been renamed", fresh().with(|it| it.output.leftovers = vec!["old".to_owned()]), Project),
        ("it is offered", fresh().output_is(Ownership::Offered), Project),
        ("it is another's", fresh().output_is(Ownership::Another("x".to_owned())), Keep),
        ("it is about to be collected", fresh().output_is(Ownership::Leaving), Keep),
        ("the token has expired", absent(fresh().expired()), Keep),
        ("the ApiToken is being deleted", absent(fresh()).token(|it| it.deleting = true), Keep),
        ("suspended", absent(suspended(fresh())), Project),
        ("the provider is gone", absent(fresh()).provider_blocked("ProviderNotFound"), Project),
        ("so is all knowledge of what to write", absent(fresh()).provider_blocked("ProviderNotFound").with(|it| it.output.plan = None), Keep),
        ("the credentials are gone", absent(fresh()).credentials_blocked("CredentialsNotFound"), Project),
        ("due", absent(fresh().due()), Project),
    ] {
        assert_eq!(decide(&scene.0, now()).output, expected, "{story}");
    }
    let unknown = fresh().provider_blocked("ProviderNotFound").with(|it| it.output.secret = Seen::Unknown);
    assert_eq!(decide(&unknown.0, now()), Decision { output: Keep, next: Next::Look }, "not in the store is not absent");
}

#[test]
fn a_conflict_is_told_with_its_three_remedies() {
    let scene = Scene::new(tenovos()).output_is(Ownership::Another("Deployment \"x\" controls it".to_owned()));
    let Next::Wait(Wait { why: Why::Blocked(block), .. }) = decide(&scene.0, now()).next else { panic!("not blocked") };
    assert_eq!(
        block.message,
        "Secret \"assets\" exists and is not ours (Deployment \"x\" controls it): choose another spec.output.secretName, \
         delete that Secret, or hand it over: kubectl label secret assets -n web apitoken.dev/role=output"
    );
}
