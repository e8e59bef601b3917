//! The invariants, each a function over the history of a run. What it finds is a violation, in words.

use std::{collections::BTreeMap, fmt};

use crate::{
    fault::{HOUR, MINUTE, SECOND, clock},
    history::{Asked, Event, History, Inquiry},
    ledger, manners, proofs,
    timeline::{Held, timelines},
};

/// When faults stop, everything is well again within this.
const RECOVERY: i64 = 20 * MINUTE;
/// What reaches people by way of two API calls is there within this.
const REPORTED_WITHIN: i64 = 3 * SECOND;
/// I7, and the way through the API server.
const PROMPT: i64 = 2 * SECOND;
/// Longer than a provider is waited for.
const ON_ITS_WAY: i64 = 30 * SECOND;
/// More requests for one token in a minute are a spin.
const MOST_A_MINUTE: usize = 12;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub invariant: &'static str,
    pub at: i64,
    pub what: String,
}

type Check = fn(&History) -> Vec<Violation>;

pub const INVARIANTS: &[Check] = &[
    i1_no_expired_token_is_exposed,
    i1_no_token_is_said_to_live_longer_than_it_does,
    i2_no_one_time_token_is_presented_twice,
    i2_what_is_presented_is_what_is_stored,
    i3_one_request_at_a_time_for_one_credentials_secret,
    i4_no_older_token_overwrites_a_newer_one,
    i4_every_write_names_a_version,
    i6_refused_passwords_are_not_tried_again,
    i6_no_token_is_asked_for_in_a_spin,
    ledger::i6_no_login_is_made_that_is_not_due,
    i7_nobody_waits_for_anothers_provider,
    i8_all_is_well_when_faults_have_stopped,
    i9_ready_is_never_said_of_an_expired_token,
    manners::i5_no_secret_is_told,
    manners::i10_what_is_not_ours_is_not_touched,
    manners::i11_nothing_is_kept_for_ever,
    i12_nobody_acts_without_the_lease,
    i13_what_is_deleted_stays_deleted,
    no_pass_panics,
    manners::row_9_a_pass_that_panics_waits,
    proofs::i1_no_token_in_use_is_revoked,
    proofs::i1_pods_have_their_time_before_a_revocation,
    proofs::i6_a_token_is_revoked_few_times,
    proofs::i6_probes_keep_their_interval,
    proofs::i8_a_token_that_was_ended_is_found_and_replaced,
];

pub fn violations(history: &History) -> Vec<Violation> {
    INVARIANTS.iter().flat_map(|check| check(history)).collect()
}

fn i1_no_expired_token_is_exposed(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    for (token, line) in timelines(history) {
        for held in &line.held {
            let Some((issue, expired_at)) = held.issue.as_ref().and_then(|issue| Some((issue, issue.expires_at?)))
            else {
                continue;
            };
            if held.until <= expired_at {
                continue;
            }
            let lifetime = expired_at - issue.sent_at;
            let time_enough = (lifetime / 10).max(MINUTE).min(lifetime * 3 / 10);
            let same_clock = history.offset_at(issue.sent_at) == history.offset_at(expired_at);
            let excused = !same_clock || history.was_blocked(&token, expired_at - time_enough, expired_at);
            if !excused {
                let what = format!(
                    "{token}: token {} was still there {} s after its expiry",
                    issue.serial,
                    (held.until - expired_at) / SECOND
                );
                found.push(Violation { invariant: "I1", at: expired_at, what });
            }
        }
    }
    found
}

fn i1_no_token_is_said_to_live_longer_than_it_does(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    for (token, line) in timelines(history) {
        for Held { from, issue, claimed, .. } in &line.held {
            let Some((issue, claimed)) = issue.as_ref().zip(*claimed) else { continue };
            let Some(truth) = issue.expires_at else { continue };
            let offset = history.offset_at(issue.sent_at);
            let jumped = history.offset_at(issue.sent_at - MINUTE) != offset || history.offset_at(*from) != offset;
            if claimed - offset > truth && !jumped {
                let what =
                    format!("{token}: token {} is said to live {} ms too long", issue.serial, claimed - offset - truth);
                found.push(Violation { invariant: "I1", at: *from, what });
            }
        }
    }
    found
}

fn asked(history: &History) -> impl Iterator<Item = (i64, &Asked)> {
    history.entries.iter().filter_map(|entry| match &entry.event {
        Event::Asked(asked) => Some((entry.at, asked)),
        _ => None,
    })
}

fn i2_no_one_time_token_is_presented_twice(history: &History) -> Vec<Violation> {
    let mut seen = BTreeMap::new();
    let mut found = Vec::new();
    for (at, asked) in asked(history).filter(|(_, asked)| asked.one_time) {
        let Some(presented) = &asked.presented else { continue };
        let kept = |before: i64| history.kept(presented, before, at);
        if let Some(before) = seen.insert(presented, at).filter(|before| !kept(*before)) {
            let what = format!("{}: {presented} was presented at {} already", asked.token, clock(before));
            found.push(Violation { invariant: "I2", at, what });
        }
    }
    found
}

fn i2_what_is_presented_is_what_is_stored(history: &History) -> Vec<Violation> {
    let lost = asked(history)
        .filter(|(_, asked)| asked.one_time && asked.presented.is_some() && asked.presented != asked.stored);
    lost.map(|(at, asked)| {
        let what = format!("{}: {:?} was presented, {:?} is stored", asked.token, asked.presented, asked.stored);
        Violation { invariant: "I2", at, what }
    })
    .collect()
}

fn i3_one_request_at_a_time_for_one_credentials_secret(history: &History) -> Vec<Violation> {
    if history.replicas > 1 && !history.elected {
        return Vec::new();
    }
    // What is on its way when somebody deletes the Lease cannot be called back, and whoever leads next is not told of it.
    let deleted = |at: i64| {
        let mut entries = history.entries.iter().filter(|entry| matches!(entry.event, Event::LeaseDeleted));
        entries.any(|entry| entry.at <= at && at - entry.at < ON_ITS_WAY)
    };
    let sent = history.entries.iter().filter_map(|entry| match &entry.event {
        Event::Asked(Asked { token, in_flight, .. }) | Event::Inquired(Inquiry { token, in_flight, .. }) => {
            Some((entry.at, token, *in_flight))
        }
        _ => None,
    });
    let crossed = sent.filter(|(at, _, in_flight)| *in_flight > 0 && !deleted(*at));
    crossed
        .map(|(at, token, in_flight)| {
            let what = format!("{token}: {in_flight} other requests were in flight");
            Violation { invariant: "I3", at, what }
        })
        .collect()
}

fn i4_no_older_token_overwrites_a_newer_one(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    for (token, line) in timelines(history) {
        let mut newest = 0;
        for held in line.held.iter().filter(|held| held.by_us) {
            let Some(issue) = &held.issue else { continue };
            if issue.serial < newest {
                let what = format!("{token}: token {} was written over {newest}", issue.serial);
                found.push(Violation { invariant: "I4", at: held.from, what });
            }
            newest = newest.max(issue.serial);
        }
    }
    found
}

fn i4_every_write_names_a_version(history: &History) -> Vec<Violation> {
    let blind = history.entries.iter().filter_map(|entry| match &entry.event {
        Event::Wrote { token, what, conditional: false } => {
            Some((entry.at, format!("{token}: {what} was written over whatever was there")))
        }
        _ => None,
    });
    blind.map(|(at, what)| Violation { invariant: "I4", at, what }).collect()
}

fn i6_refused_passwords_are_not_tried_again(history: &History) -> Vec<Violation> {
    let mut refused: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    let mut allowances = Vec::new();
    for entry in &history.entries {
        match &entry.event {
            Event::Refused { content, .. } => refused.entry(content).or_default().push(entry.at),
            Event::Waived | Event::Died { .. } => allowances.push(entry.at),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for (content, times) in refused {
        for (count, at) in times.iter().enumerate() {
            let waived = allowances.iter().filter(|waived| **waived >= times[0] - MINUTE && *waived <= at).count();
            // What one replica was told the other does not know without an election.
            if count >= history.replicas * (1 + probes(at - times[0]) + waived) {
                let what = format!("{content} was refused {} times within {}", count + 1, clock(at - times[0]));
                found.push(Violation { invariant: "I6", at: *at, what });
            }
        }
    }
    found
}

/// How many slow probes may have been made: after 1 h, 2 h more, 4 h more, and so on to every 32 h.
fn probes(elapsed: i64) -> usize {
    let (mut wait, mut at, mut count) = (HOUR, HOUR, 0);
    while at <= elapsed + MINUTE {
        count += 1;
        wait = (2 * wait).min(32 * HOUR);
        at += wait;
    }
    count
}

fn i6_no_token_is_asked_for_in_a_spin(history: &History) -> Vec<Violation> {
    let mut times: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for (at, asked) in asked(history) {
        times.entry(&asked.token).or_default().push(at);
    }
    let most = MOST_A_MINUTE * history.replicas;
    let spun = times.into_iter().filter_map(|(token, times)| {
        let spin = times.windows(most + 1).find(|window| window[most] - window[0] < MINUTE)?;
        let what = format!("{token}: {} requests within {} ms", most + 1, spin[most] - spin[0]);
        Some(Violation { invariant: "I6", at: spin[most], what })
    });
    spun.collect()
}

fn i7_nobody_waits_for_anothers_provider(history: &History) -> Vec<Violation> {
    let mut before: BTreeMap<&str, i64> = BTreeMap::new();
    let mut found = Vec::new();
    for (at, asked) in asked(history) {
        let last = before.insert(&asked.token, at).unwrap_or(i64::MIN);
        let Some(due_at) = asked.due_at.filter(|due_at| *due_at > last && *due_at + PROMPT < at) else { continue };
        if !history.was_blocked(&asked.token, due_at - 3 * MINUTE, at) {
            let what = format!("{}: due at {}, asked for {} ms later", asked.token, clock(due_at), at - due_at);
            found.push(Violation { invariant: "I7", at, what });
        }
    }
    found
}

fn i8_all_is_well_when_faults_have_stopped(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    for (token, line) in timelines(history).into_iter().filter(|(_, line)| line.lives) {
        let since = history.asked_to_wait(&token).unwrap_or_default().max(history.healed_at + RECOVERY);
        if since >= history.ends_at {
            continue;
        }
        for held in line.held.iter().filter(|held| held.until > since) {
            let good_until = held.issue.as_ref().map_or(0, |issue| issue.expires_at.unwrap_or(i64::MAX));
            if good_until < held.until {
                let what = format!("{token}: no valid token from {}", clock(good_until.max(held.from).max(since)));
                found.push(Violation { invariant: "I8", at: since, what });
            }
        }
        if !line.held.iter().any(|held| held.until > since) {
            found.push(Violation { invariant: "I8", at: since, what: format!("{token}: there is no output") });
        }
        if line.ready.last().is_none_or(|(_, ready)| !ready) {
            found.push(Violation { invariant: "I8", at: history.ends_at, what: format!("{token}: Ready is not True") });
        }
    }
    found
}

fn i9_ready_is_never_said_of_an_expired_token(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    for (token, line) in timelines(history) {
        for held in &line.held {
            let from = held.claimed.map_or(held.from, |claimed| history.shown_at(claimed, held.from));
            if from == i64::MAX {
                continue;
            }
            let lied = line.ready_between(from + REPORTED_WITHIN, held.until);
            if let Some(at) = lied.filter(|_| !history.was_blind(&token, from - MINUTE, from + REPORTED_WITHIN)) {
                let what = format!("{token}: Ready is True, and its token expired at {}", clock(from));
                found.push(Violation { invariant: "I9", at, what });
            }
        }
    }
    found
}

fn i12_nobody_acts_without_the_lease(history: &History) -> Vec<Violation> {
    let usurped = history.entries.iter().filter_map(|entry| match &entry.event {
        Event::Usurped { process, what } => {
            Some((entry.at, format!("process {process} acts without the Lease: {what}")))
        }
        _ => None,
    });
    usurped.map(|(at, what)| Violation { invariant: "I12", at, what }).collect()
}

fn i13_what_is_deleted_stays_deleted(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    for entry in &history.entries {
        let Event::Resurrected { uid, name } = &entry.event else { continue };
        if !history.was_blocked("", entry.at - MINUTE, entry.at) {
            let what = format!("{name} was made for an ApiToken that is gone ({uid})");
            found.push(Violation { invariant: "I13", at: entry.at, what });
        }
    }
    found
}

fn no_pass_panics(history: &History) -> Vec<Violation> {
    let panicked = history.entries.iter().filter(|entry| matches!(entry.event, Event::Panicked { .. }));
    panicked.map(|entry| Violation { invariant: "panic", at: entry.at, what: "a pass panicked".to_owned() }).collect()
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.invariant, clock(self.at), self.what)
    }
}
