//! Virtana: the variants that are copied definitions, and a server that repeats itself.

use std::time::Duration;

use testbed::vendors::{Exchange, Operation, Rotation, virtana::RepeatedLogin};

use testbed::reliability::{oracles, row};

use crate::{
    customers::{VIRTANA_CLIENT, assert_always_served, assert_never_stale, example, refreshed},
    world::{PATIENCE, World},
};

#[tokio::test]
async fn the_login_as_get_works_with_the_copied_definition() {
    let world = World::new().await;
    world.logins().await;
    let virtana = world.virtana();
    let provider = world.copied("get", example("virtana-get.yaml"), &virtana.base_url(), |_| ()).await;
    world.early_token("infra", &provider, "virtana-login").await;
    let consumer = world.consumer("infra", virtana.call(&world.ca, "token"));
    virtana.wait_for("two more logins", PATIENCE, |all| operations(all).len() >= 3).await;
    assert_eq!(operations(&virtana.history())[..3], [Operation::Login; 3]);
    virtana.assert_no_protocol_errors();
    assert_always_served(consumer);
}

#[tokio::test]
async fn the_refresh_grant_is_used_where_it_is_served_and_where_it_is_not_a_login_follows_each_refusal() {
    let world = World::new().await;
    world.logins().await;
    let (served, rotating, refusing) = (world.virtana(), world.virtana(), world.virtana());
    served.script(|script| script.quirks.refresh_grant = true);
    rotating.script(|script| {
        script.quirks.refresh_grant = true;
        script.quirks.rotation = Rotation::Lenient;
    });
    let vendors = [("served", &served), ("rotating", &rotating), ("refusing", &refusing)];
    let mut consumers = Vec::new();
    for (name, virtana) in vendors {
        let provider = world.copied(name, example("virtana-refresh.yaml"), &virtana.base_url(), |_| ()).await;
        world.early_token(name, &provider, "virtana-login").await;
        consumers.push(world.consumer(name, virtana.call(&world.ca, "token")));
    }
    for virtana in [&served, &rotating] {
        virtana.wait_for("three refreshes", PATIENCE, |all| refreshed(all, 3)).await;
        assert_eq!(virtana.logins_of(VIRTANA_CLIENT), 1, "a refresh cost a login");
    }
    refusing.wait_for("two logins more", PATIENCE, |all| operations(all).len() >= 5).await;
    let (login, refresh) = (Operation::Login, Operation::Refresh);
    assert_eq!(operations(&refusing.history())[..5], [login, refresh, login, refresh, login]);
    for (_, virtana) in vendors {
        virtana.assert_no_protocol_errors();
    }
    consumers.into_iter().for_each(assert_always_served);
}

#[tokio::test]
async fn a_server_that_gives_the_same_token_with_less_time_left_is_not_asked_again_and_again() {
    let world = World::new().await;
    world.logins().await;
    let virtana = world.virtana();
    virtana.script(|script| {
        script.lifetime = Duration::from_secs(24);
        script.quirks.repeated_login = RepeatedLogin::SameToken { until: Duration::from_secs(4) };
    });
    let provider = world.preset("Virtana", &virtana.base_url()).await;
    world.early_token("infra", &provider, "virtana-login").await;
    let consumer = world.consumer("infra", virtana.call(&world.ca, "token"));
    let watcher = world.watch("infra").await;
    virtana.wait_for("another token", PATIENCE, |all| given(all).len() == 2).await;

    // First due after 8 or 9 s, then when half of what is left is over, but not before 5 s: at 16, at 20 or 21.
    let logins = operations(&virtana.history()).len();
    assert!((3..=4).contains(&logins), "{logins} logins for two tokens");
    let renewed =
        |text: &str| virtana.token(text).is_some_and(|token| Some(token.id) == given(&virtana.history()).pop());
    let versions =
        watcher.wait_for(|all| all.last().is_some_and(|last| last.text("token").is_some_and(renewed)), PATIENCE);
    assert_never_stale(&versions.await.expect("the other token in the output"), "token", |text| virtana.token(text));
    assert_always_served(consumer);
    row(55)
        .injected("a login that gives the same token until 4 s before its end")
        .judged(&oracles::asked(&virtana.history()))
        .holds(format!("{logins} logins for two tokens: at half of what remains, never more often than each 5 s"));
}

fn operations(exchanges: &[Exchange]) -> Vec<Operation> {
    let renewals = exchanges.iter().filter(|exchange| exchange.operation != Operation::Protected);
    renewals.map(|exchange| exchange.operation).collect()
}

/// The different tokens that logins gave, oldest first.
fn given(exchanges: &[Exchange]) -> Vec<String> {
    let logins = exchanges.iter().filter(|exchange| exchange.operation == Operation::Login);
    let mut ids: Vec<_> = logins.filter_map(|login| Some(login.issued.first()?.id.clone())).collect();
    ids.dedup();
    ids
}
