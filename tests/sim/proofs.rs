//! The invariants about tokens that end before their time: what is revoked is not in use, what somebody else has ended
//! is found by the next probe and replaced, and probes are few.

use std::collections::{BTreeMap, BTreeSet};

use apitoken_operator::token::decide::Errand;

use crate::{
    check::Violation,
    fault::{HOUR, MINUTE, SECOND, clock},
    history::{Event, History, Inquiry},
    timeline::{Held, timelines},
};

/// From the moment a new token is out to the revocation of the one before, less a second that timestamps leave out.
const LEFT_TO_PODS: i64 = 5 * MINUTE - SECOND;
/// For one token.
const MOST_REVOCATIONS: usize = 3;
/// Beyond its interval a probe may come later by this, with the renewal that follows it: a token is left alone when it
/// is new, and the gate lets others go first.
const FOUND_WITHIN: i64 = 2 * MINUTE;
/// Six probes in a row have five intervals between them; each may come late, and none early.
const IN_A_ROW: usize = 5;
const LEAST_INTERVALS: i64 = 3;

fn inquiries(history: &History, errand: Errand) -> impl Iterator<Item = (i64, &Inquiry)> {
    history.entries.iter().filter_map(move |entry| match &entry.event {
        Event::Inquired(inquiry) if inquiry.errand == errand => Some((entry.at, inquiry)),
        _ => None,
    })
}

pub fn i1_no_token_in_use_is_revoked(history: &History) -> Vec<Violation> {
    let in_use = history.entries.iter().filter_map(|entry| match &entry.event {
        Event::Revoked { token, serial, exposed: true } => {
            let what = format!("{token}: token {serial} was revoked, and the output holds it");
            Some(Violation { invariant: "I1", at: entry.at, what })
        }
        _ => None,
    });
    in_use.collect()
}

pub fn i1_pods_have_their_time_before_a_revocation(history: &History) -> Vec<Violation> {
    let lines = timelines(history);
    let mut found = Vec::new();
    for (at, inquiry) in inquiries(history, Errand::Revoke) {
        let jumped = history.offset_at(at - LEFT_TO_PODS) != 0 || history.offset_at(at) != 0;
        let Some(line) = lines.get(&inquiry.token).filter(|_| !jumped) else { continue };
        let holds = |held: &&Held| held.issue.as_ref().is_some_and(|issue| issue.serial == inquiry.about);
        let Some(left) = line.held.iter().rev().find(|held| holds(held) && held.from <= at) else { continue };
        if at < left.until + LEFT_TO_PODS {
            let what = format!(
                "{}: token {} was revoked {} s after the output held it",
                inquiry.token,
                inquiry.about,
                (at - left.until) / SECOND
            );
            found.push(Violation { invariant: "I1", at, what });
        }
    }
    found
}

pub fn i6_a_token_is_revoked_few_times(history: &History) -> Vec<Violation> {
    let mut times: BTreeMap<(usize, u64), usize> = BTreeMap::new();
    let mut found = Vec::new();
    for (at, inquiry) in inquiries(history, Errand::Revoke) {
        let count = times.entry((inquiry.process, inquiry.about)).or_default();
        *count += 1;
        // What a call that failed has kept out of the session is not counted there.
        if *count > MOST_REVOCATIONS && !history.was_blocked(&inquiry.token, at - 10 * MINUTE, at) {
            let what = format!("{}: token {} was revoked {count} times", inquiry.token, inquiry.about);
            found.push(Violation { invariant: "I6", at, what });
        }
    }
    found
}

pub fn i6_probes_keep_their_interval(history: &History) -> Vec<Violation> {
    let mut times: BTreeMap<(usize, &str), Vec<(i64, &Inquiry)>> = BTreeMap::new();
    for (at, inquiry) in inquiries(history, Errand::Probe) {
        times.entry((inquiry.process, &inquiry.uid)).or_default().push((at, inquiry));
    }
    let mut found = Vec::new();
    for window in times.values().flat_map(|times| times.windows(IN_A_ROW + 1)) {
        let ((first, inquiry), (last, _)) = (window[0], window[IN_A_ROW]);
        let interval = history.probes[inquiry.provider].unwrap_or(i64::MAX / LEAST_INTERVALS);
        let jumped = history.offset_at(first) != history.offset_at(last);
        // A pass that failed asks again, not knowing that it has asked.
        let excused = jumped || history.was_blocked(&inquiry.token, first, last);
        if last - first < LEAST_INTERVALS * interval && !excused {
            let what = format!("{}: {} probes within {}", inquiry.token, window.len(), clock(last - first));
            found.push(Violation { invariant: "I6", at: last, what });
        }
    }
    found
}

/// A probe: when it had ended, of which token, and whether that is good, as far as it shows.
type Proof = (i64, u64, Option<bool>);

/// What is known of ended tokens, and of the probes that found out.
struct Ends<'a> {
    history: &'a History,
    /// When each token was ended, by its serial.
    ended: BTreeMap<u64, i64>,
    /// By the ApiToken.
    proofs: BTreeMap<&'a str, Vec<Proof>>,
}

impl<'a> Ends<'a> {
    fn of(history: &'a History) -> Self {
        let (mut ended, mut proofs) = (BTreeMap::new(), BTreeMap::<_, Vec<_>>::new());
        for entry in &history.entries {
            let serials = match &entry.event {
                Event::Ended { serials } => serials.as_slice(),
                Event::Revoked { serial, .. } => std::slice::from_ref(serial),
                Event::Proved { token, about, good } => {
                    proofs.entry(token.as_str()).or_default().push((entry.at, *about, *good));
                    continue;
                }
                _ => continue,
            };
            for serial in serials {
                ended.entry(*serial).or_insert(entry.at);
            }
        }
        Self { history, ended, proofs }
    }

    /// Renewals that a probe asks for keep pauses that double while the provider refuses one token after the other.
    fn pause(&self, token: &str, at: i64, interval: i64) -> i64 {
        let before =
            self.proofs.get(token).into_iter().flatten().filter(|(then, _, good)| *then <= at && *good == Some(false));
        let refused: BTreeSet<_> = before.map(|(_, about, _)| about).collect();
        let doublings = u32::try_from(refused.len()).unwrap().checked_sub(2);
        doublings.map_or(0, |doublings| (interval.max(10 * MINUTE) << doublings.min(16)).min(24 * HOUR))
    }

    /// What of a token's probes is an excuse, and until when: one that proves nothing, and the first that was refused.
    fn excuses(&self, token: &str, serial: u64, interval: i64) -> Vec<(i64, i64)> {
        let mut known = false;
        let of_token = self.proofs.get(token).into_iter().flatten().filter(|(_, about, _)| *about == serial);
        let excuses = of_token.filter_map(|(at, _, good)| match good {
            None => Some((*at, *at)),
            Some(false) if !std::mem::replace(&mut known, true) => Some((*at, at + self.pause(token, *at, interval))),
            Some(_) => None,
        });
        excuses.collect()
    }

    /// By when a token that is ended at `since` must be out of the output, as far as is known at `until`.
    fn due_by(&self, (token, serial): (&str, u64), interval: i64, since: i64, until: i64) -> i64 {
        let excuses = self.excuses(token, serial, interval);
        let mut excused = since;
        loop {
            let due_by = excused.saturating_add(interval + FOUND_WITHIN);
            let known = due_by.min(until);
            let proofs = excuses.iter().filter(|(at, _)| *at > since && *at <= known).map(|(_, excused)| *excused);
            let blocks = self.history.blocked_until(token, since - 3 * MINUTE, known);
            let next = proofs.chain(blocks).max().unwrap_or(since);
            if next <= excused {
                return due_by;
            }
            excused = next;
        }
    }
}

pub fn i8_a_token_that_was_ended_is_found_and_replaced(history: &History) -> Vec<Violation> {
    let ends = Ends::of(history);
    let mut found = Vec::new();
    for (token, line) in timelines(history) {
        let Some(interval) = history.providers.get(&token).and_then(|provider| history.probes[*provider]) else {
            continue;
        };
        for held in &line.held {
            let Some(issue) = &held.issue else { continue };
            let Some(ended_at) = ends.ended.get(&issue.serial) else { continue };
            let since = held.from.max(*ended_at);
            if ends.due_by((&token, issue.serial), interval, since, held.until) < held.until {
                let what = format!(
                    "{token}: token {} was ended at {} and is there until {}",
                    issue.serial,
                    clock(since),
                    clock(held.until)
                );
                found.push(Violation { invariant: "I8", at: since, what });
            }
        }
    }
    found
}
