//! What a handler says about a failed attempt, besides its status.

use http::HeaderMap;

use crate::values::Reason;

/// The header in which a handler says what should become of the task.
pub const VERDICT: &str = "executor-verdict";
/// The header in which a handler says why, in one word.
pub const REASON: &str = "executor-reason";

/// What should become of a task whose attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Another attempt on this stage, while the budget lasts: the same as saying nothing.
    Retry,
    /// On to the next stage at once.
    Escalate,
    /// No stage can do it: end as Failed at once.
    Fail,
}

/// The handler's own words, from the headers of its answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// Its verdict.
    pub verdict: Option<Verdict>,
    /// Its reason.
    pub reason: Option<Reason>,
    /// The headers that it gave and that say nothing we know. They never lose a task: the attempt
    /// just failed. Worth a line in the log.
    pub unreadable: Vec<&'static str>,
}

impl Said {
    /// Reads the headers of a handler's answer.
    pub fn read(headers: &HeaderMap) -> Self {
        let mut said = Self::default();
        if let Some(value) = headers.get(VERDICT) {
            said.verdict = match value.as_bytes() {
                b"retry" => Some(Verdict::Retry),
                b"escalate" => Some(Verdict::Escalate),
                b"fail" => Some(Verdict::Fail),
                _ => {
                    said.unreadable.push(VERDICT);
                    None
                }
            };
        }
        if let Some(value) = headers.get(REASON) {
            said.reason = value.to_str().ok().and_then(|text| text.parse().ok());
            if said.reason.is_none() {
                said.unreadable.push(REASON);
            }
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn said(verdict: &'static str, reason: &'static [u8]) -> Said {
        let mut headers = HeaderMap::new();
        headers.insert(VERDICT, HeaderValue::from_static(verdict));
        headers.insert(REASON, HeaderValue::from_bytes(reason).unwrap());
        Said::read(&headers)
    }

    #[test]
    fn words_we_know_are_understood_and_others_named() {
        let known = said("escalate", b"too-big");
        assert_eq!(known.verdict, Some(Verdict::Escalate));
        assert_eq!(known.reason.unwrap().as_str(), "too-big");
        assert_eq!(known.unreadable, [""; 0]);

        let unknown = said("explode", b"\xff two words");
        assert_eq!(unknown.verdict, None);
        assert_eq!(unknown.reason, None);
        assert_eq!(unknown.unreadable, [VERDICT, REASON]);

        assert_eq!(Said::read(&HeaderMap::new()), Said::default());
    }
}
