//! What happened in a run, as outsiders saw it: the providers, the API server, and who broke what. Times are true
//! milliseconds from the beginning.

use std::fmt;

use apitoken_operator::{api::http::Operation, token::decide::Errand};

use crate::fault::clock;

/// An access token, as its provider knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Counts all tokens of all providers: a larger one is newer.
    pub serial: u64,
    pub sent_at: i64,
    /// `None`: the provider did not say anything that could be held against anybody.
    pub expires_at: Option<i64>,
}

#[derive(Clone, Debug)]
#[expect(dead_code, reason = "all of it is told in the trace of a failing run")]
pub enum Event {
    /// A request left a process for a provider.
    Asked(Asked),
    /// A process heard the provider's answer.
    Answered {
        token: String,
        operation: Operation,
        meaning: Meaning,
    },
    /// A provider has asked to be left alone for longer than a minute.
    AskedToWait {
        provider: usize,
        until: i64,
    },
    /// A request about a token left a process.
    Inquired(Inquiry),
    /// A probe of this token has ended; `None`: it proves nothing.
    Proved {
        token: String,
        about: u64,
        good: Option<bool>,
    },
    /// A provider has ended this token because it was asked to.
    Revoked {
        token: String,
        serial: u64,
        /// The output of the ApiToken for which it was asked holds it.
        exposed: bool,
    },
    /// Somebody else has ended these tokens.
    Ended {
        serials: Vec<u64>,
    },
    /// The intent to ask was stored.
    Intended {
        token: String,
        process: usize,
    },
    /// A login with a wrong password was answered, and the process lived to see it.
    Refused {
        content: String,
    },
    /// This refresh token goes on: the provider gave no other.
    Kept {
        refresh_token: String,
    },
    /// Values that nobody has tried yet, an edit, or a request: another attempt is somebody's wish.
    Waived,
    /// The output holds this now; `None`: it is gone, or holds no token of ours.
    Output {
        token: String,
        by_us: bool,
        issue: Option<Issue>,
        claimed: Option<i64>,
    },
    /// The session or the status was written by a process.
    Wrote {
        token: String,
        what: &'static str,
        conditional: bool,
    },
    /// A write or request of a process that was not the leader any more; what it was.
    Usurped {
        process: usize,
        what: String,
    },
    /// A secret stood where none may stand.
    Leaked {
        place: String,
    },
    /// A process wrote to what is not ours.
    Touched {
        name: String,
    },
    /// A line of the log that tells of a bug.
    Complained {
        line: String,
    },
    /// `Ready` as it stands in the status.
    Ready {
        token: String,
        ready: bool,
    },
    Created {
        token: String,
        uid: String,
    },
    Deleted {
        token: String,
        uid: String,
    },
    /// A Secret of a deleted ApiToken is still, or again, there.
    Resurrected {
        uid: String,
        name: String,
    },
    /// Something is wrong for these until it is not: what could not be kept then is excused.
    Blocked {
        scope: Scope,
        until: i64,
        how: How,
    },
    /// The operator's clock is ahead of true time by this.
    Clock {
        offset: i64,
    },
    Panicked {
        process: usize,
    },
    /// Somebody deleted the Lease.
    LeaseDeleted,
    Died {
        process: usize,
    },
    Mended,
}

#[derive(Clone, Debug)]
#[expect(dead_code, reason = "all of it is told in the trace of a failing run")]
pub struct Asked {
    pub process: usize,
    pub token: String,
    pub provider: usize,
    pub operation: Operation,
    /// Names the values of the credentials.
    pub content: String,
    /// The refresh token that was presented.
    pub presented: Option<String>,
    /// The one that the stored session held at that moment.
    pub stored: Option<String>,
    pub one_time: bool,
    /// Others in flight, of processes that are alive, with the same credentials Secret.
    pub in_flight: usize,
    /// When the stored session said that it was due, in true milliseconds.
    pub due_at: Option<i64>,
}

/// A request about a token that brings none.
#[derive(Clone, Debug)]
pub struct Inquiry {
    pub process: usize,
    pub token: String,
    pub uid: String,
    pub provider: usize,
    pub errand: Errand,
    /// The serial of the token.
    pub about: u64,
    /// As of [`Asked`].
    pub in_flight: usize,
}

/// What an answer says of the session, by the tables of what a provider can mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It goes on, and can be refreshed.
    Granted,
    /// There is a token, and nothing that it could be refreshed with; or so little life in it that the session must be
    /// about to end.
    LastToken,
    Refused,
    /// Later, and with the same refresh token.
    NotNow,
    /// A failure that does not say whether a one-time token was taken before it.
    Unclear,
}

/// What is excused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The provider or the credentials: there may be no new token, but what is said of the old one must be true.
    NoToken,
    /// The operator itself, the API server, a clock, or somebody else's edit: nothing can be known or said.
    Blind,
}

/// Whom something concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    All,
    Provider(usize),
    Token(String),
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub at: i64,
    pub event: Event,
}

/// Which tokens there were and who their provider is.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub entries: Vec<Entry>,
    /// By the token's name.
    pub providers: std::collections::BTreeMap<String, usize>,
    /// How often each provider is probed, in milliseconds.
    pub probes: Vec<Option<i64>>,
    pub elected: bool,
    pub replicas: usize,
    /// Sessions go on for ever, and nobody wishes for a login: see `ledger`.
    pub endless: bool,
    pub healed_at: i64,
    pub ends_at: i64,
    pub blocks: Vec<(i64, i64, Scope, How)>,
    pub clocks: Vec<(i64, i64)>,
    /// Tasks that ran at the end, when nothing had gone wrong for long.
    pub tasks: usize,
    /// What processes held on to at the end though nobody waited for it any more.
    pub kept: Vec<String>,
}

impl History {
    /// Puts what is looked up often where it is found quickly. Once, at the end of the run.
    pub fn sort_out(&mut self) {
        for Entry { at, event } in &self.entries {
            match event {
                Event::Blocked { scope, until, how } => self.blocks.push((*at, *until, scope.clone(), *how)),
                Event::Clock { offset } => self.clocks.push((*at, *offset)),
                _ => {}
            }
        }
    }

    fn concerns(&self, scope: &Scope, token: &str) -> bool {
        match scope {
            Scope::All => true,
            Scope::Provider(provider) => self.providers.get(token) == Some(provider),
            Scope::Token(name) => name == token,
        }
    }

    /// Whether something was wrong for a token at any time from `from` to `to`.
    pub fn was_blocked(&self, token: &str, from: i64, to: i64) -> bool {
        self.blocks.iter().any(|(at, until, scope, _)| *at <= to && *until >= from && self.concerns(scope, token))
    }

    /// Until when something was wrong for a token that was so at any time from `from` to `to`.
    pub fn blocked_until(&self, token: &str, from: i64, to: i64) -> Option<i64> {
        let blocks = self
            .blocks
            .iter()
            .filter(|(at, until, scope, _)| *at <= to && *until >= from && self.concerns(scope, token));
        blocks.map(|(_, until, ..)| *until).max()
    }

    /// Until when the provider of a token has asked to be left alone.
    pub fn asked_to_wait(&self, token: &str) -> Option<i64> {
        let asked = self.entries.iter().filter_map(|entry| match &entry.event {
            Event::AskedToWait { provider, until } if self.providers.get(token) == Some(provider) => Some(*until),
            _ => None,
        });
        asked.max()
    }

    /// Whether nothing could be known of a token, or said, at any time from `from` to `to`.
    pub fn was_blind(&self, token: &str, from: i64, to: i64) -> bool {
        let blind = self.blocks.iter().filter(|(.., how)| *how == How::Blind);
        blind.into_iter().any(|(at, until, scope, _)| *at <= to && *until >= from && self.concerns(scope, token))
    }

    /// Whether the provider said between two times that this refresh token goes on.
    pub fn kept(&self, token: &str, from: i64, to: i64) -> bool {
        self.entries.iter().any(|entry| match &entry.event {
            Event::Kept { refresh_token } => entry.at >= from && entry.at <= to && refresh_token == token,
            _ => false,
        })
    }

    /// How far the operator's clock was ahead at a true time.
    pub fn offset_at(&self, at: i64) -> i64 {
        self.clocks.iter().take_while(|(from, _)| *from <= at).last().map_or(0, |(_, offset)| *offset)
    }

    /// The first true time from `from` on at which the operator's clock showed `wanted` or later.
    pub fn shown_at(&self, wanted: i64, from: i64) -> i64 {
        let mut until = i64::MAX;
        let mut shown = i64::MAX;
        for (begun, offset) in self.clocks.iter().rev() {
            let at = (wanted - offset).max(*begun).max(from);
            if until > from && at < until {
                shown = at;
            }
            until = *begun;
        }
        shown
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", clock(self.at), self.event)
    }
}
