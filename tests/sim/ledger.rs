//! Which logins were due, as somebody tells who sees only the provider and the API server. Where sessions go on for ever
//! and nobody wishes for one, a login is due for a session that there is not yet, that the provider has refused, or whose
//! state nobody can know: its one-time token was sent, or was about to be, and no answer was stored.

use std::collections::BTreeMap;

use apitoken_operator::api::http::Operation;

use crate::{
    check::Violation,
    history::{Asked, Event, History, Meaning},
};

/// What a run has spent on logins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Logins {
    pub made: usize,
    /// The first of an ApiToken, and its repetitions until one works.
    pub first: usize,
    /// Made because nobody can know whether a request has been taken.
    pub unknown: usize,
    /// Made because the provider has refused to refresh the session, or has said that it is about to end.
    pub refused: usize,
    pub not_due: usize,
}

/// Why the next login is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Due {
    #[default]
    First,
    Unknown,
    Refused,
    Not,
}

/// What is known of one session.
#[derive(Debug, Default)]
struct Account {
    due: Due,
    one_time: bool,
    /// A refresh is on its way.
    asked: bool,
    /// What was answered is not stored yet.
    unstored: bool,
    /// Whose intent stands in the session.
    intended_by: Option<usize>,
}

/// The account of a run, with the times of the logins that were not due.
pub fn account(history: &History) -> (Logins, Vec<(i64, String)>) {
    let mut accounts: BTreeMap<&str, Account> = BTreeMap::new();
    let (mut logins, mut not_due) = (Logins::default(), Vec::new());
    for entry in &history.entries {
        match &entry.event {
            Event::Created { token, .. } => drop(accounts.insert(token, Account::default())),
            Event::Asked(asked) => {
                let account = accounts.entry(&asked.token).or_default();
                if let Some(due) = account.ask(asked) {
                    logins.count(due);
                    if due == Due::Not {
                        not_due.push((entry.at, asked.token.clone()));
                    }
                }
            }
            Event::Answered { token, operation, meaning } => {
                accounts.entry(token).or_default().hear(*operation, *meaning);
            }
            Event::Intended { token, process } => accounts.entry(token).or_default().intended_by = Some(*process),
            Event::Wrote { token, what: "session", .. } => accounts.entry(token).or_default().store(),
            // Whatever a process knew and did not store is lost with it.
            Event::Died { .. } => accounts.values_mut().for_each(Account::lose),
            _ => {}
        }
    }
    (logins, not_due)
}

impl Logins {
    fn count(&mut self, due: Due) {
        self.made += 1;
        *match due {
            Due::First => &mut self.first,
            Due::Unknown => &mut self.unknown,
            Due::Refused => &mut self.refused,
            Due::Not => &mut self.not_due,
        } += 1;
    }

    pub fn add(&mut self, more: Self) {
        self.made += more.made;
        self.first += more.first;
        self.unknown += more.unknown;
        self.refused += more.refused;
        self.not_due += more.not_due;
    }
}

impl Account {
    /// For a login: why it is due.
    fn ask(&mut self, asked: &Asked) -> Option<Due> {
        if asked.operation == Operation::Refresh {
            (self.asked, self.one_time) = (true, asked.one_time);
            return None;
        }
        let anothers_intent = self.intended_by.is_some_and(|process| process != asked.process);
        if self.due == Due::Not && (self.asked && self.one_time || anothers_intent) {
            self.due = Due::Unknown;
        }
        self.asked = false;
        Some(self.due)
    }

    fn hear(&mut self, operation: Operation, meaning: Meaning) {
        self.asked = false;
        let refreshed = operation == Operation::Refresh;
        match meaning {
            Meaning::Granted => (self.due, self.unstored) = (Due::Not, true),
            Meaning::LastToken => (self.due, self.unstored) = (Due::Refused, true),
            Meaning::Refused if refreshed => self.due = Due::Refused,
            Meaning::Unclear if refreshed && self.one_time => self.due = Due::Unknown,
            Meaning::Refused | Meaning::Unclear | Meaning::NotNow => {}
        }
    }

    fn store(&mut self) {
        (self.unstored, self.intended_by) = (false, None);
    }

    fn lose(&mut self) {
        let unknown = self.intended_by.is_some() || self.one_time && (self.asked || self.unstored);
        if self.due == Due::Not && (unknown || self.unstored) {
            self.due = Due::Unknown;
        }
        self.asked = false;
    }
}

pub fn i6_no_login_is_made_that_is_not_due(history: &History) -> Vec<Violation> {
    if !history.endless {
        return Vec::new();
    }
    let (_, not_due) = account(history);
    let violation = |(at, token)| Violation { invariant: "I6", at, what: format!("{token}: a login that was not due") };
    not_due.into_iter().map(violation).collect()
}
