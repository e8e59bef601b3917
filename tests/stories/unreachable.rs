//! No way to the API server for a while: nothing is asked in vain, and the way back is found without a restart.

use std::time::Instant;

use testbed::{
    eventually::await_until,
    reliability::{oracles, row},
    vendors::Operation,
};

use crate::{lone::Lone, world::PATIENCE};

#[tokio::test]
async fn an_api_server_that_cannot_be_reached_is_found_again_without_a_restart() {
    let lone = Lone::new().await;
    lone.company.renewing("infra").await;
    lone.proxy.stop();
    await_until("two dozen failures of watches", PATIENCE * 2, async || {
        let failed = lone.world().operator().metric("apitoken_watch_errors_total", &[]).await;
        match failed.map_err(|error| error.to_string())? {
            Some(24.0..) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let asked = lone.asked(Operation::Refresh);
    lone.proxy.restart().expect("the way is free again");
    let free = Instant::now();
    lone.company.token("after", 95).await;
    lone.world().ready("after").await;
    let took = free.elapsed();
    lone.company.next_refresh("infra").await;
    lone.company.spent(2);
    row(22)
        .injected("connections to the API server are refused until 24 tries of watches have failed")
        .judged(&oracles::one_time(&lone.company.virtana.history()))
        .logins(lone.asked(Operation::Login), 2)
        .took("the API server can be reached again, an ApiToken made then is ready", took)
        .holds(format!("one-time tokens rest meanwhile ({asked} refreshes before); found again without a restart"));
}
