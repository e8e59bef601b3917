use k8s_openapi::jiff::Timestamp;

use super::*;

const ORIGIN: &str = "https://api.example.com";

fn record(class: FailureClass, at: i64) -> FailureRecord {
    FailureRecord {
        class,
        count: 1,
        at: Timestamp::from_second(at).unwrap(),
        next_at: Timestamp::from_second(at + 3600).unwrap(),
        reason: "CredentialsRejected".to_owned(),
        message: format!("refused at {at}"),
        provider_fingerprint: "provider".to_owned(),
        credentials_fingerprint: Some("values".to_owned()),
        origin: ORIGIN.to_owned(),
        spec_mark: "1".to_owned(),
    }
}

fn key(name: &str) -> Key {
    Key::new("web", name)
}

#[test]
fn a_refusal_counts_for_all_who_use_the_same_values_at_the_same_place() {
    let rejections = Rejections::default();
    rejections.remember(&record(FailureClass::Rejected, 100), &key("a"));
    assert_eq!(rejections.of(ORIGIN, "values", &key("b")).unwrap().message, "refused at 100");
    assert_eq!(rejections.of(ORIGIN, "other values", &key("b")), None);
    assert_eq!(rejections.of("https://elsewhere.example.com", "values", &key("b")), None);
}

#[test]
fn only_a_refusal_of_credentials_is_remembered() {
    use FailureClass::*;
    let rejections = Rejections::default();
    for class in [SessionOver, RateLimited, Transient, Misconfigured] {
        rejections.remember(&record(class, 100), &key("a"));
    }
    rejections.remember(&FailureRecord { credentials_fingerprint: None, ..record(Rejected, 100) }, &key("a"));
    assert_eq!(rejections.of(ORIGIN, "values", &key("a")), None);
}

#[test]
fn the_newest_attempt_counts_in_whatever_order_sessions_are_read() {
    let rejections = Rejections::default();
    for at in [200, 300, 100] {
        rejections.remember(&record(FailureClass::Rejected, at), &key("a"));
    }
    assert_eq!(rejections.of(ORIGIN, "values", &key("a")).unwrap().message, "refused at 300");
}

#[test]
fn an_edit_within_the_second_of_the_attempt_is_told_from_one_after_it() {
    let (rejections, told) = (Rejections::default(), record(FailureClass::Rejected, 100));
    let asked_at = told.at + SignedDuration::from_millis(300);
    rejections.failed(&told, asked_at, &key("a"));
    assert_eq!(rejections.of(ORIGIN, "values", &key("b")).unwrap().asked_at, asked_at);
    rejections.recall(&told, &key("b"));
    assert_eq!(rejections.of(ORIGIN, "values", &key("b")).unwrap().asked_at, asked_at, "a session tells it in seconds");
}

#[test]
fn a_probe_that_shows_nothing_is_put_off_for_all_and_each_time_for_longer() {
    let (rejections, minutes) = (Rejections::default(), |at: i64| (at - 4000) / 60);
    rejections.remember(&record(FailureClass::Rejected, 100), &key("a"));
    let mut now = 4000;
    let mut begun = Vec::new();
    for _ in 0..6 {
        let none =
            FailureRecord { next_at: Timestamp::from_second(now + 1).unwrap(), ..record(FailureClass::Transient, now) };
        rejections.failed(&none, none.at, &key("a"));
        let held = rejections.of(ORIGIN, "values", &key("b")).unwrap();
        assert_eq!((held.message.as_str(), held.asked_at), ("refused at 100", none.at), "an edit before it is spent");
        now = held.next_at.as_second();
        begun.push(minutes(now));
    }
    assert_eq!(begun, [5, 15, 35, 75, 135, 195]);
    let told = FailureRecord {
        next_at: Timestamp::from_second(now + 9000).unwrap(),
        ..record(FailureClass::RateLimited, now)
    };
    rejections.failed(&told, told.at, &key("a"));
    assert_eq!(
        rejections.of(ORIGIN, "values", &key("b")).unwrap().next_at,
        told.next_at,
        "as long as the provider said"
    );
    rejections.failed(&record(FailureClass::Rejected, now), told.at, &key("a"));
    rejections.failed(&record(FailureClass::Transient, now), told.at, &key("c"));
    assert_eq!(rejections.of("elsewhere", "values", &key("b")), None, "nothing is remembered of those never refused");
}

#[test]
fn values_that_are_changed_all_the_time_do_not_fill_the_memory_and_those_in_use_are_kept() {
    let rejections = Rejections::default();
    rejections.accept(ORIGIN, "in use");
    for number in 0..3 * MOST_ACCEPTED {
        rejections.accept(ORIGIN, &number.to_string());
        if number % 1000 == 0 {
            assert!(rejections.is_accepted(ORIGIN, "in use"), "after {number}");
        }
    }
    assert!(!rejections.is_accepted(ORIGIN, "0"));
    let inner = rejections.lock();
    assert!(inner.accepted.lately.len() + inner.accepted.before.len() <= 2 * MOST_ACCEPTED);
}

#[test]
fn who_was_held_back_is_told_when_the_values_are_accepted() {
    let rejections = Rejections::default();
    rejections.remember(&record(FailureClass::Rejected, 100), &key("a"));
    let _ = rejections.of(ORIGIN, "values", &key("b"));
    assert!(!rejections.is_accepted(ORIGIN, "values"));
    assert_eq!(rejections.accept(ORIGIN, "values"), [key("a"), key("b")].into());
    assert!(rejections.is_accepted(ORIGIN, "values"));
    assert_eq!(rejections.of(ORIGIN, "values", &key("b")), None);
    assert!(rejections.accept(ORIGIN, "values").is_empty(), "told once");
}

#[test]
fn a_refusal_ends_an_acceptance() {
    let rejections = Rejections::default();
    rejections.accept(ORIGIN, "values");
    rejections.remember(&record(FailureClass::Rejected, 100), &key("a"));
    assert!(!rejections.is_accepted(ORIGIN, "values"));
}

#[test]
fn what_nobody_has_renewed_for_a_week_is_forgotten() {
    let rejections = Rejections::default();
    rejections.remember(&record(FailureClass::Rejected, 0), &key("a"));
    let week = 7 * 24 * 3600;
    let other =
        |at| FailureRecord { credentials_fingerprint: Some("other".to_owned()), ..record(FailureClass::Rejected, at) };
    rejections.remember(&other(3600 + week - 1), &key("b"));
    assert!(rejections.of(ORIGIN, "values", &key("a")).is_some());
    rejections.remember(&other(3600 + week), &key("b"));
    assert!(rejections.of(ORIGIN, "values", &key("a")).is_none());
}

#[test]
fn a_record_that_is_read_counts_unless_the_credentials_were_accepted_since_it_was_written() {
    let rejections = Rejections::default();
    let read = record(FailureClass::Rejected, 100);
    rejections.recall(&read, &key("a"));
    assert_eq!(rejections.of(ORIGIN, "values", &key("a")).unwrap().message, "refused at 100");
    assert_eq!(rejections.accept(ORIGIN, "values"), BTreeSet::from([key("a")]));
    rejections.recall(&read, &key("b"));
    assert_eq!(rejections.of(ORIGIN, "values", &key("b")), None);
}
