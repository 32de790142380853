//! Why a task ended without a success.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Why a task ended without a success. Unlike a [`TaskReason`](super::TaskReason) it is one of few, so that
/// metrics can have it as a label, and a manifest can name those whose tasks are parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndCause {
    /// The attempts of the last stage are used up, or its handler wanted to escalate.
    Exhausted,
    /// The handler's verdict was `fail`.
    Fail,
    /// A route led to `Fail`.
    Route,
    /// The task was on its last stage for longer than `GIVE_UP_AFTER`.
    Expired,
    /// The task was handed over more often than any chain has stages.
    Loop,
    /// Cloud Tasks refuses to create the task again.
    Unpassable,
}

/// A text that is not a cause.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not valid: write Exhausted, Fail, Route, Expired, Loop or Unpassable")]
pub struct InvalidEndCause(String);

impl EndCause {
    /// Every cause.
    pub const ALL: [Self; 6] = [
        Self::Exhausted,
        Self::Fail,
        Self::Route,
        Self::Expired,
        Self::Loop,
        Self::Unpassable,
    ];

    /// The cause as manifests and headers name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exhausted => "Exhausted",
            Self::Fail => "Fail",
            Self::Route => "Route",
            Self::Expired => "Expired",
            Self::Loop => "Loop",
            Self::Unpassable => "Unpassable",
        }
    }

    /// The cause as metrics name it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::Fail => "fail",
            Self::Route => "route",
            Self::Expired => "expired",
            Self::Loop => "loop",
            Self::Unpassable => "unpassable",
        }
    }

    /// The set of all causes.
    pub fn all() -> BTreeSet<Self> {
        Self::ALL.into_iter().collect()
    }
}

impl FromStr for EndCause {
    type Err = InvalidEndCause;

    fn from_str(text: &str) -> Result<Self, InvalidEndCause> {
        let mut all = Self::ALL.into_iter();
        all.find(|cause| cause.as_str() == text)
            .ok_or_else(|| InvalidEndCause(text.to_owned()))
    }
}

impl fmt::Display for EndCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
