//! What takes too long for every run: `cargo test --test stories -- --ignored soak`.

use std::time::{Duration, Instant};

use testbed::{
    reliability::{oracles, row},
    vendors::{Fault, On, Operation},
};

use crate::{
    lone::{Lone, logins},
    world::PATIENCE,
};

#[tokio::test]
#[ignore = "takes minutes"]
async fn soak_an_operator_that_is_killed_twenty_times_in_its_first_login_asks_three_times_at_most() {
    let mut lone = Lone::without_operator().await;
    lone.company.virtana.fail_always(On::Login, Fault::Hang);
    lone.company.token("infra", 95).await;
    for _ in 0..20 {
        lone.company.world.start_operator().await;
        lone.world().every_apitoken_was_looked_at(1).await;
        lone.company.world.kill_operator();
    }
    let made = lone.asked(Operation::Login);
    assert!(made <= 3, "{made} logins by twenty processes");
    lone.company.virtana.heal();
    lone.company.world.start_operator().await;
    let healed = Instant::now();
    lone.company.virtana.wait_for("a login that is answered", PATIENCE * 4, |all| logins(all) > made).await;
    lone.world().ready("infra").await;
    row(10)
        .injected("kill -9 twenty times in a row, each during or before the first login")
        .judged(&oracles::asked(&lone.company.virtana.history()))
        .took("the last of twenty crashes, ready", healed.elapsed())
        .holds(format!("{made} logins in twenty lives: the waits survive"));
}

#[tokio::test]
#[ignore = "takes an hour"]
async fn soak_an_api_server_that_cannot_be_reached_for_an_hour_is_found_again_without_a_restart() {
    let lone = Lone::new().await;
    lone.company.resting("infra").await;
    lone.proxy.stop();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    lone.proxy.restart().expect("the way is free again");
    let free = Instant::now();
    lone.company.token("after", 95).await;
    lone.company.virtana.wait_for("the first issue after it", PATIENCE * 3, |all| logins(all) == 2).await;
    lone.company.holds_the_newest("after").await;
    row(22)
        .injected("no connection to the API server for an hour")
        .judged(&oracles::asked(&lone.company.virtana.history()))
        .took("the API server can be reached after an hour, an ApiToken made then has its output", free.elapsed())
        .holds("found again without a restart");
}
