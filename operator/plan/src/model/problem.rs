//! Why a chain can't be served: a reason for its condition, and a sentence.

use cloudtasks::QueuePath;
use crds::conditions;

/// What stands in the way of a chain. Other chains go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// One of [`crds::conditions::REASONS`].
    pub reason: &'static str,
    /// What it is and how to mend it.
    pub message: String,
}

impl Problem {
    /// A problem of the given reason.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }

    /// The spec passed the schema and still can't be served.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(conditions::INVALID_SPEC, message)
    }
}

impl From<&cloudtasks::Error> for Problem {
    fn from(error: &cloudtasks::Error) -> Self {
        use cloudtasks::Error;
        let reason = match error {
            // A queue that went away after we saw it; the next look finds it missing.
            Error::Missing { resource, .. } if resource.parse::<QueuePath>().is_ok() => {
                conditions::QUEUE_MISSING
            }
            Error::Missing { .. } => conditions::PROJECT_NOT_FOUND,
            Error::ExistedTooRecently { .. } => conditions::QUEUE_NAME_BLOCKED,
            // Made since we looked; the next look finds it.
            Error::Exists { .. } => conditions::PROGRESSING,
            Error::Refused { .. } | Error::NotNow { .. } => conditions::QUEUE_REFUSED,
            Error::Forbidden { .. } => conditions::PERMISSION_DENIED,
            Error::Quota { .. } => conditions::QUOTA_EXCEEDED,
            Error::Away { .. } | Error::TimedOut { .. } | Error::Setup { .. } => {
                conditions::CLOUD_TASKS_AWAY
            }
        };
        Self::new(reason, error.to_string())
    }
}
