//! Retry-After, in its first line, with the provider's Date in the second: never longer than a day, in whole seconds,
//! and what follows from it lies ahead and before the token's end.
#![no_main]

use apitoken_operator_fuzz::{
    CANARY,
    api::http::{FailureClass, Operation},
    provider::{
        interpret::{Reply, interpret},
        presets,
    },
    token::schedule::{Attempt, next_attempt},
    wire,
};
use http::{HeaderMap, HeaderValue, header};
use libfuzzer_sys::{Corpus, fuzz_target};

const DAY: u64 = 24 * 3600;
const HOUR: i64 = 3600;

fuzz_target!(|input: &[u8]| -> Corpus {
    let mut lines = input.splitn(2, |byte| *byte == b'\n');
    let (text, date) = (lines.next().unwrap_or_default(), lines.next());
    let mut headers = HeaderMap::new();
    for (name, text) in [(header::RETRY_AFTER, Some(text)), (header::DATE, date)] {
        let Some(text) = text else { continue };
        let Ok(value) = HeaderValue::from_bytes(text.trim_ascii()) else { return Corpus::Reject };
        headers.insert(name, value);
    }
    let (sent_at, received_at) = wire::sent_and_received();
    let palette = presets::definition("Palette").expect("a preset");
    for status in [429, 503, 500] {
        let reply = Reply { status, headers: headers.clone(), body: Vec::new().into(), sent_at, received_at };
        let failure = interpret(&palette, Operation::Login, &reply, None).expect_err("no success");
        assert_eq!(failure.class, if status == 500 { FailureClass::Transient } else { FailureClass::RateLimited });
        assert!(!format!("{failure:?}").contains(CANARY));
        let wait = failure.retry_after.map(|wait| {
            assert_eq!(wait.subsec_nanos(), 0);
            wait.as_secs()
        });
        assert!(wait.is_none_or(|wait| wait <= DAY));
        if let Some(seconds) = whole_seconds(text.trim_ascii()) {
            assert_eq!(wait, Some(seconds.min(DAY)));
        }
        follows(failure.class, wait);
    }
    Corpus::Keep
});

/// The number that digits alone are; saturated.
fn whole_seconds(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| text.iter().fold(0_u64, |all, digit| all.saturating_mul(10).saturating_add(u64::from(digit - b'0'))))
}

/// When the next attempt is made.
fn follows(class: FailureClass, retry_after: Option<u64>) {
    let (now, _) = wire::sent_and_received();
    for left in [None, Some(-5), Some(2), Some(600), Some(10 * HOUR)] {
        let expires_at = left.map(|left| now + jiff::SignedDuration::from_secs(left));
        let attempt = Attempt { class, count: 3, now, expires_at, retry_after, uid: "uid" };
        let wait = next_attempt(&attempt).as_second() - now.as_second();
        assert!((1..=HOUR + 60).contains(&wait), "waits {wait} s");
        if let Some(left) = left.filter(|left| *left > 0) {
            assert!(wait <= left.max(1), "waits {wait} s while the token lives for {left}");
        }
    }
}
