//! The headers of a handler's answer: its verdict and its reason.

use std::time::Duration;

use http::{HeaderMap, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822;

use crate::values::TaskReason;

/// The header in which a handler says what to do with the task.
pub const VERDICT: &str = "executor-verdict";
/// The header in which a handler gives its reason.
pub const REASON: &str = "executor-reason";

/// What to do with a task after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Run again on this stage while it has attempts left, as without a verdict.
    Retry,
    /// Hand over to the next stage at once.
    Escalate,
    /// End as Failed at once.
    Fail,
    /// Come again at the time of `Retry-After`, without an attempt.
    Later,
}

impl Verdict {
    const ALL: [Self; 4] = [Self::Retry, Self::Escalate, Self::Fail, Self::Later];

    /// The header's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Escalate => "escalate",
            Self::Fail => "fail",
            Self::Later => "later",
        }
    }
}

/// The `Executor-*` headers of a handler's answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HandlerHeaders {
    /// The verdict.
    pub verdict: Option<Verdict>,
    /// The reason.
    pub reason: Option<TaskReason>,
    /// How long the task shall wait, by `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The headers whose value is not valid. They are ignored: the attempt has just failed.
    pub invalid: Vec<&'static str>,
}

impl HandlerHeaders {
    /// Parses the headers of a handler's answer that came at `now`.
    pub fn parse(headers: &HeaderMap, now: Timestamp) -> Self {
        let mut parsed = Self::default();
        if let Some(value) = headers.get(VERDICT) {
            let is_it = |verdict: &Verdict| value == verdict.as_str();
            parsed.verdict = Verdict::ALL.into_iter().find(is_it);
            if parsed.verdict.is_none() {
                parsed.invalid.push(VERDICT);
            }
        }
        if let Some(value) = headers.get(REASON) {
            parsed.reason = value.to_str().ok().and_then(|text| text.parse().ok());
            if parsed.reason.is_none() {
                parsed.invalid.push(REASON);
            }
        }
        if let Some(value) = headers.get(header::RETRY_AFTER) {
            let text = value.to_str().ok().map(str::trim);
            parsed.retry_after = text.and_then(|text| retry_after(text, now));
            if parsed.retry_after.is_none() {
                parsed.invalid.push("retry-after");
            }
        }
        parsed
    }
}

/// Seconds, or a date (RFC 9110, section 10.2.3). A date that has passed is no time.
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
        // More digits than fit are a long time.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn parsed(verdict: &'static str, reason: &'static [u8]) -> HandlerHeaders {
        let mut headers = HeaderMap::new();
        headers.insert(VERDICT, HeaderValue::from_static(verdict));
        headers.insert(REASON, HeaderValue::from_bytes(reason).unwrap());
        HandlerHeaders::parse(&headers, NOW)
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let after = |value: &'static str| {
            let headers = [(header::RETRY_AFTER, HeaderValue::from_static(value))];
            let parsed = HandlerHeaders::parse(&headers.into_iter().collect(), NOW);
            assert_eq!(parsed.invalid.is_empty(), parsed.retry_after.is_some());
            parsed.retry_after
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(after("3"), seconds(3));
        assert_eq!(after(" 120 "), seconds(120));
        assert_eq!(after("99999999999999999999"), seconds(u64::MAX));
        assert_eq!(after("Thu, 01 Jan 1970 00:01:00 GMT"), seconds(60));
        assert_eq!(after("Wed, 31 Dec 1969 23:59:59 GMT"), seconds(0));
        for invalid in ["", "-1", "1.5", "soon", "3 s"] {
            assert_eq!(after(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn valid_headers_are_parsed_and_invalid_ones_are_named() {
        let valid = parsed("escalate", b"too-big");
        assert_eq!(valid.verdict, Some(Verdict::Escalate));
        assert_eq!(valid.reason.unwrap().as_str(), "too-big");
        assert_eq!(valid.invalid, [""; 0]);

        let invalid = parsed("explode", b"\xff two words");
        assert_eq!(invalid.verdict, None);
        assert_eq!(invalid.reason, None);
        assert_eq!(invalid.invalid, [VERDICT, REASON]);

        assert_eq!(
            HandlerHeaders::parse(&HeaderMap::new(), NOW),
            HandlerHeaders::default()
        );
    }
}
