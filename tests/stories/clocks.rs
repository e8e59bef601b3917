//! Clocks that jump, stand still or disagree. The operator's own is changed by libfaketime, monotonic time apart: what it
//! sees is what a machine sees that was suspended, or whose clock was set.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tempfile::TempDir;
use testbed::{
    eventually::await_until,
    reliability::{oracles, row},
    vendors::{Operation, Palette},
};

use crate::{
    scene::{ACCOUNT, LOGIN, Scene, text},
    world::{PATIENCE, World},
};

/// Where Debian's packages and others put it.
const PLACES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];
const HOUR: Duration = Duration::from_secs(3600);

/// The operator's wall clock.
pub struct Clock {
    directory: TempDir,
}

impl Clock {
    /// The clock of an operator that is started after this; it goes right at first.
    pub fn of(world: &mut World) -> Self {
        let place = PLACES.iter().find(|place| Path::new(place).exists());
        let library = place.expect("libfaketime is not installed: install Debian's package faketime");
        let clock = Self { directory: tempfile::tempdir().expect("a directory") };
        clock.shift("+0");
        let file = clock.file().to_str().expect("UTF-8").to_owned();
        world.env = [
            ("LD_PRELOAD", *library),
            ("FAKETIME_TIMESTAMP_FILE", &file),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        clock
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("offset")
    }

    /// How far it is off, such as `+1h`. At one stroke: a file that is half written is no offset.
    pub fn shift(&self, offset: &str) {
        let next = self.directory.path().join("next");
        fs::write(&next, offset).expect("writable");
        fs::rename(&next, self.file()).expect("renamed");
    }
}

/// A scene whose operator has a clock of its own.
async fn scene() -> (Scene, Clock) {
    let mut world = World::without_operator().await;
    let clock = Clock::of(&mut world);
    world.start_operator().await;
    (Scene::within(world).await, clock)
}

impl Scene {
    async fn newest_is_out(&self, name: &str) {
        let newest = || self.palette.newest_token(ACCOUNT).map(|(text, _)| text);
        self.world.until_secret(name, "the newest token", |now| text(now, "token") == newest().as_deref()).await;
    }

    async fn passes(&self) -> f64 {
        let passes = self.world.operator().metric("apitoken_reconcile_duration_seconds_count", &[]).await;
        passes.expect("metrics").unwrap_or_default()
    }

    /// Waits until the operator has looked at the clock by itself so often, and returns the passes of that time.
    async fn ticks(&self) -> f64 {
        let before = self.passes().await;
        // Two looks at the wall clock; what spins makes thousands of passes meanwhile.
        tokio::time::sleep(Duration::from_secs(31)).await;
        self.passes().await - before
    }
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_is_noticed_at_its_next_look_and_only_what_has_expired_is_renewed() {
    let (scene, clock) = scene().await;
    scene.palette.script(|script| script.lifetime = HOUR * 24);
    for name in ["resting-0", "resting-1", "resting-2"] {
        scene.issued(name, json!({ "refresh": { "atPercent": 90 } })).await;
    }
    scene.palette.script(|script| script.lifetime = HOUR / 2);
    scene.issued("short", json!({})).await;
    let before = scene.calls();
    // A machine that was suspended finds the others an hour older.
    scene.palette.script(|script| (script.lifetime, script.clock_offset) = (HOUR * 24, SignedDuration::from_hours(1)));
    clock.shift("+1h");
    let jumped = Instant::now();
    scene.palette.wait_for("the renewal of what has expired", PATIENCE, |all| all.len() > before).await;
    let took = jumped.elapsed();
    scene.newest_is_out("short").await;
    assert_eq!(scene.calls(), before + 1, "what was valid was renewed");
    row(63)
        .injected("the wall clock is an hour ahead at one stroke, monotonic time goes on: a machine that was suspended")
        .judged(&oracles::asked(&scene.palette.history()))
        .logins(scene.calls() - 4, 1)
        .took("resumed after an hour, the expired token is asked for", took)
        .holds("noticed at the next look at the wall clock; one call, for the one that has expired");

    scene.palette.script(|script| script.clock_offset = SignedDuration::ZERO);
    clock.shift("+0");
    // Its times were reckoned by a clock that was wrong.
    scene
        .palette
        .wait_for("the token that is of the future to be renewed", PATIENCE, |all| all.len() > before + 1)
        .await;
    let passes = scene.ticks().await;
    assert!(passes < 30.0, "{passes} passes over four ApiTokens after a jump back");
    assert_eq!(scene.calls(), before + 2);
    scene.world.ready("resting-0").await;
    scene.palette.script(|script| script.clock_offset = SignedDuration::from_hours(30 * 24));
    clock.shift("+30d");
    let jumped = Instant::now();
    scene.palette.wait_for("all are renewed", PATIENCE * 2, |all| all.len() >= before + 6).await;
    let all = jumped.elapsed();
    for name in ["resting-0", "resting-1", "resting-2", "short"] {
        scene.world.ready(name).await;
    }
    let calls = scene.calls() - before - 2;
    assert_eq!(calls, 4, "one call for each token that has expired");
    row(62)
        .injected("the wall clock jumps an hour ahead, back, and 30 days ahead, under four ApiTokens")
        .judged(&oracles::asked(&scene.palette.history()))
        .logins(calls, 4)
        .took("30 days ahead, four tokens asked for", all)
        .holds(format!(
            "an hour: 1 call; back: {passes} passes in 31 s and 1 call, for the token that is of the future; 30 days: {calls} calls, one for each"
        ));
}

#[tokio::test]
async fn a_provider_whose_clock_is_off_gives_tokens_that_are_good_for_their_lifetime_by_ours() {
    let world = World::new().await;
    world.credentials(LOGIN, &[("emailId", ACCOUNT), ("password", "correct")]).await;
    let mut told = Vec::new();
    for (name, minutes) in [("ahead", 10), ("behind", -10)] {
        let palette = Palette::start(&world.ca).expect("Palette");
        palette.add_account(ACCOUNT, "correct");
        palette.script(|script| script.clock_offset = SignedDuration::from_mins(minutes));
        let provider = world.preset_named(name, "Palette", &palette.base_url()).await;
        world.token(name, &provider, LOGIN).await;
        let token = world.ready(name).await;
        let expires = token.status.and_then(|status| status.expires_at).expect("an expiry").0;
        let left = expires.duration_since(Timestamp::now()).as_secs();
        // A quarter of an hour by whoever's clock, and the minutes of a busy machine.
        assert!((13 * 60..=15 * 60 + 2).contains(&left), "{name}: {left} s are left of 15 min");
        let labels = format!("ClusterTokenProvider/{provider}");
        let offset = await_until("the metric", PATIENCE, async || {
            let metric = world.operator().metric("apitoken_clock_offset_seconds", &[("provider", &labels)]).await;
            metric.map_err(|error| error.to_string())?.ok_or_else(|| "none".to_owned())
        })
        .await;
        let expected = f64::from(i32::try_from(minutes).expect("few") * 60);
        assert!((offset - expected).abs() < 60.0, "{name}: the metric says {offset}");
        told.push(format!("{minutes} min: {left} s left of 900, the metric says {offset:.0} s"));
        assert_eq!(palette.record().of(Operation::Login).len(), 1);
        palette.assert_no_protocol_errors();
    }
    row(64).injected("providers whose clocks are 10 minutes ahead and behind").holds(told.join("; "));
}

#[tokio::test]
async fn a_probe_of_refused_credentials_to_which_a_vendor_in_trouble_says_nothing_is_one_request_for_all() {
    let (mut scene, clock) = scene().await;
    let logins = || scene.palette.logins_of(ACCOUNT);
    scene.world.edit_secret(LOGIN, &[("password", "wrong")]).await;
    for name in ["one", "two"] {
        scene.world.token_with(name, scene.spec(json!({}))).await;
        scene.world.not_ready(name, "CredentialsRejected").await;
    }
    assert_eq!(logins(), 1);
    scene.palette.script(|script| script.wrong_password_status = 503);
    clock.shift("+61m");
    scene.palette.wait_for("the probe", PATIENCE, |all| all.len() == 2).await;
    let passes = scene.ticks().await;
    assert!(passes < 30.0, "{passes} passes over two ApiTokens whose probe has shown nothing");
    assert_eq!(logins(), 2, "the probe was made by each, or again at once");
    scene.world.stop_operator().await;
    scene.world.start_operator().await;
    scene.world.every_apitoken_was_looked_at(2).await;
    assert_eq!(logins(), 2, "the restart cost a probe");
    clock.shift("+67m");
    scene.palette.wait_for("the next probe", PATIENCE, |all| all.len() == 3).await;
    // Its time is noted by the clock of then.
    await_until("the answer to it is taken in", PATIENCE, async || {
        match scene.world.operator().metric("apitoken_provider_requests_total", &[("operation", "Login")]).await {
            Ok(Some(1.0)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    for name in ["one", "two"] {
        scene.world.not_ready(name, "CredentialsRejected").await;
    }

    // What was refused is right at last.
    scene.palette.add_account(ACCOUNT, "wrong");
    scene.palette.script(|script| script.clock_offset = SignedDuration::from_mins(80));
    clock.shift("+80m");
    for name in ["one", "two"] {
        scene.world.ready(name).await;
    }
    assert_eq!(logins(), 1 + 2 + 2);
    row(47)
        .injected("a wrong password of two ApiTokens; when it is probed an hour later, and after a restart again, the vendor says 503")
        .holds(
            "one attempt and two probes, 5 minutes or more apart, in all; what is right at last is found by the next",
        );
}
