//! A token that is refreshed again and again, seen from its consumer, from the vendor and from the API server.

use std::collections::BTreeMap;

use testbed::{
    audit::{AuditEvent, Mark},
    eventually::await_until,
    outputs::Version,
    vendors::{Exchange, Operation, Tenovos},
};

use crate::{
    customers::{PATIENCE_FOR_MANY, TENOVOS_KEY, assert_always_served, assert_never_stale},
    world::World,
};

const REFRESHES: usize = 20;
/// Virtana logs in each time.
const LOGINS: usize = 10;

#[tokio::test]
async fn over_twenty_refreshes_the_consumer_is_never_refused_and_each_costs_one_call_and_three_writes() {
    let world = World::new().await;
    world.logins().await;
    let (palette, tenovos, virtana) = (world.palette(), world.tenovos(), world.virtana());
    world.early_token("clusters", &world.preset("Palette", &palette.base_url()).await, "palette-login").await;
    world.early_token("assets", &world.preset("Tenovos", &tenovos.base_url()).await, "tenovos-login").await;
    world.early_token("infra", &world.preset("Virtana", &virtana.base_url()).await, "virtana-login").await;
    let watchers = [world.watch("clusters").await, world.watch("assets").await, world.watch("infra").await];
    let consumers = [
        world.consumer("clusters", palette.call(&world.ca, "token")),
        world.consumer("assets", tenovos.call(&world.ca, TENOVOS_KEY)),
        world.consumer("infra", virtana.call(&world.ca, "token")),
    ];
    let audited = world.cluster.audit().mark().expect("the audit log");

    palette.wait_for("20 refreshes", PATIENCE_FOR_MANY, |all| count(all, Operation::Refresh) > REFRESHES).await;
    tenovos.wait_for("20 refreshes", PATIENCE_FOR_MANY, |all| count(all, Operation::Refresh) > REFRESHES).await;
    virtana.wait_for("10 logins", PATIENCE_FOR_MANY, |all| count(all, Operation::Login) > LOGINS).await;

    consumers.into_iter().for_each(assert_always_served);
    let [clusters, assets, infra] = watchers.map(|watcher| watcher.versions().expect("a recording without gaps"));
    assert_never_stale(&clusters, "token", |text| palette.token(text));
    assert_never_stale(&assets, "accessToken", |text| tenovos.token(text));
    assert_never_stale(&infra, "token", |text| virtana.token(text));
    swapped_together(&assets, &tenovos);
    // The token and what is said about it change together.
    assert!(clusters.len() <= palette.refreshes().len() + 1, "{} versions of the output", clusters.len());

    for logins in [palette.logins(), tenovos.logins()] {
        assert_eq!(logins.len(), 1, "a refresh cost a login");
    }
    assert_eq!(virtana.refreshes().len(), 0, "the preset knows no refresh");
    for exchange in palette.refreshes().iter().chain(&tenovos.refreshes()).chain(&virtana.logins()) {
        assert!(exchange.refusal.is_none() && exchange.in_flight == 1, "{exchange:?}");
    }
    for (name, credentials) in [("clusters", "palette-login"), ("assets", "tenovos-login"), ("infra", "virtana-login")]
    {
        costs_three_writes_and_two_reads(&world, &audited, name, credentials).await;
    }
}

/// No version held an access token with an ID token of another reply.
fn swapped_together(versions: &[Version], tenovos: &Tenovos) {
    for version in versions {
        let grant = |key| tenovos.token(version.text(key).expect("both keys")).expect("a token of the vendor").grant;
        assert_eq!(grant("accessToken"), grant("authorization"), "the two tokens were not given together");
    }
}

/// Between the end of the first renewal and the end of a later one, all that the operator asked of the API server about
/// this ApiToken.
async fn costs_three_writes_and_two_reads(world: &World, since: &Mark, name: &str, credentials: &str) {
    let session = world.session_name(name).await;
    // A line of the log may follow the answer by a moment.
    let events = await_until("five renewals in the audit log", crate::world::PATIENCE, async || {
        let events = world.asked_by_operator(since);
        if passes(&events, name).len() > 5 {
            Ok(events)
        } else {
            Err(format!("{} so far", passes(&events, name).len()))
        }
    })
    .await;
    let ends = passes(&events, name);
    let (first, last, renewals) = (ends[0] + 1, ends[ends.len() - 1], ends.len() - 1);
    let mut told: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for event in &events[first..=last] {
        if [name, credentials, &session].contains(&event.name.as_str()) || event.verb == "list" {
            let what = format!("{} {}", event.resource, event.subresource).trim_end().to_owned();
            let what = if event.name == session { "session".to_owned() } else { what };
            *told.entry((what, &event.verb)).or_default() += 1;
        }
    }
    let reads: usize = told.iter().filter(|((_, verb), _)| *verb == "get").map(|(_, count)| count).sum();
    told.retain(|(_, verb), _| *verb != "get");
    let writes = [(("apitokens status".to_owned(), "patch"), renewals), (("secrets".to_owned(), "patch"), renewals)];
    let mut expected: BTreeMap<_, _> = writes.into();
    expected.insert(("session".to_owned(), "update"), renewals);
    assert_eq!(told, expected, "for {renewals} renewals of {name}");
    assert!(reads <= 2 * renewals, "{reads} reads for {renewals} renewals of {name}");
}

/// Where the renewals of an ApiToken end: with its status.
fn passes(events: &[AuditEvent], name: &str) -> Vec<usize> {
    let ends = |event: &AuditEvent| event.name == name && event.subresource == "status";
    events.iter().enumerate().filter(|(_, event)| ends(event)).map(|(at, _)| at).collect()
}

fn count(exchanges: &[Exchange], operation: Operation) -> usize {
    exchanges.iter().filter(|exchange| exchange.operation == operation).count()
}
