//! Stories of accounts that fail for ever, beside others that are well; time is made up.

use super::*;
use crate::{
    api::http::FailureClass,
    token::{
        facts::{FailureRecord, Issued},
        fixtures,
        schedule::{self, Attempt},
    },
};

/// The defaults: a second, burst, in flight.
const LIMITS: (u32, u32, u32) = (50, 100, 32);
/// A renewal that works becomes due.
const RENEWAL_EVERY: Duration = Duration::from_millis(2_500);
/// What is left of its token then, in seconds: a third of an hour.
const LEFT: u32 = 1_200;
const FIRST_ISSUE_EVERY: Duration = Duration::from_secs(60);
const LENGTH: Duration = Duration::from_secs(2 * 3_600);

#[derive(Clone, Copy)]
enum Who {
    Fails(usize),
    Renews,
    IsNew,
}

/// An account that always fails.
struct Failing {
    failure: Option<FailureRecord>,
    tried: Vec<Instant>,
}

/// A provider with the name "a", of which some accounts always fail, each as long as any reply takes.
struct Story {
    admission: Admission,
    latency: Duration,
    start: Instant,
    now: Instant,
    /// A token of an hour, and a failure, to be dated.
    issued: Issued,
    failure: FailureRecord,
    failing: Vec<Failing>,
    /// When each that fails asks again.
    again: BTreeSet<(Instant, usize)>,
    waiting: HashMap<TicketId, (Who, Timestamp)>,
    /// When each ends and when it was begun.
    flights: BTreeSet<(Instant, TicketId, Instant)>,
    /// Of each that is well: how many seconds before its deadline it had its token.
    renewed: Vec<i64>,
    first: Vec<i64>,
}

impl Story {
    fn new(failing: usize, latency: Duration) -> Self {
        let (admission, start) = wide();
        let template = fixtures::Scene::issued(fixtures::virtana());
        Self {
            admission,
            latency,
            start,
            now: start,
            issued: template.0.facts().unwrap().issued.clone().unwrap(),
            failure: template.failure(FailureClass::Transient, 0, 0),
            failing: (0..failing).map(|_| Failing { failure: None, tried: Vec::new() }).collect(),
            again: (0..failing).map(|number| (start, number)).collect(),
            waiting: HashMap::new(),
            flights: BTreeSet::new(),
            renewed: Vec::new(),
            first: Vec::new(),
        }
    }

    /// The time of day.
    fn time(&self) -> Timestamp {
        fixtures::now() + (self.now - self.start)
    }

    fn enqueue(&mut self, who: Who) {
        let now = self.time();
        let renewal = Issued { expires_at: now + LEFT * SECOND, ..self.issued.clone() };
        let expired = Issued { expires_at: fixtures::at(-fixtures::HOUR), ..self.issued.clone() };
        let (issued, failure) = match who {
            Who::Fails(number) => (Some(&expired), self.failing[number].failure.as_ref()),
            Who::Renews => (Some(&renewal), None),
            Who::IsNew => (None, None),
        };
        let deadline = schedule::deadline(now, issued, failure, now);
        let (rate, burst, concurrency) = LIMITS;
        let ask = Ask { deadline, ..limited(ask("a"), rate, burst, concurrency) };
        let id = self.admission.enqueue(ask, self.now);
        self.waiting.insert(id, (who, deadline));
    }

    fn run(mut self) -> Self {
        let (mut renewal, mut first_issue) = (self.start, self.start);
        while self.now < self.start + LENGTH {
            if renewal <= self.now {
                self.enqueue(Who::Renews);
                renewal += RENEWAL_EVERY;
            }
            if first_issue <= self.now {
                self.enqueue(Who::IsNew);
                first_issue += FIRST_ISSUE_EVERY;
            }
            while let Some((_, number)) = self.again.first().copied().filter(|(at, _)| *at <= self.now) {
                self.again.pop_first();
                self.enqueue(Who::Fails(number));
            }
            let poll = self.admission.poll(self.now);
            self.flights.extend(poll.admitted.into_iter().map(|id| (self.now + self.latency, id, self.now)));
            let (ends, again) = (self.flights.first().map(|it| it.0), self.again.first().map(|it| it.0));
            self.now = [ends, again, poll.next].into_iter().flatten().fold(renewal.min(first_issue), Ord::min);
            while let Some((_, id, begun)) = self.flights.first().copied().filter(|(ends, ..)| *ends <= self.now) {
                self.flights.pop_first();
                self.end(id, begun);
            }
        }
        self
    }

    fn end(&mut self, id: TicketId, begun: Instant) {
        let (who, deadline) = self.waiting.remove(&id).unwrap();
        let early = deadline.as_second() - self.time().as_second();
        match who {
            Who::Fails(number) => {
                self.admission.failed("a", &number.to_string(), begun, self.now);
                self.fail(number);
            }
            Who::Renews => self.renewed.push(early),
            Who::IsNew => self.first.push(early),
        }
        if !matches!(who, Who::Fails(_)) {
            self.admission.replied("a", self.now);
        }
        self.admission.leave(id, self.now);
    }

    fn fail(&mut self, number: usize) {
        let now = schedule::whole_seconds(self.time());
        let count = self.failing[number].failure.as_ref().map_or(1, |failure| failure.count + 1);
        let (class, uid) = (FailureClass::Transient, number.to_string());
        let attempt = Attempt { class, count, now, expires_at: None, retry_after: None, uid: &uid };
        let next_at = schedule::next_attempt(&attempt);
        let failure = FailureRecord { count, at: now, next_at, ..self.failure.clone() };
        self.failing[number].failure = Some(failure);
        self.failing[number].tried.push(self.now);
        let after_start = Duration::try_from(next_at.duration_since(fixtures::now())).unwrap();
        self.again.insert((self.start + after_start, number));
    }

    /// How many that are well have waited past their deadline, or still do: renewals, and first issues.
    fn late(&self) -> (usize, usize) {
        let waits = |is: fn(&Who) -> bool| {
            self.waiting.values().filter(|(who, deadline)| is(who) && *deadline < self.time()).count()
        };
        let served = |early: &[i64]| early.iter().filter(|early| **early < 0).count();
        let renewals = served(&self.renewed) + waits(|who| matches!(who, Who::Renews));
        (renewals, served(&self.first) + waits(|who| matches!(who, Who::IsNew)))
    }

    /// How many of those that fail were not tried in the last half hour.
    fn given_up(&self) -> usize {
        let half_an_hour = Duration::from_secs(1_800);
        self.failing.iter().filter(|it| it.tried.last().is_none_or(|at| *at + half_an_hour < self.now)).count()
    }
}

#[test]
fn those_that_fail_for_ever_keep_no_renewal_and_no_first_token_past_its_deadline() {
    for (failing, latency) in [(60, Duration::from_millis(50)), (16, 5 * SECOND)] {
        let story = Story::new(failing, latency).run();
        let renewed = story.renewed.len();
        assert_eq!(story.late(), (0, 0), "{renewed} were renewed, {failing} fail, {latency:?} each");
        let least = story.renewed.iter().min();
        assert!(least >= Some(&600), "one was renewed {least:?} s before its expiry; {failing} fail, {latency:?} each");
        assert_eq!(story.given_up(), 0, "are not tried any more");
    }
}

#[test]
fn many_more_that_all_begin_to_fail_at_once_keep_no_renewal_past_its_deadline() {
    for (failing, latency) in [(300, Duration::from_millis(50)), (40, 5 * SECOND)] {
        let story = Story::new(failing, latency).run();
        let renewed = story.renewed.len();
        assert_eq!(story.late().0, 0, "{renewed} were renewed, {failing} fail, {latency:?} each");
        assert_eq!(story.given_up(), 0, "are not tried any more");
    }
}
