//! Why a chain can't be served: a reason for its condition, and a sentence.

use cloudtasks::QueuePath;
use crds::conditions::Reason;

/// What prevents a chain from being served. Other chains are not affected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// The reason of the condition.
    pub reason: Reason,
    /// What is wrong, where, and what to do.
    pub message: String,
}

impl Problem {
    /// A problem of the given reason.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }

    /// The spec passed the schema and still can't be served.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Reason::InvalidSpec, message)
    }
}

impl From<&cloudtasks::Error> for Problem {
    fn from(error: &cloudtasks::Error) -> Self {
        use cloudtasks::Error;
        let reason = match error {
            // A queue that was deleted since it was read; the next read finds it missing.
            Error::Missing { resource, .. } if resource.parse::<QueuePath>().is_ok() => {
                Reason::QueueMissing
            }
            Error::Missing { .. } => Reason::ProjectNotFound,
            Error::ExistedTooRecently { .. } => Reason::QueueNameBlocked,
            // A queue that was created since the last read; the next read finds it.
            Error::Exists { .. } => Reason::Progressing,
            Error::Refused { .. } | Error::NotNow { .. } | Error::Unimplemented { .. } => {
                Reason::QueueRefused
            }
            Error::Forbidden { .. } => Reason::PermissionDenied,
            Error::Quota { .. } => Reason::QuotaExceeded,
            Error::Away { .. } | Error::TimedOut { .. } | Error::Setup { .. } => {
                Reason::CloudTasksAway
            }
        };
        Self::new(reason, error.to_string())
    }
}
