//! The simulator can fail: it catches each planted bug within a few seeds.

use crate::{
    bug::Bug,
    fault::{Edit, Fault, Harm, MINUTE, SECOND, Step, What},
    run::Scenario,
    shrink::shrink,
};

/// Seeds that are tried at most.
const SEEDS: u64 = 12;

/// A run in which that bug has something to break.
fn provoking(seed: u64, bug: Bug) -> Scenario {
    let mut scenario = Scenario::new(seed, true);
    scenario.shape.elected = matches!(bug, Bug::TakesNoTurns | Bug::BelievesInItsLease);
    scenario.shape.replicas = if scenario.shape.elected { 2 } else { 1 };
    let what: &[What] = match bug {
        Bug::ForgetsIntents => &[What::Call { step: Step::Refresh, harm: Harm::CrashAfter, times: 3 }],
        Bug::SharesOneLine => &[What::Call { step: Step::Refresh, harm: Harm::Hang, times: 6 }],
        Bug::RetriesRefusedPasswords | Bug::DeafToCredentials => {
            &[What::User { token: 0, edit: Edit::WrongPassword, lasts: 15 * MINUTE }, What::Revoke { provider: 0 }]
        }
        Bug::NeverUnready => &[What::ProviderDown { provider: 0, down_for: 100 * MINUTE }],
        Bug::BelievesInItsLease => &[What::Pause { replica: 0, lasts: 60 * SECOND }],
        Bug::SeizesOutputs => &[What::User { token: 0, edit: Edit::TakeOutput, lasts: 5 * MINUTE }],
        Bug::PanicsEndTheLoop => &[What::Call { step: Step::Refresh, harm: Harm::Panic, times: 1 }],
        Bug::PanicsCountForNothing => &[What::Call { step: Step::ReadSession, harm: Harm::Panic, times: 100 }],
        Bug::DeafToProbes => &[What::EndTokens { provider: 0, sessions: false }],
        Bug::DeafToDeletions => &[What::User { token: 0, edit: Edit::Delete, lasts: SECOND }],
        _ => &[],
    };
    scenario.errands = matches!(bug, Bug::RevokesTheNewToken | Bug::ProbesTooOften | Bug::DeafToProbes);
    scenario.endless = bug == Bug::DistrustsRefreshes;
    scenario.faults = what.iter().map(|what| Fault { at: 2 * MINUTE, what: *what }).collect();
    scenario
}

fn is_caught(bug: Bug, invariant: &str) {
    let mut others = std::collections::BTreeSet::new();
    for seed in 1..=SEEDS {
        let outcome = provoking(seed, bug).run(Some(bug));
        if outcome.breaks(invariant) {
            println!("{bug:?}: {invariant} is broken with seed {seed}");
            return;
        }
        others.extend(outcome.violations.iter().map(|violation| violation.invariant));
    }
    panic!("{bug:?} was not caught by {invariant} within {SEEDS} seeds, but by {others:?}");
}

#[test]
fn a_lifetime_that_counts_from_the_reply_is_caught() {
    is_caught(Bug::CountsFromTheReply, "I1");
}

#[test]
fn a_lifetime_that_is_misread_is_caught() {
    is_caught(Bug::MisreadsLifetimes, "I1");
}

#[test]
fn a_one_time_token_that_is_presented_again_after_a_crash_is_caught() {
    is_caught(Bug::ForgetsIntents, "I2");
}

#[test]
fn two_requests_at_once_with_the_same_credentials_are_caught() {
    is_caught(Bug::TakesNoTurns, "I3");
}

#[test]
fn an_output_that_is_written_without_a_version_is_caught() {
    is_caught(Bug::WritesOutputsBlindly, "I4");
}

#[test]
fn a_status_that_repeats_a_password_is_caught() {
    is_caught(Bug::TellsSecrets, "I5");
}

#[test]
fn a_refused_password_that_is_tried_again_is_caught() {
    is_caught(Bug::RetriesRefusedPasswords, "I6");
}

#[test]
fn a_login_that_nothing_makes_due_is_caught() {
    is_caught(Bug::DistrustsRefreshes, "I6");
}

#[test]
fn a_provider_that_holds_up_another_is_caught() {
    is_caught(Bug::SharesOneLine, "I7");
}

#[test]
fn credentials_that_are_mended_and_not_looked_at_are_caught() {
    is_caught(Bug::DeafToCredentials, "I8");
}

#[test]
fn a_status_that_stays_ready_is_caught() {
    is_caught(Bug::NeverUnready, "I9");
}

#[test]
fn an_output_that_is_taken_from_somebody_else_is_caught() {
    is_caught(Bug::SeizesOutputs, "I10");
}

#[test]
fn requests_that_are_never_let_go_of_are_caught() {
    is_caught(Bug::KeepsRequests, "I11");
}

#[test]
fn a_leader_that_believes_too_long_in_its_lease_is_caught() {
    is_caught(Bug::BelievesInItsLease, "I12");
}

#[test]
fn a_secret_that_is_made_for_a_deleted_owner_is_caught() {
    is_caught(Bug::DeafToDeletions, "I13");
}

#[test]
fn a_panic_that_ends_the_loop_is_caught() {
    is_caught(Bug::PanicsEndTheLoop, "I8");
}

#[test]
fn a_pass_that_panics_and_runs_again_at_once_is_caught() {
    is_caught(Bug::PanicsCountForNothing, "row 9");
}

#[test]
fn a_revocation_of_the_token_that_pods_use_is_caught() {
    is_caught(Bug::RevokesTheNewToken, "I1");
}

#[test]
fn a_probe_that_ignores_its_interval_is_caught() {
    is_caught(Bug::ProbesTooOften, "I6");
}

#[test]
fn a_refused_probe_that_changes_nothing_is_caught() {
    is_caught(Bug::DeafToProbes, "I8");
}

#[test]
fn a_failing_run_shrinks_to_the_one_fault_that_it_takes() {
    let bug = Bug::ForgetsIntents;
    let failing = (1..=SEEDS).map(|seed| {
        let mut scenario = Scenario::new(seed, true);
        scenario.faults.extend(provoking(seed, bug).faults);
        scenario
    });
    let failing =
        failing.into_iter().find(|scenario| scenario.faults.len() > 5 && scenario.run(Some(bug)).breaks("I2"));
    let smallest = shrink(&failing.unwrap(), Some(bug), "I2");
    assert_eq!(smallest.faults.len(), 1, "{:?}", smallest.faults);
}
