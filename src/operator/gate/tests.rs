//! Stories of the gate, with Tokio's clock stopped: it jumps to the next timer when nobody has anything to do.

use futures::{FutureExt, future::join_all};
use jiff::Timestamp;

use super::*;
use crate::provider::definition::{Limits, Origin, Scheme};

const WIDE: OriginLimits = OriginLimits { requests_per_second: 100_000, concurrency: 100_000 };

fn ask(provider: &str) -> Ask {
    Ask {
        provider: provider.to_owned(),
        origin: Origin { scheme: Scheme::Https, host: provider.to_owned(), port: 443 },
        limits: Limits { requests_per_second: 10, burst: 2, concurrency: 4, timeout: Duration::from_secs(30) },
        namespace: "web".to_owned(),
        deadline: Timestamp::UNIX_EPOCH,
        locks: Vec::new(),
    }
}

fn locked(provider: &str) -> Ask {
    Ask { locks: vec!["web/login".to_owned()], ..ask(provider) }
}

#[tokio::test(start_paused = true)]
async fn who_has_to_wait_for_the_rate_is_called_by_the_timer() {
    let gate = Gate::new(WIDE);
    let start = Instant::now();
    join_all((0..12).map(|_| async { drop(gate.admit(ask("a")).await) })).await;
    // Two at once, ten at ten a second. Tokio's timer counts in milliseconds and is late rather than early.
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_millis(1_100), "{took:?}");
    assert_eq!(gate.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_is_dropped_lets_the_next_one_in() {
    let gate = Gate::new(WIDE);
    let first = gate.admit(locked("a")).await;
    let mut second = Box::pin(gate.admit(locked("b")));
    assert!(second.as_mut().now_or_never().is_none());
    assert_eq!(gate.waiting_by_provider(), BTreeMap::from([("b".to_owned(), 1)]));
    drop(first);
    assert!(second.now_or_never().is_some(), "without any time passing");
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_waiting_leaves_nothing_behind() {
    let gate = Gate::new(WIDE);
    let holder = gate.admit(locked("a")).await;
    let mut cancelled = Box::pin(gate.admit(locked("a")));
    assert!(cancelled.as_mut().now_or_never().is_none());
    drop(cancelled);
    assert_eq!((gate.waiting(), gate.waiting_by_provider()), (0, BTreeMap::new()));

    let mut called_and_cancelled = Box::pin(gate.admit(locked("a")));
    assert!(called_and_cancelled.as_mut().now_or_never().is_none());
    drop(holder);
    drop(called_and_cancelled);
    let next = tokio::time::timeout(Duration::from_secs(60), gate.admit(locked("a"))).await;
    assert!(next.is_ok(), "the lock stayed with one that is gone");
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_one_provider_is_a_pause_of_that_provider_alone() {
    let gate = Gate::new(WIDE);
    drop(gate.admit(ask("a")).await);
    let wait = Some(Duration::from_secs(30));
    assert!(!gate.rate_limited("a", "first", wait));
    assert!(gate.rate_limited("a", "second", wait));
    assert!(gate.admit(ask("b")).now_or_never().is_some());
    let start = Instant::now();
    drop(gate.admit(ask("a")).await);
    assert!(start.elapsed() >= Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn an_earlier_timer_replaces_a_later_one() {
    let gate = Gate::new(WIDE);
    let slow = Ask { limits: Limits { requests_per_second: 1, burst: 1, ..ask("slow").limits }, ..ask("slow") };
    drop(gate.admit(slow.clone()).await);
    let mut waits_long = Box::pin(gate.admit(slow));
    assert!(waits_long.as_mut().now_or_never().is_none());
    tokio::task::yield_now().await;
    let start = Instant::now();
    for _ in 0..3 {
        drop(gate.admit(ask("quick")).await);
    }
    assert!(start.elapsed() < Duration::from_millis(200), "the timer of the slow provider was in the way");
}

#[tokio::test(start_paused = true)]
async fn the_timer_task_ends_with_the_gate() {
    let gate = Gate::new(WIDE);
    let shared = Arc::downgrade(&gate.shared);
    let timer_changed = Arc::downgrade(&gate.shared.timer_changed);
    tokio::task::yield_now().await;
    drop(gate);
    assert!(shared.upgrade().is_none());
    tokio::task::yield_now().await;
    assert!(timer_changed.upgrade().is_none(), "the task still holds it");
}
