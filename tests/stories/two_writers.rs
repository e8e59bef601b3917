//! Two operators that both write, because somebody runs two without an election.

use std::collections::HashSet;

use testbed::reliability::{oracles, row};

use crate::{replicas::Company, world::PATIENCE};
use testbed::vendors::{Exchange, Operation};

#[tokio::test]
async fn two_operators_without_an_election_present_no_one_time_token_twice() {
    let mut company = Company::new().await;
    company.world.flags.clear();
    let (_one, _two) = tokio::join!(company.replica(), company.replica());
    for name in ["infra-0", "infra-1", "infra-2"] {
        company.renewing(name).await;
    }
    let refreshes = |all: &[Exchange]| all.iter().filter(|one| one.operation == Operation::Refresh).count();
    company.virtana.wait_for("eight refreshes", PATIENCE * 2, |all| refreshes(all) >= 8).await;
    let mut presented = HashSet::new();
    for refresh in company.virtana.refreshes() {
        assert!(refresh.presented.iter().all(|token| presented.insert(token.clone())), "presented twice: {refresh:?}");
        assert_eq!(refresh.refusal, None);
    }
    for name in ["infra-0", "infra-1", "infra-2"] {
        company.world.ready(name).await;
        let token = company.world.data(name, "token").await;
        assert!(
            company
                .virtana
                .token(&token)
                .is_some_and(|token| token.expires_at.is_none_or(|at| at > k8s_openapi::jiff::Timestamp::now()))
        );
    }
    company.virtana.assert_no_protocol_errors();
    row(13)
        .injected("two operators without an election on three ApiTokens, over eight refreshes")
        .judged(&oracles::presented_once(&company.virtana.history()))
        .holds(format!("no token is presented twice; {} logins for three sessions", company.virtana.logins().len()));
}
