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
