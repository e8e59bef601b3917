//! Stories of providers that were away; time is made up.

use super::*;
use crate::operator::admission::ramp::FORGOTTEN_AFTER;

const QUICK: Duration = Duration::from_millis(50);
const SLOW: Duration = Duration::from_millis(3_671);
/// The defaults: a second, burst, in flight.
const DEFAULTS: (u32, u32, u32) = (50, 100, 32);

/// A provider with the name "a" that replies after a while, or fails.
struct Scene {
    admission: Admission,
    limits: (u32, u32, u32),
    latency: Duration,
    now: Instant,
    /// When each ends and when it was begun.
    flights: BTreeSet<(Instant, TicketId, Instant)>,
    deadlines: HashMap<TicketId, i64>,
    /// When each was begun, and its deadline.
    starts: Vec<(Instant, i64)>,
    peak: usize,
}

impl Scene {
    fn new(limits: (u32, u32, u32), latency: Duration) -> Self {
        let (admission, now) = wide();
        let mut scene = Self {
            admission,
            limits,
            latency,
            now,
            flights: BTreeSet::new(),
            deadlines: HashMap::new(),
            starts: Vec::new(),
            peak: 0,
        };
        // A lane comes with its first ticket.
        let first = scene.enqueue(0);
        scene.admission.leave(first, now);
        scene
    }

    fn enqueue(&mut self, deadline: i64) -> TicketId {
        let (rate, burst, concurrency) = self.limits;
        let ask = until(limited(ask("a"), rate, burst, concurrency), deadline);
        let id = self.admission.enqueue(ask, self.now);
        self.deadlines.insert(id, deadline);
        id
    }

    fn crowd(&mut self, tickets: i64) -> &mut Self {
        for number in 0..tickets {
            // In no order, and each once.
            self.enqueue(number * 7_919 % tickets);
        }
        self
    }

    /// So many windows fail, each with all that is in flight.
    fn outage(&mut self, windows: u32) -> &mut Self {
        for _ in 0..windows {
            self.now += QUICK;
            let begun = self.now;
            self.now += QUICK;
            for credential in ["first", "second", "third", "fourth"] {
                self.admission.failed("a", credential, begun, self.now);
            }
        }
        self
    }

    /// What may be in flight; `None`: what the provider's own limits say.
    fn ramping(&self) -> Option<u32> {
        self.admission.ramping(self.now).get("a").copied()
    }

    /// Sends whatever may be sent until `done`, or nothing is left; each deadline of a thousand has its credential, and
    /// those before `failing` come to nothing for ever. Returns how long that takes from the first reply.
    fn run(&mut self, failing: i64, done: impl Fn(&Self) -> bool) -> Duration {
        let mut first_reply = None;
        loop {
            let poll = self.admission.poll(self.now);
            for id in poll.admitted {
                self.flights.insert((self.now + self.latency, id, self.now));
                self.starts.push((self.now, self.deadlines[&id]));
            }
            self.peak = self.peak.max(self.flights.len());
            let ends = self.flights.first().map(|(ends, ..)| *ends);
            let Some(next) = ends.into_iter().chain(poll.next).min().filter(|_| !done(self)) else { break };
            self.now = next;
            while let Some((_, id, begun)) = self.flights.first().copied().filter(|(ends, ..)| *ends <= next) {
                self.flights.pop_first();
                let credential = self.deadlines[&id] % 1_000;
                if credential < failing {
                    self.admission.failed("a", &credential.to_string(), begun, next);
                } else {
                    self.admission.replied("a", next);
                    first_reply.get_or_insert(next);
                }
                self.admission.leave(id, next);
            }
        }
        self.now - first_reply.unwrap_or(self.now)
    }
}

/// How many were begun in each such time from `begin` on.
fn begun_in_each(length: Duration, scene: &Scene, begin: Instant) -> Vec<usize> {
    let mut counts = Vec::new();
    for (at, _) in &scene.starts {
        let number = usize::try_from((*at - begin).as_millis() / length.as_millis()).unwrap();
        counts.resize(counts.len().max(number + 1), 0);
        counts[number] += 1;
    }
    counts
}

#[test]
fn ten_thousand_that_expired_during_an_outage_come_by_deadline_in_a_ramp_and_within_the_bounds() {
    const TICKETS: i64 = 10_000;
    for latency in [QUICK, SLOW] {
        let mut scene = Scene::new(DEFAULTS, latency);
        scene.outage(10).crowd(TICKETS);
        let begin = scene.now;
        scene.run(0, |_| false);
        let deadlines = scene.starts.iter().map(|(_, deadline)| *deadline);
        assert!(deadlines.eq(0..TICKETS), "not in order of the deadline");
        assert!(scene.peak <= 32, "{} in flight", scene.peak);

        // A second at its rate, or a round trip of all that may be in flight.
        let (length, full) = if latency == QUICK { (SECOND, 50) } else { (SLOW, 32) };
        let counts = begun_in_each(length, &scene, begin);
        assert!(counts[0] <= 5, "{} in the first moment of the return", counts[0]);
        let ramp: Vec<usize> = counts.iter().copied().take_while(|count| *count < full - 1).collect();
        assert!(ramp.is_sorted(), "{ramp:?}");
        assert!((5..=12).contains(&ramp.len()), "{ramp:?}");
        for pair in ramp.windows(2) {
            assert!(pair[1] <= 3 * pair[0] + 1, "a leap in {ramp:?}");
        }
        assert!(counts.iter().all(|count| *count <= full + 1), "more than the provider allows");
    }
}

#[test]
fn every_window_that_fails_halves_the_share_once_down_to_one_in_flight_and_one_a_second() {
    let mut scene = Scene::new(DEFAULTS, QUICK);
    let mut shares = Vec::new();
    for _ in 0..7 {
        shares.push(scene.outage(1).ramping());
    }
    assert_eq!(shares, [16, 8, 4, 2, 1, 1, 1].map(Some));
    scene.crowd(100);
    let mut admitted = 0;
    for second in 0..10 {
        let poll = scene.admission.poll(scene.now + second * SECOND);
        assert!(poll.admitted.len() <= 1);
        for id in poll.admitted {
            admitted += 1;
            scene.admission.leave(id, scene.now + second * SECOND);
        }
    }
    assert_eq!(admitted, 10, "it is still tried");
}

#[test]
fn replies_bring_all_of_it_back_and_leave_nothing_of_the_ramp() {
    for (limits, latency, windows, most) in [
        (DEFAULTS, QUICK, 1, 3),
        (DEFAULTS, QUICK, 10, 6),
        (DEFAULTS, SLOW, 1, 15),
        (DEFAULTS, SLOW, 10, 37),
        // Preset Palette.
        ((10, 5, 32), QUICK, 1, 13),
        ((10, 5, 32), QUICK, 10, 26),
        ((10, 5, 32), SLOW, 10, 38),
        ((1_000, 1_000, 4), SLOW, 10, 12),
        ((50, 100, 1), SLOW, 10, 1),
    ] {
        let mut scene = Scene::new(limits, latency);
        let took = scene.outage(windows).crowd(1_000).run(0, |scene| scene.ramping().is_none());
        assert!(took <= most * SECOND, "{limits:?} at {latency:?} after {windows} windows: {took:?}");
        assert!(scene.starts.len() < 1_000, "it ended with the crowd");
        scene.run(0, |_| false);
        // After a rest a burst may go again.
        scene.now += 60 * SECOND;
        let (_, burst, concurrency) = limits;
        scene.crowd(200);
        let at_once = scene.admission.poll(scene.now).admitted.len();
        assert_eq!(at_once, usize::try_from(burst.min(concurrency)).unwrap());
    }
}

#[test]
fn a_blip_keeps_a_thousand_renewals_for_a_few_seconds_only() {
    for (latency, most) in [(QUICK, 3), (SLOW, 5)] {
        let drained = |windows| {
            let mut scene = Scene::new(DEFAULTS, latency);
            let begun = scene.now;
            scene.outage(windows).crowd(1_000).run(0, |_| false);
            scene.now - begun
        };
        let later = drained(1).saturating_sub(drained(0));
        assert!(later <= most * SECOND, "{later:?} later at {latency:?}");
    }
}

#[test]
fn two_of_a_thousand_that_fail_for_ever_take_next_to_nothing_from_the_others() {
    for latency in [QUICK, SLOW] {
        let drained = |failing| {
            let mut scene = Scene::new(DEFAULTS, latency);
            let begun = scene.now;
            scene.crowd(10_000).run(failing, |_| false);
            (scene.now - begun).as_secs_f64()
        };
        let share = drained(0) / drained(2);
        assert!(share > 0.95, "{share:.2} of the full rate at {latency:?}");
    }
}

#[test]
fn one_account_alone_and_failures_with_a_reply_in_between_take_nothing() {
    let mut scene = Scene::new(DEFAULTS, QUICK);
    for number in 0..100 {
        scene.now += SECOND;
        scene.admission.failed("a", "only", scene.now, scene.now);
        assert_eq!(scene.ramping(), None);
        scene.admission.replied("a", scene.now);
        scene.admission.failed("a", ["first", "second"][number % 2], scene.now, scene.now);
        scene.admission.replied("a", scene.now);
        assert_eq!(scene.ramping(), None);
    }
    scene.admission.failed("a", "first", scene.now, scene.now);
    scene.admission.failed("a", "second", scene.now, scene.now);
    assert_eq!(scene.ramping(), Some(16));
}

#[test]
fn a_provider_that_is_met_with_care_is_remembered_for_two_minutes_and_then_forgotten() {
    let mut scene = Scene::new(DEFAULTS, QUICK);
    let away = |scene: &mut Scene, others: i64| {
        for number in 0..others {
            // More than are ever kept: what is idle is looked for.
            let id = scene.admission.enqueue(ask(&format!("other-{number}")), scene.now);
            let _ = scene.admission.poll(scene.now);
            scene.admission.leave(id, scene.now);
        }
    };
    scene.outage(10);
    scene.now += FORGOTTEN_AFTER / 2;
    away(&mut scene, 1_000);
    assert_eq!(scene.ramping(), Some(1), "it was idle and is still away");
    scene.now += FORGOTTEN_AFTER / 2;
    assert_eq!(scene.ramping(), None);
    scene.crowd(200);
    assert_eq!(scene.admission.poll(scene.now).admitted.len(), 1, "and no burst after it");
    assert_eq!(scene.admission.poll(scene.now + SECOND).admitted.len(), 31, "but the whole of its limits");
}

#[test]
fn a_provider_that_hangs_is_met_with_care_until_it_replies_however_long_that_is() {
    for timeout in [30, 120] {
        let mut scene = Scene::new(DEFAULTS, timeout * SECOND);
        let begin = scene.now;
        scene.crowd(10_000).run(1_000, |scene| scene.now >= begin + 1_800 * SECOND);
        let counts = begun_in_each(timeout * SECOND, &scene, begin);
        assert_eq!(counts[..5], [32, 16, 8, 4, 2], "{timeout} s");
        assert!(counts[5..].iter().all(|count| *count <= 1), "{timeout} s: {counts:?}");
        assert_eq!(scene.ramping(), Some(1));

        scene.latency = QUICK;
        let took = scene.run(0, |scene| scene.ramping().is_none());
        assert!(took <= 6 * SECOND, "{timeout} s: {took:?}");
    }
}

#[test]
fn a_failure_of_another_counts_if_it_was_begun_soon_after_the_last_and_at_any_time_during_an_outage() {
    let timeout = 300 * SECOND;
    for (later, ramping) in [(SECOND, Some(16)), (11 * SECOND, None)] {
        let mut scene = Scene::new(DEFAULTS, timeout);
        scene.admission.failed("a", "first", scene.now, scene.now + timeout);
        let begun = scene.now + timeout + later;
        scene.now = begun + timeout;
        scene.admission.failed("a", "second", begun, scene.now);
        assert_eq!(scene.ramping(), ramping, "begun {later:?} later");
    }
    let mut scene = Scene::new(DEFAULTS, timeout);
    scene.outage(1);
    for (credential, share) in [("fifth", 8), ("sixth", 4), ("fifth", 2), ("fifth", 2), ("sixth", 1)] {
        scene.now += FORGOTTEN_AFTER / 4;
        scene.admission.failed("a", credential, scene.now, scene.now);
        assert_eq!(scene.ramping(), Some(share));
    }
}

#[test]
fn no_outage_is_forgotten_while_a_request_waits_for_its_end() {
    let mut scene = Scene::new(DEFAULTS, QUICK);
    scene.outage(10);
    let begun = scene.now;
    let waits = scene.enqueue(0);
    scene.now += SECOND;
    assert_eq!(scene.admission.poll(scene.now).admitted, [waits]);
    scene.now += 300 * SECOND;
    assert_eq!(scene.ramping(), Some(1));
    scene.admission.failed("a", "another", begun + SECOND, scene.now);
    scene.admission.leave(waits, scene.now);
    scene.now += FORGOTTEN_AFTER / 2;
    assert_eq!(scene.ramping(), Some(1));
    scene.now += FORGOTTEN_AFTER / 2;
    assert_eq!(scene.ramping(), None);

    scene.outage(10).enqueue(0);
    scene.now += SECOND;
    let admitted = scene.admission.poll(scene.now).admitted;
    scene.now += 300 * SECOND;
    assert_eq!((admitted.len(), scene.ramping()), (1, Some(1)));
    scene.admission.leave(admitted[0], scene.now);
    assert_eq!(scene.ramping(), None, "it has told nothing, and the last failure is long ago");
}

#[test]
fn a_pause_an_edit_of_the_limits_and_another_provider_of_the_origin_go_with_a_ramp() {
    let mut scene = Scene::new(DEFAULTS, QUICK);
    scene.outage(1).crowd(1_000);
    scene.admission.pause("a", scene.now + 30 * SECOND, scene.now);
    scene.admission.replied("a", scene.now);
    let beside = scene.admission.enqueue(Ask { origin: origin("a"), ..ask("b") }, scene.now);
    assert_eq!(scene.admission.poll(scene.now).admitted, [beside], "another provider is not met with care for it");
    scene.admission.leave(beside, scene.now);
    scene.now += 30 * SECOND;
    assert_eq!(scene.admission.poll(scene.now).admitted.len(), 1, "no burst after the pause");
    assert_eq!(scene.ramping(), Some(16));

    scene.limits = (10, 5, 64);
    scene.enqueue(0);
    assert_eq!(scene.ramping(), Some(16), "more may be in flight some day, and as much as before now");
    scene.limits = (1_000, 1_000, 8);
    scene.enqueue(0);
    assert_eq!(scene.ramping(), None, "the new limits are less than what is allowed");
    scene.now += SECOND;
    assert_eq!(scene.admission.poll(scene.now).admitted.len(), 7, "with the one that is in flight");
}
