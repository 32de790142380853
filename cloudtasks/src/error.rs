//! Errors of Cloud Tasks, classified by what the caller can do.

use std::time::Duration;

/// Why a transport can't connect; its causes say more.
#[cfg(feature = "client")]
pub(crate) type ConnectError = Box<dyn std::error::Error + Send + Sync>;

/// Why a call failed. The variants are the caller's choices, not gRPC's codes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The queue, the task or the location does not exist.
    #[error("{resource} does not exist ({message})")]
    Missing {
        /// The resource.
        resource: String,
        /// Cloud Tasks' own message.
        message: String,
    },
    /// The resource exists.
    #[error("{resource} already exists")]
    Exists {
        /// The resource.
        resource: String,
    },
    /// A queue of this name was deleted recently.
    #[error(
        "{resource} was deleted recently, and its name is blocked for up to 7 days: wait, or use another name"
    )]
    ExistedTooRecently {
        /// The resource.
        resource: String,
    },
    /// The request is invalid; a retry fails the same way.
    #[error("Cloud Tasks refuses {resource}: {message}")]
    Refused {
        /// The resource.
        resource: String,
        /// Cloud Tasks' own message.
        message: String,
    },
    /// The request is valid, but not in the resource's present state, such as a disabled queue or a
    /// project without billing. It may succeed later.
    #[error("Cloud Tasks refuses this call for {resource} in its current state: {message}")]
    NotNow {
        /// The resource.
        resource: String,
        /// Cloud Tasks' own message.
        message: String,
    },
    /// Cloud Tasks doesn't have this call, such as an emulator that lacks it.
    #[error("Cloud Tasks does not implement this call for {resource}: {message}")]
    Unimplemented {
        /// The resource.
        resource: String,
        /// Cloud Tasks' own message.
        message: String,
    },
    /// The credentials lack a permission.
    #[error("no permission for {resource}: {message}; grant the role, or use other credentials")]
    Forbidden {
        /// The resource.
        resource: String,
        /// Cloud Tasks' own message.
        message: String,
    },
    /// A quota is exhausted. Retry after a long wait, with jitter.
    #[error("a quota for {resource} is exhausted: {message}")]
    Quota {
        /// The resource.
        resource: String,
        /// Cloud Tasks' own message.
        message: String,
    },
    /// Cloud Tasks can't be reached, or failed itself. The call may have taken effect. Retry.
    #[error("Cloud Tasks is unavailable ({message})")]
    Away {
        /// The last error.
        message: String,
    },
    /// The call timed out. It may have taken effect. Retry.
    #[error("Cloud Tasks did not answer a call for {resource} within {after:?}")]
    TimedOut {
        /// The resource.
        resource: String,
        /// The timeout.
        after: Duration,
    },
    /// The client could not be set up, or could not connect.
    #[error("can't reach Cloud Tasks at {message}")]
    Setup {
        /// The address, and what is wrong.
        message: String,
    },
}

impl Error {
    /// Whether the same call may succeed if retried.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Away { .. } | Self::TimedOut { .. } | Self::Quota { .. }
        )
    }
}
