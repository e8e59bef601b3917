//! Tenovos: whatever it says about expiry and about the refresh token.

use std::time::Duration;

use serde_json::json;
use testbed::vendors::{
    Rotation, Tenovos, TokenKind, UnrotatedReply,
    tenovos::{EpochOf, EpochUnit},
};

use testbed::reliability::row;

use crate::{
    customers::{TENOVOS_KEY, assert_always_served, printed_preset, refreshed},
    world::{PATIENCE, World},
};

#[tokio::test]
async fn expire_epoch_is_understood_in_milliseconds_with_or_without_a_point_and_in_seconds() {
    let world = World::new().await;
    world.logins().await;
    for (name, unit) in [
        ("milliseconds", EpochUnit::Milliseconds),
        ("float", EpochUnit::MillisecondsFloat),
        ("seconds", EpochUnit::Seconds),
    ] {
        let tenovos = world.tenovos();
        tenovos.script(|script| {
            script.lifetime = Duration::from_secs(3600);
            script.quirks.expire_epoch_unit = unit;
        });
        // Without the JWT's word nothing but expireEpoch is left to read.
        let provider = world
            .copied(name, printed_preset("Tenovos"), &tenovos.base_url(), |spec| {
                spec["http"]["login"]["response"]["expiry"] =
                    json!([{ "epochMilliseconds": { "json": "/session/expireEpoch" } }]);
            })
            .await;
        world.token(name, &provider, "tenovos-login").await;
        let status = world.ready(name).await.status.expect("a status");
        assert_eq!(status.expires_at.map(|at| at.0), given_expiry(&tenovos, TokenKind::Access), "{name}");
    }
}

#[tokio::test]
async fn the_output_expires_with_the_token_that_expires_first_whichever_expire_epoch_speaks_of() {
    let longer = Duration::from_secs(7200);
    let shorter = Duration::from_secs(1800);
    let world = World::new().await;
    world.logins().await;
    for (name, unit, of, id_token_lifetime, first) in [
        ("untold", EpochUnit::Absent, EpochOf::AccessToken, longer, TokenKind::Access),
        ("untold-id", EpochUnit::Absent, EpochOf::IdToken, shorter, TokenKind::Id),
        ("longer-id", EpochUnit::Milliseconds, EpochOf::IdToken, longer, TokenKind::Access),
        ("shorter-id", EpochUnit::Milliseconds, EpochOf::AccessToken, shorter, TokenKind::Id),
    ] {
        let tenovos = world.tenovos();
        tenovos.script(|script| {
            script.lifetime = Duration::from_secs(3600);
            script.quirks.expire_epoch_unit = unit;
            script.quirks.expire_epoch_of = of;
            script.quirks.id_token_lifetime = Some(id_token_lifetime);
        });
        let provider = world.preset_named(name, "Tenovos", &tenovos.base_url()).await;
        world.token(name, &provider, "tenovos-login").await;
        let status = world.ready(name).await.status.expect("a status");
        assert_eq!(status.expires_at.map(|at| at.0), given_expiry(&tenovos, first), "{name}");
    }
}

#[tokio::test]
async fn the_refresh_token_is_kept_where_a_refresh_repeats_or_omits_it_and_replaced_where_it_gives_another() {
    let table = [
        ("repeated", Rotation::Never, UnrotatedReply::Repeated),
        ("absent", Rotation::Never, UnrotatedReply::Absent),
        ("null", Rotation::Never, UnrotatedReply::Null),
        ("empty", Rotation::Never, UnrotatedReply::Empty),
        ("replaced", Rotation::Lenient, UnrotatedReply::Repeated),
        ("one-time", Rotation::ONE_TIME, UnrotatedReply::Repeated),
    ];
    let world = World::new().await;
    world.logins().await;
    let mut vendors = Vec::new();
    for (name, rotation, unrotated) in table {
        let tenovos = world.tenovos();
        tenovos.script(|script| {
            script.quirks.rotation = rotation;
            script.quirks.unrotated = unrotated;
        });
        let provider = world.preset_named(name, "Tenovos", &tenovos.base_url()).await;
        world.early_token(name, &provider, "tenovos-login").await;
        let consumer = world.consumer(name, tenovos.call(&world.ca, TENOVOS_KEY));
        vendors.push((name, rotation, tenovos, consumer));
    }
    for (name, rotation, tenovos, consumer) in vendors {
        tenovos.wait_for("three refreshes", PATIENCE, |all| refreshed(all, 3)).await;
        assert_eq!(tenovos.logins().len(), 1, "{name}: a refresh cost a login");
        presents_the_refresh_token_that_counts(&tenovos, rotation, name);
        tenovos.assert_no_protocol_errors();
        assert_always_served(consumer);
    }
    row(57)
        .injected("refresh replies that repeat, omit, null, empty or replace the refresh token, three refreshes each")
        .holds("kept where none is given, replaced where one is; one login each, no consumer refused");
}

/// Of the token of this kind that the login gave.
fn given_expiry(tenovos: &Tenovos, kind: TokenKind) -> Option<jiff::Timestamp> {
    tenovos.logins()[0].issued.iter().find(|token| token.kind == kind)?.expires_at
}

/// The login's, unless the refresh before gave another.
fn presents_the_refresh_token_that_counts(tenovos: &Tenovos, rotation: Rotation, name: &str) {
    let mut counts = None;
    for exchange in tenovos.logins().iter().chain(&tenovos.refreshes()) {
        if let Some(id) = &counts {
            assert!(exchange.refusal.is_none(), "{name}: {exchange:?}");
            assert!(
                exchange.presented.contains(id),
                "{name}: {id} counts, and this was shown: {:?}",
                exchange.presented
            );
        }
        let given = exchange.issued.iter().find(|token| token.kind == TokenKind::Refresh).map(|token| token.id.clone());
        assert!(
            given.is_none() || counts.is_none() || rotation != Rotation::Never,
            "the story is about another vendor"
        );
        counts = given.or(counts);
    }
}
