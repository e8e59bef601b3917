//! Durations as people write them in specs: `30m`, `720h`, `1h30m`, `45s`.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::schema;

/// Text that the CRD's pattern refuses, met where no API server stood in between (a file, a preset).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration: write hours, minutes and seconds in this order, such as 1h30m or 45s")]
pub struct InvalidDuration(pub String);

/// Hours, minutes and seconds, in this order, each at most once, with at least one of them.
///
/// Pattern `^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?$`; whole seconds, so it needs no rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HumanDuration(Duration);

impl HumanDuration {
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for HumanDuration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidDuration(text.to_owned());
        let mut rest = text;
        let mut seconds = 0u64;
        for (unit, factor, digits) in [('h', 3600, 6), ('m', 60, 6), ('s', 1, 8)] {
            let Some((number, tail)) = rest.split_once(unit) else {
                continue;
            };
            if number.is_empty() || number.len() > digits || !number.bytes().all(|b| b.is_ascii_digit()) {
                return Err(invalid());
            }
            seconds += number.parse::<u64>().map_err(|_| invalid())? * factor;
            rest = tail;
        }
        if text.len() < 2 || !rest.is_empty() {
            return Err(invalid());
        }
        Ok(Self(Duration::from_secs(seconds)))
    }
}

impl JsonSchema for HumanDuration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schema::duration(generator)
    }
}

impl TryFrom<String> for HumanDuration {
    type Error = InvalidDuration;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<HumanDuration> for String {
    fn from(duration: HumanDuration) -> Self {
        duration.to_string()
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        // No more digits than the form has room for: what is too long in hours goes on in minutes, then in seconds.
        let h = (seconds / 3600).min(999_999);
        let m = ((seconds - h * 3600) / 60).min(999_999);
        let s = seconds - h * 3600 - m * 60;
        if h > 0 {
            write!(f, "{h}h")?;
        }
        if m > 0 {
            write!(f, "{m}m")?;
        }
        if s > 0 || seconds == 0 {
            write!(f, "{s}s")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(text: &str) -> u64 {
        text.parse::<HumanDuration>().unwrap().get().as_secs()
    }

    #[test]
    fn hours_minutes_and_seconds_add_up() {
        assert_eq!(seconds("45s"), 45);
        assert_eq!(seconds("5m"), 300);
        assert_eq!(seconds("720h"), 2_592_000);
        assert_eq!(seconds("1h30m5s"), 5_405);
        assert_eq!(seconds("90m"), seconds("1h30m"));
        assert_eq!(seconds("0s"), 0);
    }

    #[test]
    fn what_is_no_duration_is_refused_with_an_example() {
        for text in [
            "",
            "s",
            "5",
            "m5",
            "1.5h",
            "-5m",
            "+5m",
            "5 m",
            " 5m",
            "5m ",
            "30m1h",
            "1m1m",
            "1s1s",
            "5d",
            "5ms",
            "1H",
            "1234567h",
            "1234567m",
            "123456789s",
            "１h",
            "PT5M",
        ] {
            let refusal = text.parse::<HumanDuration>().unwrap_err();
            assert_eq!(refusal, InvalidDuration(text.to_owned()));
            assert!(refusal.to_string().ends_with("such as 1h30m or 45s"), "{refusal}");
        }
    }

    #[test]
    fn a_duration_is_written_in_its_shortest_form() {
        for (written, shown) in [("90m", "1h30m"), ("3600s", "1h"), ("0h0m0s", "0s"), ("61s", "1m1s"), ("1h1s", "1h1s")]
        {
            assert_eq!(written.parse::<HumanDuration>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn the_longest_duration_that_can_be_written_is_written_again() {
        let longest = "999999h999999m99999999s";
        assert_eq!(longest.parse::<HumanDuration>().unwrap().to_string(), longest);
    }

    #[test]
    fn a_spec_holds_a_duration_as_text() {
        let duration = HumanDuration::from_secs(5_400);
        assert_eq!(serde_json::to_value(duration).unwrap(), "1h30m");
        assert_eq!(serde_json::from_str::<HumanDuration>("\"90m\"").unwrap(), duration);
        let refusal = serde_json::from_str::<HumanDuration>("\"soon\"").unwrap_err();
        assert!(refusal.to_string().starts_with("\"soon\" is not a duration"), "{refusal}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(h in 0u64..1_000_000, m in 0u64..1_000_000, s in 0u64..100_000_000) {
            let duration = HumanDuration::from_secs(h * 3600 + m * 60 + s);
            prop_assert_eq!(duration.to_string().parse::<HumanDuration>(), Ok(duration));
            let written = format!("{h}h{m}m{s}s");
            prop_assert_eq!(written.parse::<HumanDuration>(), Ok(duration));
        }
    }
}
