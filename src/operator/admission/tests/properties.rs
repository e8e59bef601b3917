//! What holds for every course of events: bounds are kept, and everybody gets in.

use proptest::{collection::vec, prelude::*};

use super::*;

const ORIGIN_LIMITS: OriginLimits = OriginLimits { requests_per_second: 8, concurrency: 3 };

#[derive(Clone, Debug)]
struct Job {
    arrives: Duration,
    lasts: Duration,
    /// Gives up this long after its arrival, if it still waits then.
    patience: Option<Duration>,
    provider: usize,
    namespace: usize,
    deadline: i64,
    locks: Vec<usize>,
    /// The credential for which it comes to nothing.
    fails: Option<usize>,
}

struct Run {
    jobs: Vec<Job>,
    admission: Admission,
    start: Instant,
    ids: HashMap<TicketId, usize>,
    /// When each ends.
    in_flight: HashMap<TicketId, Instant>,
    waiting: BTreeSet<TicketId>,
    admitted_at: Vec<(usize, Instant)>,
}

fn limits_of(provider: usize) -> Limits {
    let (requests_per_second, burst, concurrency) = [(5, 1, 1), (20, 4, 2), (3, 3, 5), (50, 10, 2)][provider];
    Limits { requests_per_second, burst, concurrency, ..WIDE }
}

/// Two providers at each of two origins.
fn origin_of(provider: usize) -> usize {
    provider / 2
}

fn job() -> impl Strategy<Value = Job> {
    let milliseconds = |most: u64| (0..most).prop_map(Duration::from_millis);
    (
        milliseconds(2_000),
        milliseconds(800),
        proptest::option::weighted(0.3, milliseconds(1_500)),
        0..4_usize,
        (0..3_usize, 0..4_i64),
        vec(0..3_usize, 0..3),
        proptest::option::weighted(0.4, 0..3_usize),
    )
        .prop_map(|(arrives, lasts, patience, provider, (namespace, deadline), locks, fails)| Job {
            arrives,
            lasts,
            patience,
            provider,
            namespace,
            deadline,
            locks,
            fails,
        })
}

impl Run {
    fn new(mut jobs: Vec<Job>) -> Self {
        jobs.sort_by_key(|job| job.arrives);
        Self {
            jobs,
            admission: Admission::new(ORIGIN_LIMITS),
            start: Instant::now(),
            ids: HashMap::new(),
            in_flight: HashMap::new(),
            waiting: BTreeSet::new(),
            admitted_at: Vec::new(),
        }
    }

    fn job(&self, id: TicketId) -> &Job {
        &self.jobs[self.ids[&id]]
    }

    /// Runs to the end; each step goes to the next moment at which something happens.
    fn finish(&mut self) -> Result<(), TestCaseError> {
        let mut arrived = 0;
        let mut now = self.start;
        loop {
            self.depart(now);
            while let Some(job) = self.jobs.get(arrived).filter(|job| self.start + job.arrives <= now).cloned() {
                let id = self.admission.enqueue(ask_of(&job), now);
                self.ids.insert(id, arrived);
                self.waiting.insert(id);
                arrived += 1;
            }
            let poll = self.admission.poll(now);
            for id in poll.admitted {
                prop_assert!(self.waiting.remove(&id), "admitted twice, or after it had left");
                self.in_flight.insert(id, now + self.job(id).lasts);
                self.admitted_at.push((self.job(id).provider, now));
            }
            self.check_bounds()?;
            let arrival = self.jobs.get(arrived).map(|job| self.start + job.arrives);
            let departure = self.in_flight.values().min().copied();
            let losses = self.waiting.iter().filter_map(|id| self.gives_up_at(*id)).min();
            let Some(next) = [arrival, departure, losses, poll.next].into_iter().flatten().min() else { break };
            prop_assert!(next >= now);
            now = next;
        }
        prop_assert!(self.waiting.is_empty(), "{} were never admitted", self.waiting.len());
        Ok(())
    }

    fn gives_up_at(&self, id: TicketId) -> Option<Instant> {
        let job = self.job(id);
        job.patience.map(|patience| self.start + job.arrives + patience)
    }

    fn depart(&mut self, now: Instant) {
        let done = self.in_flight.iter().filter(|(_, ends)| **ends <= now).map(|(id, _)| *id);
        let lost = self.waiting.iter().copied().filter(|id| self.gives_up_at(*id).is_some_and(|at| at <= now));
        for id in done.chain(lost).collect::<Vec<_>>() {
            if self.in_flight.remove(&id).is_some() {
                self.end(id, now);
            }
            self.waiting.remove(&id);
            self.admission.leave(id, now);
        }
    }

    fn end(&mut self, id: TicketId, now: Instant) {
        let job = self.job(id).clone();
        let provider = ask_of(&job).provider;
        let begun = now.checked_sub(job.lasts).unwrap();
        match job.fails {
            Some(credential) => self.admission.failed(&provider, &credential.to_string(), begun, now),
            None => self.admission.replied(&provider, now),
        }
    }

    fn check_bounds(&self) -> Result<(), TestCaseError> {
        let mut locks = BTreeSet::new();
        let (mut by_provider, mut by_origin) = ([0; 4], [0; 2]);
        for id in self.in_flight.keys() {
            let job = self.job(*id);
            by_provider[job.provider] += 1;
            by_origin[origin_of(job.provider)] += 1;
            for lock in job.locks.iter().collect::<BTreeSet<_>>() {
                prop_assert!(locks.insert(lock), "lock {lock} has two holders");
            }
        }
        for (provider, count) in by_provider.into_iter().enumerate() {
            prop_assert!(count <= limits_of(provider).concurrency);
        }
        prop_assert!(by_origin.into_iter().all(|count| count <= ORIGIN_LIMITS.concurrency));
        Ok(())
    }

    #[expect(clippy::unwrap_in_result, reason = "a count fits into 32 bits")]
    fn check_rate(&self, of: impl Fn(usize) -> bool, per_second: u32, burst: u32) -> Result<(), TestCaseError> {
        let times: Vec<Instant> =
            self.admitted_at.iter().filter(|(provider, _)| of(*provider)).map(|at| at.1).collect();
        for (first, from) in times.iter().enumerate() {
            for (last, to) in times.iter().enumerate().skip(first) {
                let may = f64::from(burst) + (*to - *from).as_secs_f64() * f64::from(per_second);
                let did = f64::from(u32::try_from(last - first + 1).unwrap());
                prop_assert!(did <= may + 1e-6, "{did} within {:?}", *to - *from);
            }
        }
        Ok(())
    }
}

fn ask_of(job: &Job) -> Ask {
    Ask {
        provider: format!("provider-{}", job.provider),
        origin: origin(&format!("origin-{}", origin_of(job.provider))),
        limits: limits_of(job.provider),
        namespace: format!("namespace-{}", job.namespace),
        deadline: Timestamp::from_second(job.deadline).unwrap(),
        locks: job.locks.iter().map(ToString::to_string).collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn rates_bounds_and_locks_hold_and_everybody_who_stays_gets_in(jobs in vec(job(), 1..60)) {
        let mut run = Run::new(jobs);
        run.finish()?;
        for provider in 0..4 {
            let limits = limits_of(provider);
            run.check_rate(|of| of == provider, limits.requests_per_second, limits.burst)?;
        }
        for at in 0..2 {
            let limit = ORIGIN_LIMITS.requests_per_second;
            run.check_rate(|of| origin_of(of) == at, limit, limit)?;
        }
        prop_assert_eq!((run.admission.tickets.len(), run.admission.locks.len()), (0, 0));
    }

    #[test]
    fn without_locks_deadlines_are_met_in_order_and_namespaces_take_turns(
        who in vec((0..4_i64, 0..3_usize), 1..80),
    ) {
        let (mut admission, now) = wide();
        let asks: Vec<Ask> = who.iter().map(|(deadline, namespace)| {
            limited(Ask { namespace: namespace.to_string(), ..until(ask("a"), *deadline) }, 1_000_000, 1_000, 1)
        }).collect();
        let by_id: HashMap<TicketId, &Ask> = asks.iter().map(|ask| (admission.enqueue(ask.clone(), now), ask)).collect();
        let mut order: Vec<&Ask> = Vec::new();
        while let Some(id) = admission.poll(now).admitted.pop() {
            order.push(by_id[&id]);
            admission.leave(id, now);
        }
        prop_assert_eq!(order.len(), asks.len());
        prop_assert!(order.is_sorted_by_key(|ask| ask.deadline));
        for group in order.chunk_by(|a, b| a.deadline == b.deadline) {
            // As long as two namespaces both have somebody left, neither is more than one ahead.
            for one in 0..3 {
                for other in 0..3 {
                    let count = |part: &[&Ask], namespace: usize| {
                        part.iter().filter(|ask| ask.namespace == namespace.to_string()).count()
                    };
                    let both = count(group, one).min(count(group, other));
                    let prefix_ok = (0..=group.len()).all(|length| {
                        let (a, b) = (count(&group[..length], one), count(&group[..length], other));
                        a.min(b) >= both || a.abs_diff(b) <= 1
                    });
                    prop_assert!(prefix_ok, "{one} and {other} did not take turns");
                }
            }
        }
    }
}
