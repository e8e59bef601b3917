//! Tickets on their way: from their lane's queue to a lock and back, and out.

use std::{mem, sync::Arc, time::Instant};

use super::{Admission, LaneId, Place, Ticket, TicketId, Wake, lane::Listing, order::Turn};
use crate::provider::definition::Origin;

impl Admission {
    /// The origins at which something may go, the one with the earliest deadline first: for a lock that is wanted at
    /// two of them.
    pub(super) fn changed_by_deadline(&mut self) -> Vec<Arc<Origin>> {
        let mut changed: Vec<_> = mem::take(&mut self.changed).into_iter().collect();
        changed.sort_by_key(|origin| self.origins.get(origin).and_then(|at| at.candidates.first().copied()));
        changed
    }

    /// Enters a lane where it belongs after something about it changed.
    pub(super) fn relist(&mut self, id: LaneId, now: Instant) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let Some(at) = self.origins.get_mut(&lane.origin) else { return };
        match mem::replace(&mut lane.listing, Listing::Nowhere) {
            Listing::Nowhere => {}
            Listing::Candidate(turn) => {
                at.candidates.remove(&(turn, id));
            }
            Listing::Timer(instant) => {
                self.timers.remove(&(instant, Wake::Lane(id)));
            }
        }
        let paused_until = self.providers.get(&lane.provider).and_then(|provider| provider.paused_until);
        let from = paused_until.map_or(now, |until| until.max(now));
        lane.adjust(from, now);
        let has_room = lane.in_flight < lane.allowed.concurrency;
        let Some(first) = lane.queue.first().copied().filter(|_| has_room) else { return };
        let ready_at = lane.bucket.ready_at(lane.allowed.rate, now).max(from);
        if ready_at > now {
            lane.listing = Listing::Timer(ready_at);
            self.timers.insert((ready_at, Wake::Lane(id)));
        } else {
            lane.listing = Listing::Candidate(first);
            at.candidates.insert((first, id));
            self.changed.insert(Arc::clone(&lane.origin));
        }
    }

    pub(super) fn admit_at(&mut self, origin: &Arc<Origin>, now: Instant, admitted: &mut Vec<TicketId>) {
        while let Some((turn, lane)) = self.next_at(origin, now) {
            #[cfg(test)]
            {
                self.looked_at += 1;
            }
            let blocked = self.tickets.get(&turn.id).and_then(|ticket| self.locks.first_held(&ticket.locks).cloned());
            if let Some(key) = blocked {
                self.park(turn.id, &key, now);
            } else {
                self.admit(turn.id, now);
                admitted.push(turn.id);
            }
            self.relist(lane, now);
        }
    }

    /// The first candidate of an origin that has room for one.
    fn next_at(&mut self, origin: &Arc<Origin>, now: Instant) -> Option<(Turn, LaneId)> {
        let at = self.origins.get_mut(origin)?;
        let first = *at.candidates.first()?;
        if at.in_flight >= self.origin_concurrency {
            return None;
        }
        let ready_at = at.bucket.ready_at(self.origin_rate, now);
        if ready_at <= now {
            return Some(first);
        }
        if at.timer.is_none() {
            at.timer = Some(ready_at);
            self.timers.insert((ready_at, Wake::Origin(Arc::clone(origin))));
        }
        None
    }

    fn admit(&mut self, id: TicketId, now: Instant) {
        let Some(ticket) = self.tickets.get_mut(&id) else { return };
        ticket.place = Place::Admitted;
        self.locks.hold(&ticket.locks);
        let Some(lane) = self.lanes.get_mut(&ticket.lane) else { return };
        lane.queue.remove(&ticket.turn);
        lane.rounds.leave(ticket.turn, true);
        lane.in_flight += 1;
        lane.bucket.take(lane.allowed.rate, now);
        if let Some(at) = self.origins.get_mut(&lane.origin) {
            at.in_flight += 1;
            at.bucket.take(self.origin_rate, now);
        }
    }

    fn park(&mut self, id: TicketId, key: &Arc<str>, now: Instant) {
        let Some(ticket) = self.tickets.get_mut(&id) else { return };
        let (lane_id, turn) = (ticket.lane, ticket.turn);
        let before = mem::replace(&mut ticket.place, Place::Parked(Arc::clone(key)));
        self.locks.wait(key, lane_id, turn);
        if let Some(lane) = self.lanes.get_mut(&lane_id) {
            lane.queue.remove(&turn);
            lane.parked += 1;
        }
        if let Place::Queued { woken_by } = before {
            self.hand_on(woken_by, lane_id, now);
        }
    }

    /// A ticket that a free lock had called does not take it after all: the next one of its lane is called.
    pub(super) fn hand_on(&mut self, lock: Option<Arc<str>>, lane: LaneId, now: Instant) {
        if let Some(key) = lock.filter(|key| !self.locks.is_held(key)) {
            self.call_waiter(&key, lane, now);
        }
    }

    fn call_waiter(&mut self, key: &Arc<str>, lane_id: LaneId, now: Instant) {
        let Some(turn) = self.locks.first_waiter(key, lane_id) else { return };
        if let Some(ticket) = self.tickets.get_mut(&turn.id) {
            ticket.place = Place::Queued { woken_by: Some(Arc::clone(key)) };
        }
        if let Some(lane) = self.lanes.get_mut(&lane_id) {
            lane.parked -= 1;
            lane.queue.insert(turn);
        }
        self.relist(lane_id, now);
    }

    pub(super) fn release(&mut self, ticket: &Ticket, now: Instant) {
        if let Some(lane) = self.lanes.get_mut(&ticket.lane) {
            lane.in_flight -= 1;
            if let Some(at) = self.origins.get_mut(&lane.origin) {
                at.in_flight -= 1;
            }
            self.changed.insert(Arc::clone(&lane.origin));
        }
        for key in &ticket.locks {
            for lane in self.locks.release(key) {
                self.call_waiter(key, lane, now);
            }
        }
        self.relist(ticket.lane, now);
    }
}
