//! Watches that are told to begin anew, that die silently, that fail for good; objects that change while nobody looks.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use kube::{ResourceExt, api::DeleteParams};
use testbed::{
    api_proxy::{Answer, ApiRequest, When},
    eventually::await_until,
    reliability::{oracles, row},
    vendors::Operation,
};

use crate::{
    lone::{Lone, is_watch},
    world::{PATIENCE, ready},
};

/// The promise is 300 s; the rest is for a busy machine.
const NOTICED_WITHIN: Duration = Duration::from_secs(330);

fn gone() -> Answer {
    Answer::refusal(410, "Expired", "too old resource version")
}

impl Lone {
    /// Nobody watches while `meanwhile` happens, and no watch can go on where it was.
    async fn blind(&self, meanwhile: impl AsyncFnOnce()) {
        self.proxy.stop();
        meanwhile().await;
        let expired = self.proxy.answer(When::Before, is_watch, gone());
        self.proxy.restart().expect("the way is free again");
        await_until("each watch is told 410", PATIENCE, async || match expired.met().len() {
            4.. => Ok(()),
            few => Err(few.to_string()),
        })
        .await;
    }

    /// Ready, and seen to be, within the time in which a dead watch must be noticed. Returns how long it took.
    async fn ready_in_the_end(&self, name: &str) -> Duration {
        let begun = Instant::now();
        let api = self.world().tokens();
        await_until(&format!("{name} is ready"), NOTICED_WITHIN, async || {
            let token = api.get(name).await.map_err(|error| error.to_string())?;
            let is_ready = ready(&token).is_some_and(|condition| condition.status == "True");
            if is_ready { Ok(()) } else { Err("not yet") }.map_err(str::to_owned)
        })
        .await;
        begun.elapsed()
    }
}

#[tokio::test]
async fn watches_that_are_told_to_begin_anew_miss_nothing_and_cost_no_call() {
    let lone = Lone::new().await;
    lone.company.resting("old").await;
    let login = lone.world().data("login", "clientSecret").await;
    lone.blind(async || {
        lone.company.token("new", 95).await;
        lone.world().secrets().delete("old", &DeleteParams::default()).await.expect("the output is deleted");
    })
    .await;
    let free = Instant::now();
    lone.world().ready("new").await;
    lone.world().until_secret("old", "made again", |_| true).await;
    let took = free.elapsed();
    assert_eq!(lone.world().data("login", "clientSecret").await, login);
    lone.company.spent(2);
    row(19)
        .injected(
            "all watches cut; an ApiToken made and an output deleted meanwhile; 410 Gone to each watch that goes on",
        )
        .judged(&oracles::one_time(&lone.company.virtana.history()))
        .logins(lone.asked(Operation::Login), 2)
        .took("410 Gone, all is as it should be", took)
        .holds("everything is listed again: the new one is issued, the output restored, the old one costs no call");
}

#[tokio::test]
async fn an_apitoken_that_was_made_again_while_nobody_watched_gets_a_session_of_its_own() {
    let lone = Lone::new().await;
    // Old enough that nobody takes it for one that was made a moment ago.
    lone.company.renewing("infra").await;
    lone.company.next_refresh("infra").await;
    let (old, session) = (lone.world().get("infra").await, lone.world().session_name("infra").await);
    let before = lone.world().data("infra", "token").await;
    lone.blind(async || {
        lone.world().tokens().delete("infra", &DeleteParams::default()).await.expect("deleted");
        lone.world().until_gone(&session).await;
        lone.company.token("infra", 95).await;
    })
    .await;
    let new = lone.world().ready("infra").await;
    assert_ne!(old.uid(), new.uid());
    assert_ne!(lone.world().session_name("infra").await, session);
    assert_ne!(lone.world().data("infra", "token").await, before);
    let output = lone.world().secrets().get("infra").await.expect("an output");
    assert!(output.owner_references().iter().all(|owner| Some(&owner.uid) == new.metadata.uid.as_ref()));
    lone.company.spent(2);
    row(24)
        .injected(
            "watches cut, the ApiToken deleted and made again under its name, 410 Gone: neither event is ever seen",
        )
        .judged(&oracles::one_time(&lone.company.virtana.history()))
        .logins(lone.asked(Operation::Login), 2)
        .holds("the new uid has a session, a login and an output of its own");
}

#[tokio::test]
async fn watches_that_die_silently_are_noticed_and_no_renewal_waits_for_that() {
    let lone = Lone::new().await;
    lone.company.renewing("infra").await;
    let _frost = lone.proxy.freeze_watches();
    let frozen = Instant::now();
    lone.company.token("unseen", 95).await;
    lone.company.next_refresh("infra").await;
    lone.company.next_refresh("infra").await;
    let status = lone.world().get("unseen").await.status.unwrap_or_default();
    // What the API server itself puts there is -1.
    assert!(status.observed_generation.is_none_or(|seen| seen < 1), "the watches are not dead");
    lone.ready_in_the_end("unseen").await;
    let took = frozen.elapsed();
    let refreshed = lone.asked(Operation::Refresh);
    lone.company.spent(2);
    row(20)
        .injected("all open watches bring nothing and do not end, for ever; an ApiToken made after that")
        .judged(&oracles::one_time(&lone.company.virtana.history()))
        .logins(lone.asked(Operation::Login), 2)
        .took("watches die silently, an ApiToken made then is ready", took)
        .holds(format!("the watches were given up and begun anew; {refreshed} refreshes by timer meanwhile"));
}

#[tokio::test]
async fn a_watch_whose_beginning_is_never_answered_is_given_up_too() {
    let lone = Lone::new().await;
    let met = AtomicBool::new(false);
    let first = move |request: &ApiRequest| {
        request.path.ends_with("/apitokens") && is_watch(request) && !met.swap(true, Ordering::SeqCst)
    };
    let hold = lone.proxy.hold(When::Before, first);
    lone.proxy.stop();
    lone.proxy.restart().expect("the way is free again");
    hold.first(PATIENCE).await.expect("a watch that is never answered");
    lone.company.token("unseen", 95).await;
    let took = lone.ready_in_the_end("unseen").await;
    lone.company.spent(1);
    row(20)
        .injected("the request that begins a watch is taken and never answered")
        .judged(&oracles::one_time(&lone.company.virtana.history()))
        .logins(lone.asked(Operation::Login), 1)
        .took("a watch is not answered, an ApiToken made then is ready", took)
        .holds("it is given up and begun anew");
}

#[tokio::test]
async fn a_watch_that_fails_for_good_starves_no_other() {
    let lone = Lone::new().await;
    let tenants = |request: &ApiRequest| request.path.ends_with("/tokenproviders");
    let forbidden = Answer::refusal(403, "Forbidden", "tokenproviders.apitoken.dev is forbidden");
    let rule = lone.proxy.answer(When::Before, tenants, forbidden);
    lone.proxy.stop();
    lone.proxy.restart().expect("the way is free again");
    rule.first(PATIENCE).await.expect("a watch that is refused");
    await_until("/readyz names it", PATIENCE, async || match lone.world().operator().get("/readyz").await {
        Ok((503, body)) if body.contains("tokenproviders") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let mut took = Duration::ZERO;
    for name in ["one", "two", "three"] {
        let made = Instant::now();
        lone.company.resting(name).await;
        took = took.max(made.elapsed());
    }
    lone.company.token("renewing", 10).await;
    lone.company.next_refresh("renewing").await;
    assert_eq!(lone.world().operator().get("/livez").await.expect("an answer").0, 200);
    let failed = rule.met().len();
    drop(rule);
    await_until("/readyz is well again", PATIENCE * 2, async || match lone.world().operator().get("/readyz").await {
        Ok((200, _)) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    lone.company.spent(4);
    row(21)
        .injected("403 to list and watch of TokenProviders, while the other watches work")
        .judged(&oracles::one_time(&lone.company.virtana.history()))
        .logins(lone.asked(Operation::Login), 4)
        .took("an ApiToken made while another watch fails, ready", took)
        .holds(format!("{failed} failures of that watch; three first issues and a refresh came through; /readyz names it, /livez is 200"));
}
