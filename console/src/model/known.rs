//! A value, or why it is unknown.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A value, or why it is unknown. In JSON it is the value, or `{"unknown": "stale"}`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Known<T> {
    /// It is unknown.
    Unknown {
        /// Why.
        unknown: Unknown,
    },
    /// It is known.
    Known(T),
}

/// Why numbers are unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Unknown {
    /// Cloud Tasks has returned the queue without numbers.
    Absent,
    /// The credentials lack a permission.
    Forbidden,
    /// A quota is exhausted.
    Quota,
    /// Cloud Tasks refuses the call.
    Refused,
    /// The numbers are older than three periods: no newer answer has come.
    Stale,
    /// Cloud Tasks doesn't support the call (normal with an emulator).
    Unimplemented,
    /// Nobody has asked yet.
    Pending,
    /// The operator is told not to ask.
    TurnedOff,
    /// The stage has no ready pod that could be asked.
    NoPods,
    /// The operator can't be reached.
    NoOperator,
}

impl<T> Known<T> {
    /// The value.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown { .. } => None,
        }
    }

    /// Why it is unknown.
    pub fn unknown(&self) -> Option<Unknown> {
        match self {
            Self::Known(_) => None,
            Self::Unknown { unknown } => Some(*unknown),
        }
    }
}

impl<T> From<Result<T, Unknown>> for Known<T> {
    fn from(result: Result<T, Unknown>) -> Self {
        match result {
            Ok(value) => Self::Known(value),
            Err(unknown) => Self::Unknown { unknown },
        }
    }
}

impl<T> From<Unknown> for Known<T> {
    fn from(unknown: Unknown) -> Self {
        Self::Unknown { unknown }
    }
}

impl Unknown {
    /// As metrics, logs and JSON have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Forbidden => "forbidden",
            Self::Quota => "quota",
            Self::Refused => "refused",
            Self::Stale => "stale",
            Self::Unimplemented => "unimplemented",
            Self::Pending => "pending",
            Self::TurnedOff => "turnedOff",
            Self::NoPods => "noPods",
            Self::NoOperator => "noOperator",
        }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "Cloud Tasks returns the queue without its numbers",
            Self::Forbidden => "the operator lacks the permission cloudtasks.queues.list",
            Self::Quota => "a quota of Cloud Tasks is exhausted",
            Self::Refused => "Cloud Tasks refuses the call",
            Self::Stale => "no answer for three periods",
            Self::Unimplemented => "Cloud Tasks doesn't support the call (normal with an emulator)",
            Self::Pending => "not asked yet",
            Self::TurnedOff => "the operator doesn't ask: --queue-stats-interval=0s",
            Self::NoPods => "the stage has no ready pod",
            Self::NoOperator => "the operator can't be reached",
        })
    }
}
