//! Retry-After, dates and cookies: what a server writes is what is read.

use proptest::prelude::*;

use super::*;

const DAY: u64 = 24 * 3600;

/// How long a reply with these headers asks to wait.
fn wait(headers: &[(&str, &str)]) -> Option<u64> {
    let wait = login(TOKEN, &reply(429, headers, "")).unwrap_err().retry_after?;
    assert_eq!(wait.subsec_nanos(), 0);
    Some(wait.as_secs())
}

/// Seconds from the first of 1970 to the last of 2069: the years that two digits can name.
fn second() -> impl Strategy<Value = i64> {
    0..3_155_760_000_i64
}

fn written(second: i64, format: &str) -> String {
    Timestamp::from_second(second).unwrap().strftime(format).to_string()
}

/// What RFC 6265 allows in a cookie's value, blanks inside and equals signs included.
const COOKIE: &str = "[!-:<-~]([ !-:<-~]{0,20}[!-:<-~])?";

proptest! {
    #[test]
    fn a_wait_in_seconds_is_that_long_rounded_up_and_never_over_a_day(seconds in 0.0..200_000.0_f64, whole: u64) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "neither negative nor large")]
        let expected = (seconds.ceil() as u64).min(DAY);
        prop_assert_eq!(wait(&[("retry-after", &seconds.to_string())]), Some(expected));
        prop_assert_eq!(wait(&[("retry-after", &whole.to_string())]), Some(whole.min(DAY)));
        prop_assert_eq!(wait(&[("retry-after", &format!("-{}", seconds + 1.0))]), None);
    }

    #[test]
    fn a_wait_until_a_date_is_counted_on_the_clock_that_the_reply_shows(date in second(), ahead in -1_000..200_000_i64) {
        let format = "%a, %d %b %Y %H:%M:%S GMT";
        let headers = [("date", &*written(date, format)), ("retry-after", &*written(date + ahead, format))];
        prop_assert_eq!(wait(&headers), Some(ahead.max(0).unsigned_abs().min(DAY)));
    }

    #[test]
    fn a_wait_is_nothing_or_at_most_a_day_whatever_is_written(text in "[ -~]{0,40}") {
        prop_assert!(wait(&[("retry-after", &text)]).is_none_or(|wait| wait <= DAY));
    }

    #[test]
    fn a_date_is_read_as_it_was_written_in_all_its_forms(second in second(), offset in -14..=14_i8, nanosecond in 0..1_000_000_000_i32) {
        let time = Timestamp::from_second(second).unwrap();
        let forms = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y", "%a, %d-%b-%Y %H:%M:%S GMT"];
        for form in forms {
            let text = written(second, form);
            prop_assert_eq!(dates::http_date(&text), Some(time), "{}", text);
            prop_assert_eq!(dates::timestamp(&text), Some(time), "{}", text);
        }
        let exact = Timestamp::new(second, nanosecond).unwrap();
        let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(offset));
        let there = exact.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string();
        prop_assert_eq!(dates::timestamp(&there), Some(exact), "{}", there);
        prop_assert_eq!(dates::timestamp(&exact.to_string().replace('T', " ")), Some(exact));
        prop_assert_eq!(dates::http_date(&there), None, "{}", there);
    }

    #[test]
    fn a_cookie_is_the_last_of_its_name_and_no_other(
        values in prop::collection::vec(COOKIE, 1..4),
        others in prop::collection::vec(("[a-z]{1,2}", COOKIE), 0..4),
        attributes in prop::sample::select(vec!["", "; Path=/; Secure", ";id=x", "; Max-Age=1; id=y"]),
    ) {
        let mut headers: Vec<(&str, String)> = Vec::new();
        for (index, value) in values.iter().enumerate() {
            headers.push(("set-cookie", format!("id={value}{attributes}")));
            if let Some((name, value)) = others.get(index).filter(|(name, _)| name != "id") {
                headers.push(("set-cookie", format!("{name}={value}; id=z")));
            }
        }
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let grant = login("accessToken: { cookie: id }", &reply(200, &headers, ""));
        let expected = values.last().map(String::as_str).filter(|value| !value.contains(' '));
        prop_assert_eq!(outcome(&grant).ok(), expected);
    }
}
