//! Durations in the format of the Gateway API (GEP-2257), `100ms`, `60s`, `1h30m`, and as gcloud prints
//! them: `0.100s`, `2.5s`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use worker_contract::duration::parse;

/// One to four numbers of up to five digits, each with its unit. Seconds may have three decimals.
pub const PATTERN: &str = "^([0-9]{1,5}(h|m|s|ms|[.][0-9]{1,3}s)){1,4}$";

const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A span of time, exact to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(pub std::time::Duration);

impl Duration {
    /// A duration of whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds))
    }
}

/// A text that isn't a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a duration: use one to four numbers with the units h, m, s, or ms, such as 100ms, 1h30m, or 2.5s"
)]
pub struct DurationError(String);

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        parse(text)
            .map(Self)
            .ok_or_else(|| DurationError(text.to_owned()))
    }
}

impl fmt::Display for Duration {
    /// The shortest form of the same length: `90m` is written `1h30m`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if millis == 0 {
            return f.write_str("0s");
        }
        for (unit, worth) in UNITS {
            if millis >= worth {
                write!(f, "{}{unit}", millis / worth)?;
                millis %= worth;
            }
        }
        Ok(())
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": PATTERN, "maxLength": 32})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_gateway_api_and_gcloud_write_is_read_and_written() {
        for (text, millis, canonical) in [
            ("0s", 0, "0s"),
            ("100ms", 100, "100ms"),
            ("60s", 60_000, "1m"),
            ("1h30m", 5_400_000, "1h30m"),
            ("90m", 5_400_000, "1h30m"),
            ("480h", 1_728_000_000, "480h"),
            ("1h1m1s1ms", 3_661_001, "1h1m1s1ms"),
            ("0.100s", 100, "100ms"),
            ("0.1s", 100, "100ms"),
            ("2.5s", 2_500, "2s500ms"),
            ("3600.007s", 3_600_007, "1h7ms"),
            ("1m0.5s", 60_500, "1m500ms"),
        ] {
            let duration: Duration = text.parse().unwrap();
            assert_eq!(duration.0.as_millis(), millis, "{text}");
            assert_eq!(duration.to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "5",
            "s",
            "1.5m",
            "1.s",
            ".5s",
            "1.5",
            "0.0001s",
            "1.5.5s",
            "-1s",
            "1d",
            "100000s",
            "1 s",
            "1h1h1h1h1h",
            "1sm",
        ] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
    }
}
