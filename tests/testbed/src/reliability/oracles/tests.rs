//! Each oracle is shown a recording with the very mistake that it is there to find.

use std::time::Duration;

use super::*;
use crate::vendors::TokenKind;

fn exchange(number: u64, operation: Operation, presented: &[&str]) -> Exchange {
    Exchange {
        number,
        connection: 1,
        received: Timestamp::UNIX_EPOCH,
        answered: None,
        operation,
        account: Some("client".to_owned()),
        presented: presented.iter().map(|id| (*id).to_owned()).collect(),
        issued: Vec::new(),
        status: Some(200),
        refusal: None,
        fault: None,
        protocol_errors: Vec::new(),
        in_flight: 1,
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A token that is as old as its name says, and lives for ten seconds.
fn token(text: &str) -> Option<Token> {
    let second: i64 = text.parse().ok()?;
    Some(Token {
        id: text.to_owned(),
        serial: second.unsigned_abs(),
        kind: TokenKind::Access,
        account: "client".to_owned(),
        session: 1,
        grant: 1,
        issued_at: at(second),
        expires_at: Some(at(second + 10)),
        dead: None,
        spent_at: None,
    })
}

fn version(seen: i64, held: &str) -> Version {
    Version {
        seen_at: at(seen),
        resource_version: seen.to_string(),
        uid: "uid".to_owned(),
        data: [("token".to_owned(), held.as_bytes().to_vec())].into(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        deleted: false,
    }
}

#[test]
fn a_one_time_token_that_is_presented_twice_is_found() {
    let good = [exchange(1, Operation::Refresh, &["a"]), exchange(2, Operation::Refresh, &["b"])];
    assert_eq!(one_time(&good).broken, [""; 0]);
    let bad = [good[0].clone(), exchange(2, Operation::Refresh, &["a"])];
    let findings = one_time(&bad);
    assert_eq!(findings.broken.len(), 1, "{findings:?}");
    assert!((findings.figures[&Figure::PresentedTwice] - 1.0).abs() < f64::EPSILON);
}

#[test]
fn two_requests_in_flight_for_one_account_are_found() {
    let both = Exchange { in_flight: 2, ..exchange(2, Operation::Login, &[]) };
    assert_eq!(asked(&[exchange(1, Operation::Login, &[]), both]).broken.len(), 1);
}

#[test]
fn an_output_that_goes_back_to_an_older_token_is_found() {
    let good = [version(0, "0"), version(5, "5")];
    assert_eq!(output(&good, "token", at(9), token).broken, [""; 0]);
    let bad = [version(5, "5"), version(6, "0")];
    assert_eq!(output(&bad, "token", at(7), token).broken.len(), 1);
}

#[test]
fn an_output_that_keeps_an_expired_token_is_found_and_the_gap_is_measured() {
    let late = [version(0, "0"), version(12, "12")];
    let findings = output(&late, "token", at(13), token);
    assert_eq!(findings.broken.len(), 1, "{findings:?}");
    assert!((findings.figures[&Figure::ExpiryGap] - 2.0).abs() < f64::EPSILON);
    let never = output(&late[..1], "token", at(60), token);
    assert!((never.figures[&Figure::ExpiryGap] - 50.0).abs() < f64::EPSILON);
}

#[test]
fn a_token_that_was_written_after_it_had_expired_is_found() {
    let dead_on_arrival = [version(11, "0"), version(12, "12")];
    assert_eq!(output(&dead_on_arrival, "token", at(13), token).broken.len(), 1);
}

#[test]
fn an_output_that_holds_something_else_is_found() {
    assert_eq!(output(&[version(0, "forged")], "token", at(1), token).broken.len(), 1);
}

#[test]
fn one_attempt_too_many_with_a_wrong_password_is_found() {
    let refused = |number| Exchange { refusal: Some("wrong".to_owned()), ..exchange(number, Operation::Login, &[]) };
    assert_eq!(wrong_password(&[refused(1)], 1).broken, [""; 0]);
    assert_eq!(wrong_password(&[refused(1), refused(2)], 1).broken.len(), 1);
}

#[test]
#[should_panic(expected = "row 4")]
fn a_note_is_not_left_where_an_oracle_found_something() {
    let broken = Findings { broken: vec!["a promise".to_owned()], ..Findings::default() };
    let _note = crate::reliability::row(4).judged(&broken);
}

#[test]
#[should_panic(expected = "3 logins")]
fn a_note_is_not_left_where_a_login_was_spent_for_nothing() {
    let _note = crate::reliability::row(4).took("nothing", Duration::ZERO).logins(3, 2);
}
