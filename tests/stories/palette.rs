//! Palette: both answers to the question that its documentation leaves open.

use testbed::vendors::{Exchange, Operation};

use crate::{
    customers::{assert_always_served, assert_never_stale, refreshed},
    world::{PATIENCE, World},
};

#[tokio::test]
async fn refreshing_goes_on_whether_or_not_a_refresh_kills_the_token_before() {
    let world = World::new().await;
    world.logins().await;
    let (killing, keeping) = (world.palette(), world.palette());
    killing.script(|script| script.refresh_kills_previous = true);
    keeping.script(|script| script.quirks.url_unsafe_tokens = true);
    for (name, palette) in [("killing", &killing), ("keeping", &keeping)] {
        let provider = world.preset_named(name, "Palette", &palette.base_url()).await;
        world.early_token(name, &provider, "palette-login").await;
    }
    let watchers = [world.watch("killing").await, world.watch("keeping").await];
    let consumer = world.consumer("keeping", keeping.call(&world.ca, "token"));

    for ((name, palette), watcher) in [("killing", &killing), ("keeping", &keeping)].into_iter().zip(&watchers) {
        palette.wait_for("three refreshes", PATIENCE, |all| refreshed(all, 3)).await;
        let in_output = |text: &str| palette.token(text).expect("a token of Palette").dead.is_none();
        let versions =
            watcher.wait_for(|all| all.last().is_some_and(|last| last.text("token").is_some_and(in_output)), PATIENCE);
        assert_never_stale(&versions.await.expect("a living token"), "token", |text| palette.token(text));
        assert_eq!(palette.logins().len(), 1, "{name}: a refresh cost a login");
        assert!(palette.refreshes().iter().all(|refresh| refresh.refusal.is_none()), "{name}: an old token was shown");
        presents_the_newest_each_time(&palette.refreshes());
        palette.assert_no_protocol_errors();
    }
    assert_always_served(consumer);
}

/// Each refresh shows the token that the refresh before gave.
fn presents_the_newest_each_time(refreshes: &[Exchange]) {
    for pair in refreshes.windows(2) {
        let given: Vec<_> = pair[0].issued.iter().map(|token| token.id.clone()).collect();
        assert_eq!(pair[1].presented, given);
        assert_eq!(pair[1].operation, Operation::Refresh);
    }
}
