//! A provider that is away when the token is due.

use std::{collections::BTreeMap, time::Duration};

use apitoken_operator::api::ApiToken;
use serde_json::json;
use testbed::vendors::{Exchange, Operation};

use testbed::reliability::{oracles, row};

use crate::world::{World, ready};

#[tokio::test]
async fn a_token_whose_provider_is_down_stays_ready_until_it_expires_and_recovers_with_the_provider() {
    let world = World::new().await;
    world.logins().await;
    let (palette, tenovos) = (world.palette(), world.tenovos());
    palette.script(|script| script.lifetime = Duration::from_secs(20));
    tenovos.script(|script| script.lifetime = Duration::from_secs(20));
    for (name, preset, url, credentials) in [
        ("clusters", "Palette", palette.base_url(), "palette-login"),
        ("assets", "Tenovos", tenovos.base_url(), "tenovos-login"),
    ] {
        let provider = world.preset(preset, &url).await;
        // Due after 15 to 17 s of 20: long enough to be looked at, and too short for many attempts.
        let spec = json!({
            "providerRef": { "name": provider },
            "credentialsRef": { "name": credentials },
            "refresh": { "atPercent": 85 },
        });
        world.token_with(name, spec).await;
    }
    let before = [world.ready("clusters").await, world.ready("assets").await];
    let content = [world.all_data("clusters").await, world.all_data("assets").await];
    palette.stop();
    tenovos.stop();

    for (token, content) in before.iter().zip(&content) {
        stays_ready_with_the_old_token_while_renewing_fails(&world, token, content.as_ref()).await;
    }
    for token in &before {
        turns_false_when_the_token_expires_and_not_before(&world, token).await;
    }
    palette.restart().expect("Palette is back");
    tenovos.restart().expect("Tenovos is back");
    for token in &before {
        let name = token.metadata.name.as_deref().expect("a name");
        let token = world.ready(name).await;
        assert!(token.status.expect("a status").failures.is_none(), "what is over is no failure");
    }
    assert_ne!([world.all_data("clusters").await, world.all_data("assets").await], content);

    // Palette refreshes with the token itself, which has expired; Tenovos has a refresh token for this.
    assert_eq!(operations(&palette.history())[..2], [Operation::Login, Operation::Login]);
    assert_eq!(operations(&tenovos.history())[..2], [Operation::Login, Operation::Refresh]);
    row(36)
        .injected("two vendors refuse connections until their tokens have expired")
        .judged(&oracles::asked(&palette.history()))
        .judged(&oracles::asked(&tenovos.history()))
        .holds("Ready with the old token until the second it expires, then TokenExpired; recovers by itself");
}

async fn stays_ready_with_the_old_token_while_renewing_fails(
    world: &World,
    before: &ApiToken,
    content: Option<&BTreeMap<String, String>>,
) {
    let name = before.metadata.name.as_deref().expect("a name");
    let failing = world
        .until(name, "a failed renewal", |token| token.status.as_ref().is_some_and(|status| status.failures.is_some()))
        .await;
    let condition = ready(&failing).expect("Ready");
    assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("True", "Issued"), "{}", condition.message);
    assert!(condition.message.contains("holds a valid token, but the last attempt failed"), "{}", condition.message);
    assert_eq!(world.all_data(name).await.as_ref(), content, "the old token stays");
}

async fn turns_false_when_the_token_expires_and_not_before(world: &World, before: &ApiToken) {
    let expiry = before.status.as_ref().and_then(|status| status.expires_at.clone()).expect("an expiry");
    let name = before.metadata.name.as_deref().expect("a name");
    let expired = world.not_ready(name, "TokenExpired").await;
    let condition = ready(&expired).expect("Ready");
    assert!(condition.last_transition_time >= expiry, "{:?} is before {expiry:?}", condition.last_transition_time);
    let since = format!("the token expired at {}", expiry.0);
    assert!(condition.message.contains(&since), "{:?} does not say: {since}", condition.message);
    assert!(condition.message.contains("ProviderUnavailable"), "{:?} does not say why", condition.message);
}

fn operations(exchanges: &[Exchange]) -> Vec<Operation> {
    exchanges.iter().map(|exchange| exchange.operation).collect()
}
