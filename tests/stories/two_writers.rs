//! Two operators that both write, because somebody runs two without an election.

use std::collections::HashSet;

use testbed::reliability::{oracles, row};

use crate::{
    lone::{logins, refreshes},
    replicas::Company,
    world::PATIENCE,
};

#[tokio::test]
async fn two_operators_without_an_election_present_no_one_time_token_twice() {
    let mut company = Company::new().await;
    company.world.flags.clear();
    let (_one, _two) = tokio::join!(company.replica(), company.replica());
    for name in ["infra-0", "infra-1", "infra-2"] {
        company.renewing(name).await;
    }
    company.virtana.wait_for("eight refreshes", PATIENCE * 2, |all| refreshes(all) >= 8).await;
    let mut presented = HashSet::new();
    for refresh in company.virtana.refreshes() {
        assert!(refresh.presented.iter().all(|token| presented.insert(token.clone())), "presented twice: {refresh:?}");
        assert_eq!(refresh.refusal, None);
    }
    company.virtana.assert_no_protocol_errors();
    let history = company.virtana.history();
    let logins = logins(&history);
    row(13)
        .injected("two operators without an election on three ApiTokens, over eight refreshes")
        .judged(&oracles::presented_once(&history))
        .judged_all(&company.held())
        .holds(format!("no token is presented twice, no output goes back; {logins} logins for three sessions"));
}
