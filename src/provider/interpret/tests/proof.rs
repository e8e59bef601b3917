//! What replies to a probe and to a revocation show.

use super::*;
use crate::provider::definition::Probe;

fn probe(refused: &str) -> Probe {
    let probe = format!("probe: {{ method: GET, path: /me, headers: {{ X-T: '${{session.accessToken}}' }}{refused} }}");
    *definition(&minimal("  login:", &format!("  {probe}\n  login:"))).probe.unwrap()
}

#[test]
fn a_probe_is_refused_by_401_alone_unless_rules_say_otherwise() {
    let by_default = probe("");
    let by_rule = probe(", refused: [ { status: [401, 403] }, { status: [302], header: Location, equals: [/login] } ]");
    for (status, headers, expected, with_rules) in [
        (200, &[][..], Proof::Good, Proof::Good),
        (204, &[], Proof::Good, Proof::Good),
        (401, &[], Proof::Refused, Proof::Refused),
        (403, &[], Proof::None, Proof::Refused),
        (302, &[("location", "/login")], Proof::None, Proof::Refused),
        (302, &[("location", "/elsewhere")], Proof::None, Proof::None),
        (404, &[], Proof::None, Proof::None),
        (429, &[("retry-after", "7")], Proof::None, Proof::None),
        (500, &[], Proof::None, Proof::None),
        (503, &[], Proof::None, Proof::None),
    ] {
        let reply = reply(status, headers, "");
        assert_eq!((proof(&by_default, &reply), proof(&by_rule, &reply)), (expected, with_rules), "{status}");
    }
    assert_eq!(retry_after(&reply(429, &[("retry-after", "7")], "")), Some(std::time::Duration::from_secs(7)));
}

#[test]
fn where_an_answer_in_json_would_say_it_a_page_says_nothing() {
    let introspected = probe(", refused: [ { status: [200], json: /active, equals: ['false'] } ]");
    for (body, expected) in [
        (r#"{"active":true}"#, Proof::Good),
        (r#"{"active":false}"#, Proof::Refused),
        (r#"{"active":"false"}"#, Proof::Refused),
        ("<html>", Proof::None),
        ("", Proof::None),
    ] {
        assert_eq!(proof(&introspected, &reply(200, &[], body)), expected, "{body}");
    }
    assert_eq!(proof(&introspected, &reply(401, &[], "")), Proof::None, "that is about the client");
}

#[test]
fn a_revocation_that_may_work_later_is_told_from_one_that_will_not() {
    use Revocation::{Failed, Refused, Revoked};
    for (statuses, expected) in
        [(&[200, 204][..], Revoked), (&[400, 401, 404, 405], Refused), (&[302, 408, 429, 500, 503], Failed)]
    {
        for status in statuses {
            assert_eq!(revocation(&reply(*status, &[], "")), expected, "{status}");
        }
    }
}
