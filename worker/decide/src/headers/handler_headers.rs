//! The headers of a handler's answer: its verdict and its reason.

use http::HeaderMap;

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
}

/// The `Executor-*` headers of a handler's answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HandlerHeaders {
    /// The verdict.
    pub verdict: Option<Verdict>,
    /// The reason.
    pub reason: Option<TaskReason>,
    /// The headers whose value is not valid. They are ignored: the attempt has just failed.
    pub invalid: Vec<&'static str>,
}

impl HandlerHeaders {
    /// Parses the headers of a handler's answer.
    pub fn parse(headers: &HeaderMap) -> Self {
        let mut parsed = Self::default();
        if let Some(value) = headers.get(VERDICT) {
            parsed.verdict = match value.as_bytes() {
                b"retry" => Some(Verdict::Retry),
                b"escalate" => Some(Verdict::Escalate),
                b"fail" => Some(Verdict::Fail),
                _ => {
                    parsed.invalid.push(VERDICT);
                    None
                }
            };
        }
        if let Some(value) = headers.get(REASON) {
            parsed.reason = value.to_str().ok().and_then(|text| text.parse().ok());
            if parsed.reason.is_none() {
                parsed.invalid.push(REASON);
            }
        }
        parsed
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn parsed(verdict: &'static str, reason: &'static [u8]) -> HandlerHeaders {
        let mut headers = HeaderMap::new();
        headers.insert(VERDICT, HeaderValue::from_static(verdict));
        headers.insert(REASON, HeaderValue::from_bytes(reason).unwrap());
        HandlerHeaders::parse(&headers)
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
            HandlerHeaders::parse(&HeaderMap::new()),
            HandlerHeaders::default()
        );
    }
}
