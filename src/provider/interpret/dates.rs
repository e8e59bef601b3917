//! Times as servers write them.

use jiff::{Timestamp, civil};

/// Longest text that is looked into, in bytes.
const LONGEST: usize = 64;
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// RFC 3339 (a blank for the T, no zone meaning UTC), or an HTTP date.
pub(super) fn timestamp(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    rfc3339(text).or_else(|| http_date(text))
}

fn rfc3339(text: &str) -> Option<Timestamp> {
    // What else the parser takes (a date alone, week dates, zones in brackets) is no RFC 3339.
    let date_and_time = text.as_bytes().get(10).is_some_and(|b| matches!(b, b'T' | b't' | b' '));
    if text.len() > LONGEST || !text.is_ascii() || !date_and_time || text.contains('[') {
        return None;
    }
    let zone = text.ends_with(['Z', 'z']) || text[10..].contains(['+', '-']);
    let text = if zone { text.to_owned() } else { format!("{text}Z") };
    text.parse().ok()
}

/// The three forms of RFC 9110 5.6.7 and the dashes of old cookies, by the one algorithm of RFC 6265 5.1.1 that reads
/// them all; stricter than it in that nothing else may stand beside date and time.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    if text.len() > LONGEST {
        return None;
    }
    let (mut day, mut month, mut year, mut time) = (None, None, None, None);
    for token in text.split([' ', ',', '-', '\t']).filter(|token| !token.is_empty()) {
        let lower = token.to_ascii_lowercase();
        let word = lower.get(..3).unwrap_or_default();
        if token.contains(':') {
            set(&mut time, clock(token)?)?;
        } else if token.bytes().all(|b| b.is_ascii_digit()) {
            let number: i16 = token.parse().ok()?;
            if day.is_none() && token.len() <= 2 {
                set(&mut day, number)?
            } else {
                set(&mut year, four_digits(token, number)?)?
            }
        } else if let Some(index) = MONTHS.iter().position(|name| *name == word) {
            set(&mut month, i8::try_from(index + 1).ok()?)?;
        } else if !WEEKDAYS.contains(&word) && !matches!(lower.as_str(), "gmt" | "utc" | "z") {
            return None;
        }
    }
    let (hour, minute, second) = time?;
    // 60 is a leap second, which this calendar does not have.
    let date = civil::DateTime::new(year?, month?, i8::try_from(day?).ok()?, hour, minute, second.min(59), 0).ok()?;
    date.to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}

/// Only once: a text with two years is no date.
fn set<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

fn clock(token: &str) -> Option<(i8, i8, i8)> {
    let mut parts = token
        .split(':')
        .map(|part| part.parse::<i8>().ok().filter(|_| part.len() <= 2));
    let time = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(time)
}

/// RFC 850 has two digits: 70 to 99 lie in the last century (RFC 6265).
fn four_digits(token: &str, number: i16) -> Option<i16> {
    match (token.len(), number) {
        (4, number) => Some(number),
        (2, number @ 70..) => Some(1900 + number),
        (2, number) => Some(2000 + number),
        _ => None,
    }
}
