//! Who comes first: the earlier deadline; between equal deadlines namespaces take turns; then who came first.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::TicketId;

/// A ticket's place in the order. The least is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    pub deadline: Timestamp,
    pub round: u64,
    pub id: TicketId,
}

/// Deals out turns. In each round of a deadline every namespace has one ticket at most, and a namespace that comes
/// later joins in the round that is being served: it neither waits behind thousands nor overtakes them all.
#[derive(Default)]
pub(super) struct Rounds {
    by_deadline: BTreeMap<Timestamp, Round>,
}

#[derive(Default)]
struct Round {
    next_of: HashMap<String, u64>,
    served: u64,
    waiting: usize,
}

impl Rounds {
    pub(super) fn deal(&mut self, deadline: Timestamp, namespace: String, id: TicketId) -> Turn {
        let round = self.by_deadline.entry(deadline).or_default();
        round.waiting += 1;
        let mine = round.next_of.get(&namespace).copied().unwrap_or(0).max(round.served);
        round.next_of.insert(namespace, mine + 1);
        Turn { deadline, round: mine, id }
    }

    /// The ticket waits no more; `served` if it was admitted.
    pub(super) fn leave(&mut self, turn: Turn, served: bool) {
        let Some(round) = self.by_deadline.get_mut(&turn.deadline) else { return };
        round.waiting -= 1;
        if served {
            round.served = round.served.max(turn.round);
        }
        if round.waiting == 0 {
            self.by_deadline.remove(&turn.deadline);
        }
    }
}
