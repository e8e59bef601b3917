//! A stored session, as somebody might have left it: it is refused without a word of it, or everything that is done
//! with a session can be done with this one.
#![no_main]

use std::{collections::BTreeMap, sync::Arc};

use apitoken_operator_fuzz::{
    CANARY,
    api::{
        ApiTokenSpec, ApiTokenStatus,
        http::{FailureClass, Operation},
    },
    provider::{grant::Grant, presets, template::Template},
    token::{
        decide::{Next, Wait, Why, decide},
        facts::{Facts, FailureRecord, Issued},
        observation::{CredentialsView, Observation, OutputView, ProviderView, Seen, TokenView},
        output::OutputPlan,
        schedule::{early_login_at, renew_at},
        session::{Circumstances, Occasion, Session},
        status::report,
    },
    wire,
};
use jiff::{SignedDuration, Timestamp};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const UID: &str = "6d0e8f0a-1c5b-4a53-9a4b-0f6f3c1f7f10";

fuzz_target!(|input: &[u8]| {
    let session = match Session::from_document(Some(input)) {
        Ok(session) => session,
        Err(error) => return assert!(!format!("{error} {error:?}").contains(CANARY), "it is quoted"),
    };
    if serde_json::from_slice(input).is_ok_and(|document| has_fractions(&document)) {
        return;
    }
    assert_eq!(session.material.is_some(), session.facts.issued.is_some());
    let visible = format!("{}{:?}", session.facts.to_annotation(), session.unknown);
    assert!(visible.contains(CANARY) || !format!("{session:?}").contains(CANARY), "the material can be printed");
    let document = session.to_document();
    let again = Session::from_document(Some(&document)).expect("what was written can be read");
    assert_eq!(again.facts, session.facts);
    assert_eq!(again.to_document(), document);
    let annotation = session.facts.to_annotation();
    assert_eq!(Facts::from_annotation(Some(&annotation)).as_ref(), Some(&session.facts));
    if let Some(issued) = &session.facts.issued {
        planned(issued);
    }
    judged(&session.facts);
    renewed(session);
});

/// A session has only whole numbers. Others, in what is not known, lose their last digit each time they are read.
fn has_fractions(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(values) => values.iter().any(has_fractions),
        Value::Object(members) => members.values().any(has_fractions),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

fn planned(issued: &Issued) {
    assert!(
        renew_at(issued, None, UID) > issued.issued_at
            || issued.issued_at > Timestamp::MAX - SignedDuration::from_mins(2)
    );
    if let Some(at) = early_login_at(issued, UID) {
        assert!(at > issued.started_at && issued.session_expires_at.is_some_and(|end| at < end));
    }
}

/// Whatever the facts say, there is a decision, and a status that is stable.
fn judged(facts: &Facts) {
    let (_, now) = wire::sent_and_received();
    let seen = observation(facts.clone());
    let why = match decide(&seen, now).next {
        Next::Wait(Wait { until, why }) => {
            assert!(until.is_none_or(|until| until > now), "a wait that is over: {until:?}");
            why
        }
        _ => Why::Fresh,
    };
    let wait = Wait { until: None, why };
    let status = report(&ApiTokenStatus::default(), &seen, &wait, now);
    assert_eq!(report(&status, &seen, &wait, now), status);
}

fn observation(facts: Facts) -> Observation {
    let spec: ApiTokenSpec =
        serde_json::from_value(serde_json::json!({ "providerRef": { "name": "tenovos" } })).expect("a spec");
    let definition = presets::definition("Tenovos").expect("a preset");
    let data = BTreeMap::from([("token".to_owned(), Template::parse("${accessToken}").expect("a template"))]);
    let (created_at, _) = wire::sent_and_received();
    let credentials = facts.credentials.clone();
    let seen_as = |of: fn(&_) -> &String| credentials.as_ref().map_or_else(|| "1".to_owned(), |seen| of(seen).clone());
    Observation {
        last_errand: created_at,
        credentials: CredentialsView::There {
            uid: seen_as(|seen| &seen.uid),
            resource_version: seen_as(|seen| &seen.resource_version),
            content: None,
            untrimmed: Vec::new(),
        },
        output: OutputView {
            plan: Some(OutputPlan::new("assets", &spec, data)),
            secret: Seen::Absent,
            leftovers: Vec::new(),
        },
        token: TokenView {
            namespace: "web".to_owned(),
            name: "assets".to_owned(),
            uid: UID.to_owned(),
            generation: 1,
            created_at,
            deleting: false,
            spec: Arc::new(spec),
            refresh_requested: None,
            spec_mark: "1".to_owned(),
            spec_seen_at: created_at,
        },
        provider: Ok(ProviderView {
            fingerprint: facts.issued.as_ref().map_or_else(String::new, |issued| issued.provider_fingerprint.clone()),
            definition,
            parameters: BTreeMap::new(),
        }),
        session: Seen::There(facts),
        rejection: None,
        accepted: false,
        interrupted: None,
        spent_elsewhere: false,
    }
}

/// Whatever was stored, what comes next can be stored too.
fn renewed(session: Session) {
    let (issued_at, _) = wire::sent_and_received();
    for operation in [Operation::Login, Operation::Refresh] {
        let grant = Grant {
            access_token: "new".into(),
            refresh_token: None,
            outputs: BTreeMap::new(),
            issued_at: Timestamp::new(issued_at.as_second(), 0).expect("a time"),
            expires_at: Timestamp::new(issued_at.as_second() + 3600, 0).expect("a time"),
            session_expires_at: None,
            clock_offset: None,
        };
        let of = Circumstances {
            id: "next".to_owned(),
            operation,
            occasion: Occasion::Planned,
            provider_fingerprint: "provider".to_owned(),
            credentials: None,
            session_limit: Some(std::time::Duration::from_secs(720 * 3600)),
            suggested_output: BTreeMap::new(),
        };
        let failed = session.clone().failed(operation, failure(issued_at), None).ended();
        for next in [session.clone().granted(grant, of), failed] {
            let read = Session::from_document(Some(&next.to_document())).expect("what was written can be read");
            assert_eq!(read.facts, next.facts);
        }
    }
}

fn failure(at: Timestamp) -> FailureRecord {
    FailureRecord {
        class: FailureClass::Transient,
        count: 1,
        at,
        next_at: at,
        reason: "ProviderUnavailable".to_owned(),
        message: String::new(),
        provider_fingerprint: "provider".to_owned(),
        credentials_fingerprint: None,
        origin: "https://api.example.com".to_owned(),
        spec_mark: "1".to_owned(),
    }
}
