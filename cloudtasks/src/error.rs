//! Errors of Cloud Tasks, sorted by what a caller can do about them.

use std::time::Duration;

/// Why a call failed. The variants are the caller's choices, not gRPC's codes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The queue or the task isn't there.
    #[error("{resource} does not exist ({message})")]
    Missing {
        /// What was asked for.
        resource: String,
        /// Cloud Tasks' own words.
        message: String,
    },
    /// It is there already.
    #[error("{resource} exists already")]
    Exists {
        /// What was to be created.
        resource: String,
    },
    /// A queue of this name was deleted a few days ago at most.
    #[error(
        "{resource} was deleted recently and its name is blocked for up to 7 days: wait, or use another name"
    )]
    ExistedTooRecently {
        /// What was to be created.
        resource: String,
    },
    /// The request itself is wrong; the same request will be refused again.
    #[error("Cloud Tasks refuses {resource}: {message}")]
    Refused {
        /// What the request was about.
        resource: String,
        /// Cloud Tasks' own words.
        message: String,
    },
    /// The request is right and its resource can't do it now: a queue that is disabled, a project
    /// without billing. It may later.
    #[error("{resource} can't do that now: {message}")]
    NotNow {
        /// What the request was about.
        resource: String,
        /// Cloud Tasks' own words.
        message: String,
    },
    /// The credentials don't allow it.
    #[error("no permission for {resource}: {message}; grant the role, or use other credentials")]
    Forbidden {
        /// What the request was about.
        resource: String,
        /// Cloud Tasks' own words.
        message: String,
    },
    /// A quota is used up. Wait long, with jitter.
    #[error("a quota for {resource} is used up: {message}")]
    Quota {
        /// What the request was about.
        resource: String,
        /// Cloud Tasks' own words.
        message: String,
    },
    /// Cloud Tasks can't be reached, or answered with a fault of its own. The call may have been
    /// carried out all the same. Try again.
    #[error("Cloud Tasks is away ({message})")]
    Away {
        /// The last that was heard.
        message: String,
    },
    /// No answer in time. The call may have been carried out all the same. Try again.
    #[error("Cloud Tasks did not answer about {resource} within {after:?}")]
    TimedOut {
        /// What the request was about.
        resource: String,
        /// How long the caller waited.
        after: Duration,
    },
    /// The client could not be set up, or found nobody to connect to.
    #[error("can't reach Cloud Tasks at {message}")]
    Setup {
        /// Where it should be, and what is wrong.
        message: String,
    },
}

impl Error {
    /// A word for metrics and Events, from a bounded set.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing",
            Self::Exists { .. } => "exists",
            Self::ExistedTooRecently { .. } => "existed_too_recently",
            Self::Refused { .. } => "refused",
            Self::NotNow { .. } => "not_now",
            Self::Forbidden { .. } => "forbidden",
            Self::Quota { .. } => "quota",
            Self::Away { .. } => "away",
            Self::TimedOut { .. } => "timed_out",
            Self::Setup { .. } => "setup",
        }
    }

    /// Whether the same call may succeed when it is made again soon.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Away { .. } | Self::TimedOut { .. } | Self::Quota { .. }
        )
    }
}
