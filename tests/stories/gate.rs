//! What the gate promises, seen by the vendor: how many requests are in flight at once.
//!
//! The operator starts when all objects are there, so that all want to ask at the same time.

use std::time::Duration;

use serde_json::json;
use testbed::vendors::Virtana;

use crate::world::World;

fn vendor(world: &World) -> Virtana {
    let virtana = Virtana::start(&world.ca).expect("Virtana");
    // Long enough that requests which may overlap do.
    virtana.script(|script| script.login_latency = Duration::from_millis(200));
    virtana
}

async fn clients(world: &World, virtana: &Virtana, count: usize) {
    for number in 0..count {
        let client = format!("client-{number}");
        virtana.add_account(&client, "secret");
        world.credentials(&client, &[("clientId", &client), ("clientSecret", "secret")]).await;
    }
}

async fn provider(world: &World, virtana: &Virtana, name: &str, concurrency: u32) -> String {
    let limits = json!({ "concurrency": concurrency, "requestsPerSecond": 1000, "burst": 1000 });
    let tls = json!({ "caBundle": world.ca.pem() });
    world.provider(name, json!({ "preset": "Virtana", "url": virtana.base_url(), "tls": tls, "limits": limits })).await
}

#[tokio::test]
async fn a_provider_has_as_many_requests_in_flight_as_it_allows_and_no_more() {
    let mut world = World::without_operator().await;
    let virtana = vendor(&world);
    clients(&world, &virtana, 16).await;
    let provider = provider(&world, &virtana, "narrow", 3).await;
    for number in 0..16 {
        world.token(&format!("token-{number}"), &provider, &format!("client-{number}")).await;
    }
    world.start_operator().await;
    for number in 0..16 {
        world.ready(&format!("token-{number}")).await;
    }
    assert_eq!(virtana.logins().len(), 16);
    let peak = virtana.peak_in_flight();
    assert!((2..=3).contains(&peak), "{peak} in flight, with limits.concurrency: 3");
    virtana.assert_no_protocol_errors();
}

#[tokio::test]
async fn two_provider_objects_for_one_host_share_what_the_operator_allows_for_it() {
    let mut world = World::without_operator().await;
    world.flags = ["--origin-concurrency", "2"].map(String::from).into();
    let virtana = vendor(&world);
    clients(&world, &virtana, 12).await;
    let providers = [provider(&world, &virtana, "one", 8).await, provider(&world, &virtana, "other", 8).await];
    for number in 0..12 {
        world.token(&format!("token-{number}"), &providers[number % 2], &format!("client-{number}")).await;
    }
    world.start_operator().await;
    for number in 0..12 {
        world.ready(&format!("token-{number}")).await;
    }
    assert_eq!(virtana.logins().len(), 12);
    assert_eq!(virtana.peak_in_flight(), 2);
}

#[tokio::test]
async fn thirty_apitokens_with_one_credentials_secret_ask_one_after_another() {
    let mut world = World::without_operator().await;
    let virtana = vendor(&world);
    virtana.script(|script| script.login_latency = Duration::from_millis(300));
    clients(&world, &virtana, 2).await;
    let provider = provider(&world, &virtana, "wide", 32).await;
    for number in 0..30 {
        world.token(&format!("shared-{number}"), &provider, "client-0").await;
    }
    world.token("apart", &provider, "client-1").await;
    world.start_operator().await;
    for number in 0..30 {
        world.ready(&format!("shared-{number}")).await;
    }
    world.ready("apart").await;
    assert_eq!(virtana.logins_of("client-0"), 30, "each ApiToken has a session of its own");
    assert_eq!(virtana.in_flight_peak("client-0"), 1);
    assert_eq!(virtana.peak_in_flight(), 2, "another Secret does not wait for it");
}
