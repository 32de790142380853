//! The live numbers of a stage's queue. Metrics show them.

use std::time::Duration;

use cloudtasks::{QueuePath, QueueStats};

use crate::chain::NamespacedName;

/// The numbers of one stage's queue.
#[derive(Debug, Clone, PartialEq)]
pub struct StageNumbers {
    /// The stage's chain.
    pub chain: NamespacedName,
    /// Its name in the chain.
    pub stage: String,
    /// Its queue.
    pub queue: QueuePath,
    /// The numbers, or why there are none.
    pub numbers: Result<Numbers, Unknown>,
}

/// What Cloud Tasks has reported of a queue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Numbers {
    /// As reported.
    pub stats: QueueStats,
    /// For how long the first task had been due at that time; `None` if Cloud Tasks doesn't say.
    pub lag: Option<Duration>,
}

/// Why numbers are unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unknown {
    /// Cloud Tasks has returned the queue without numbers.
    Absent,
    /// The credentials lack a permission.
    Forbidden,
    /// A quota is exhausted.
    Quota,
    /// Cloud Tasks refuses the call.
    Refused,
    /// No answer for three periods: Cloud Tasks is away, or edits need all calls.
    Stale,
    /// Cloud Tasks doesn't have the call, such as the emulator.
    Unimplemented,
}

impl Unknown {
    /// As metrics and logs have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Forbidden => "forbidden",
            Self::Quota => "quota",
            Self::Refused => "refused",
            Self::Stale => "stale",
            Self::Unimplemented => "unimplemented",
        }
    }
}
