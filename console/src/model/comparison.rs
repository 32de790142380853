//! What has become of a stage since an override is in force.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The numbers of what was found on a stage, before an override and now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// Whether the override has helped.
    pub verdict: Verdict,
    /// Both numbers: `61% of the runs timed out before (55 of 90 in 12s), 0% now (0 of 412 in 10s)`.
    pub message: String,
}

/// Whether an override has helped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// The present numbers are still those of the time before, or too few.
    NotKnownYet,
    /// What was found is clearly less.
    Helped,
    /// It isn't clearly less.
    NotClearly,
}

impl Verdict {
    fn phrase(self) -> &'static str {
        match self {
            Self::NotKnownYet => "Not known yet whether it helps",
            Self::Helped => "It has helped",
            Self::NotClearly => "It has not clearly helped",
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.verdict.phrase(), self.message)
    }
}
