//! The leader is told to stop while a provider hangs: the others are not kept waiting.

use std::time::Duration;

use serde_json::json;
use testbed::{
    operator::OperatorProcess,
    reliability::{oracles, row},
    vendors::{Exchange, Fault, On, Operation, Palette},
};

use crate::{
    replicas::{Company, leads},
    world::PATIENCE,
};

/// Long after another replica leads, and long before that one takes the login for one whose outcome nobody will learn.
const SLOW: Duration = Duration::from_secs(20);

/// Two replicas renew one ApiToken every 6 s, and the leader waits for the login of another at a slow vendor.
struct Slow {
    company: Company,
    palette: Palette,
    leader: OperatorProcess,
    other: OperatorProcess,
}

impl Slow {
    async fn new(script: impl Fn(&Palette)) -> Self {
        let company = Company::new().await;
        let palette = Palette::start(&company.world.ca).expect("Palette");
        palette.add_account("ops@example.com", "correct");
        script(&palette);
        let (leader, other) = company.two_replicas().await;
        company.renewing("infra").await;
        company.world.credentials("palette", &[("emailId", "ops@example.com"), ("password", "correct")]).await;
        let provider = company.world.preset("Palette", &palette.base_url()).await;
        let spec = json!({ "providerRef": { "name": provider }, "credentialsRef": { "name": "palette" } });
        company.world.token_with("clusters", spec).await;
        palette.wait_for("the login is on its way", PATIENCE, is_on_its_way).await;
        Self { company, palette, leader, other }
    }

    /// The other leads and renews, while the login is still on its way.
    async fn hands_over(&self) {
        self.leader.tell_to_stop().expect("it is told");
        leads(&self.other).await;
        assert_eq!(self.palette.logins().len(), 1);
        assert!(is_on_its_way(&self.palette.history()), "{:#?}", self.leader.logs());
        assert_eq!(self.leader.ended(), None, "it waits for the answer");
        self.company.next_refresh("infra").await;
    }
}

fn is_on_its_way(all: &[Exchange]) -> bool {
    all.iter().any(|one| one.operation == Operation::Login && one.answered.is_none())
}

#[tokio::test]
async fn a_leader_that_stops_while_a_provider_is_slow_lets_another_renew_and_stores_the_answer_when_it_comes() {
    let slow = Slow::new(|palette| palette.script(|script| script.login_latency = SLOW)).await;
    slow.hands_over().await;
    slow.company.world.ready("clusters").await;
    assert_eq!(slow.leader.wait(PATIENCE).await.expect("it ends").code(), Some(0), "{:#?}", slow.leader.logs());
    assert_eq!(slow.palette.logins().len(), 1, "the answer was thrown away");
    let stored = slow.company.world.data("clusters", "token").await;
    assert!(slow.palette.token(&stored).is_some());
    slow.company.spent(1);
    row(7)
        .injected("SIGTERM to the leader while a login takes 20 s and another token is due every 6 s")
        .judged(&oracles::one_time(&slow.company.virtana.history()))
        .logins(slow.palette.logins().len(), 1)
        .holds("another leads and renews meanwhile; the answer is stored by the first, and written out by the second");
}

#[tokio::test]
async fn a_leader_that_stops_while_a_provider_hangs_lets_another_renew_and_ends_when_the_request_does() {
    let slow = Slow::new(|palette| palette.fail_always(On::Both, Fault::Hang)).await;
    slow.hands_over().await;
    assert_eq!(slow.leader.wait(PATIENCE).await.expect("it ends").code(), Some(0), "{:#?}", slow.leader.logs());
    slow.company.next_refresh("infra").await;
    slow.company.spent(1);
    row(8)
        .injected("SIGTERM to the leader while a provider hangs and another token is due every 6 s")
        .judged(&oracles::one_time(&slow.company.virtana.history()))
        .holds("another leads and renews meanwhile; the first ends when its request is given up");
}
