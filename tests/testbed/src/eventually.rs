//! Waiting for a condition instead of for a time.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

/// Short enough that a test does not notice, long enough that two cores have time for what is awaited.
const INTERVAL: Duration = Duration::from_millis(10);

/// Asks `probe` again and again until it answers `Ok`, and returns that answer.
///
/// An `Err` is an observation, the reason why it is not yet so; the last one is shown when time is up.
///
/// # Panics
/// After `timeout`, with `what` was awaited and the last observation.
pub async fn await_until<T, O: Display>(what: &str, timeout: Duration, probe: impl AsyncFnMut() -> Result<T, O>) -> T {
    match poll_until(timeout, probe).await {
        Ok(answer) => answer,
        Err(last) => panic!("waited {timeout:?} in vain for {what}; last seen: {last}"),
    }
}

/// As [`await_until`], but time that is up is an answer too: the last observation.
pub(crate) async fn poll_until<T, O: Display>(
    timeout: Duration,
    mut probe: impl AsyncFnMut() -> Result<T, O>,
) -> Result<T, String> {
    let deadline = Instant::now() + timeout;
    let mut last = String::from("nothing, the first look did not end");
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, probe()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(observation)) => last = observation.to_string(),
            Err(_) => return Err(last),
        }
        if Instant::now() >= deadline {
            return Err(last);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_answer_is_that_of_the_first_look_that_succeeds() {
        let mut looks = 0;
        let answer = await_until("the third look", Duration::from_secs(5), async || {
            looks += 1;
            if looks == 3 { Ok("there") } else { Err(format!("only look {looks}")) }
        });
        assert_eq!(answer.await, "there");
        assert_eq!(looks, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "in vain for rain; last seen: a blue sky")]
    async fn time_that_is_up_tells_what_was_awaited_and_what_was_seen() {
        await_until("rain", Duration::from_millis(30), async || Err::<(), _>("a blue sky")).await;
    }

    #[tokio::test]
    async fn a_look_that_hangs_does_not_outlive_the_timeout() {
        let look = async || std::future::pending::<Result<(), String>>().await;
        let last = poll_until(Duration::from_millis(30), look).await;
        assert_eq!(last, Err("nothing, the first look did not end".into()));
    }
}
