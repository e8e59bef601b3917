//! What was said of a token a short while ago. Bounded, and keyed by digests. Asks nobody.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::Verdict;

/// A right that was withdrawn is still honoured for this long. Prometheus scrapes once or twice in that time.
const ALLOWED_FOR: Duration = Duration::from_secs(60);
/// A right that was just granted is seen after this long.
const REFUSED_FOR: Duration = Duration::from_secs(10);
/// More scrapers than a cluster has.
const MOST: usize = 64;

/// Verdicts by the digest of the token.
#[derive(Debug, Default)]
pub(super) struct Verdicts(HashMap<[u8; 32], (Verdict, Instant)>);

impl Verdicts {
    pub(super) fn get(&self, token: &[u8; 32], now: Instant) -> Option<Verdict> {
        self.0.get(token).filter(|(_, until)| now < *until).map(|(verdict, _)| *verdict)
    }

    pub(super) fn put(&mut self, token: [u8; 32], verdict: Verdict, now: Instant) {
        self.0.retain(|_, (_, until)| now < *until);
        // Refusals end first, so whoever tries many tokens pushes out his own before anybody's who may read.
        if self.0.len() >= MOST
            && let Some(first) = self.0.iter().min_by_key(|(_, (_, until))| *until).map(|(token, _)| *token)
        {
            self.0.remove(&first);
        }
        let lasts = if verdict == Verdict::Allowed { ALLOWED_FOR } else { REFUSED_FOR };
        self.0.insert(token, (verdict, now + lasts));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(n: u8) -> [u8; 32] {
        [n; 32]
    }

    #[test]
    fn a_verdict_is_forgotten_in_its_time_and_a_refusal_before_a_permission() {
        let (mut verdicts, now) = (Verdicts::default(), Instant::now());
        verdicts.put(token(1), Verdict::Allowed, now);
        verdicts.put(token(2), Verdict::Forbidden, now);
        verdicts.put(token(3), Verdict::Unknown, now);
        let told = |at| [1, 2, 3].map(|n| verdicts.get(&token(n), at));
        assert_eq!(told(now), [Some(Verdict::Allowed), Some(Verdict::Forbidden), Some(Verdict::Unknown)]);
        assert_eq!(told(now + REFUSED_FOR), [Some(Verdict::Allowed), None, None]);
        assert_eq!(told(now + ALLOWED_FOR), [None; 3]);
    }

    #[test]
    fn thousands_of_tried_tokens_neither_grow_memory_nor_push_out_who_may_read() {
        let (mut verdicts, now) = (Verdicts::default(), Instant::now());
        verdicts.put([255; 32], Verdict::Allowed, now);
        for n in 0..10_000_u32 {
            let mut tried = [0; 32];
            tried[..4].copy_from_slice(&n.to_le_bytes());
            verdicts.put(tried, Verdict::Unknown, now + Duration::from_millis(n.into()) / 1000);
        }
        assert_eq!(verdicts.0.len(), MOST);
        assert_eq!(verdicts.get(&[255; 32], now), Some(Verdict::Allowed));
    }
}
