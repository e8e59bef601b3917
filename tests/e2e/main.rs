//! The operator as its users have it: installed by Helm on a real node, its tokens mounted by pods.
//!
//! One node serves all stories. They run one after the other, in the order in which they stand here, because
//! installations of the same operator would disturb each other; each works alone too (`cargo test --test e2e -- NAME`).
//! This program starts itself again inside an enclosure, which threads that run already could not enter; so its
//! harness is `libtest-mimic`.
#![allow(clippy::unwrap_used, reason = "a test ends at what it cannot go on with")]
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::panic, reason = "it is a test")]

mod crowd;
mod deleting;
mod failover;
mod figures;
mod images;
mod installing;
mod mounted;
mod operator;
mod outputs;
mod programs;
mod stage;
mod team;
mod tenants;
mod upgrading;
mod vendors;

use std::{
    env,
    process::{ExitCode, Termination},
    sync::Arc,
    time::Instant,
};

use libtest_mimic::{Arguments, Conclusion, Failed, Trial};
use testbed::node::{self, Missing, enclosure};
use tokio::runtime::Runtime;

use self::{programs::Programs, stage::Theatre};

/// A story as it is listed: its name, and what tells it.
type Story = (&'static str, stage::Tell);

/// Names a story after its function.
macro_rules! stories {
    ($($module:ident :: $story:ident),* $(,)?) => {
        vec![$((stringify!($story), |stage| Box::pin($module::$story(stage)))),*]
    };
}

fn stories() -> Vec<Story> {
    stories![
        installing::helm_installs_on_an_empty_node_and_the_first_token_comes,
        installing::helm_test_passes,
        installing::both_replicas_are_ready_and_one_of_them_leads,
        deleting::a_namespace_goes_while_the_operator_is_down,
        deleting::a_namespace_goes_while_the_vendor_hangs,
        failover::an_evicted_leader_is_followed_without_a_login,
        failover::a_leader_deleted_by_force_is_followed_without_a_login,
        failover::a_leader_that_is_killed_is_followed_without_a_login,
        upgrading::an_upgrade_brings_another_image_and_a_field_and_a_rollback_takes_them_back,
        upgrading::after_an_uninstall_everything_is_there_and_a_new_installation_logs_nobody_in,
        mounted::a_renewed_token_reaches_the_pods_in_the_kubelets_own_time,
        mounted::no_call_is_refused_through_ten_renewals_of_each_vendor,
        tenants::in_namespace_mode_secrets_elsewhere_are_out_of_reach,
        tenants::a_tenant_with_the_role_edit_makes_tokens_and_no_provider,
        tenants::back_to_the_whole_cluster_by_an_upgrade,
        outputs::kubectl_prints_what_the_page_about_it_shows,
        crowd::two_hundred_tokens_are_kept,
    ]
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The order is part of it.
    arguments.test_threads = Some(1);
    if enclosure::directory().is_some() {
        return inside(&arguments);
    }
    if arguments.list || !any_story_is_wanted(&arguments) {
        return listed(&arguments).exit_code().report();
    }
    let stance = env::var("APITOKEN_E2E").unwrap_or_default();
    match node::missing() {
        None if stance != "off" => go_inside(),
        None => not_run(&arguments, "APITOKEN_E2E is off"),
        Some(Missing::Means(why)) if stance != "required" => not_run(&arguments, &why),
        Some(Missing::Packages(_)) if stance == "off" => not_run(&arguments, "APITOKEN_E2E is off"),
        Some(Missing::Means(why)) => {
            eprintln!("e2e: {why}");
            ExitCode::FAILURE
        }
        // Who could run them shall not miss by accident that they were not.
        Some(Missing::Packages(remedy)) => {
            eprintln!(
                "e2e: no node can run without more programs: {remedy}, or leave the stories out: APITOKEN_E2E=off"
            );
            ExitCode::FAILURE
        }
    }
}

fn not_run(arguments: &Arguments, why: &str) -> ExitCode {
    eprintln!("\ne2e: !!! NOT RUN, and so nothing was tested on a node: {why}\n");
    listed(arguments).exit_code().report()
}

/// Stands for the stories where they do not run: they are listed, filtered out, or ignored.
fn listed(arguments: &Arguments) -> Conclusion {
    let trials = stories().into_iter().map(|(name, _)| Trial::test(name, || Ok(())).with_ignored_flag(true));
    libtest_mimic::run(arguments, trials.collect())
}

fn any_story_is_wanted(arguments: &Arguments) -> bool {
    let matches = |name: &str, filter: &str| if arguments.exact { name == filter } else { name.contains(filter) };
    !arguments.ignored
        && stories().iter().any(|(name, _)| {
            arguments.filter.as_ref().is_none_or(|filter| matches(name, filter))
                && !arguments.skip.iter().any(|skipped| matches(name, skipped))
        })
}

/// Builds what needs the network, and then plays inside.
fn go_inside() -> ExitCode {
    let ended = Programs::build().and_then(|programs| enclosure::run_again_inside(&programs.variables()));
    match ended {
        Ok(status) => status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from),
        Err(e) => {
            eprintln!("e2e: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn inside(arguments: &Arguments) -> ExitCode {
    let begun = Instant::now();
    let runtime = Arc::new(Runtime::new().expect("a runtime"));
    let theatre = Arc::new(Theatre::default());
    let trials = stories().into_iter().map(|(name, story)| {
        let (runtime, theatre) = (Arc::clone(&runtime), Arc::clone(&theatre));
        Trial::test(name, move || {
            let told = runtime.block_on(theatre.tell(name, story));
            told.map_err(|e| Failed::from(format!("{e:#}")))
        })
    });
    let conclusion = libtest_mimic::run(arguments, trials.collect());
    runtime.block_on(theatre.close(conclusion.has_failed(), begun.elapsed()));
    conclusion.exit_code().report()
}
