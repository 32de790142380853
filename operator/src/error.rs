//! What can go wrong in the operator.

use std::time::Duration;

use crds::conditions::Reason;
use kube::core::Status;
use plan::Problem;

/// Why a chain could not be reconciled, or why the operator could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The chain can't be served as it is.
    #[error("{0}")]
    Problem(#[from] Problem),
    /// Cloud Tasks refused or failed a call.
    #[error("{0}")]
    CloudTasks(#[from] cloudtasks::Error),
    /// The deletion policy of a deleted chain could not be carried out yet.
    #[error(
        "the chain is deleted, but its deletionPolicy could not be carried out on its queues: {error}. At {until} the finalizer is removed regardless"
    )]
    DeletionBlocked {
        /// What went wrong.
        error: cloudtasks::Error,
        /// When the finalizer is removed regardless.
        until: jiff::Timestamp,
    },
    /// The API server refused or failed a call.
    #[error("the API server failed to {action}: {source}")]
    Kubernetes {
        /// What was to be done.
        action: String,
        /// The client's error.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server did not answer.
    #[error("the API server did not {action} within {after:?}")]
    TimedOut {
        /// What was to be done.
        action: String,
        /// The time limit.
        after: Duration,
    },
    /// Another operator is the leader, or may be soon.
    #[error("this operator is no longer the leader: the new leader continues")]
    NotLeader,
    /// The cluster can't be accessed.
    #[error("no access to a cluster ({0}): set KUBECONFIG, or run in a pod with a service account")]
    NoCluster(String),
    /// The admin address can't be used.
    #[error(
        "can't serve health and metrics on {addresses:?}: {source}; choose another --admin-addr"
    )]
    Admin {
        /// The addresses that were tried.
        addresses: Vec<std::net::SocketAddr>,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
}

impl From<execute::Error> for Error {
    fn from(error: execute::Error) -> Self {
        match error {
            execute::Error::Problem(problem) => Self::Problem(problem),
            execute::Error::CloudTasks(error) => Self::CloudTasks(error),
            execute::Error::NotLeader => Self::NotLeader,
        }
    }
}

impl Error {
    /// Whether the object of a call doesn't exist.
    pub fn is_not_found(&self) -> bool {
        self.api_status().is_some_and(|status| status.code == 404)
    }

    /// Whether an object exists that was to be created.
    pub fn exists(&self) -> bool {
        self.api_status()
            .is_some_and(|status| status.reason == "AlreadyExists")
    }

    /// Whether the object of a write has another version by now.
    pub fn is_conflict(&self) -> bool {
        self.api_status()
            .is_some_and(|status| status.reason == "Conflict")
    }

    /// The API server's message, if it forbids a call.
    pub fn forbidden(&self) -> Option<&str> {
        let status = self.api_status().filter(|status| status.code == 403)?;
        Some(&status.message)
    }

    /// Whether a write was refused because the namespace is terminating.
    pub fn is_namespace_terminating(&self) -> bool {
        let message = self.forbidden();
        message.is_some_and(|message| message.contains("is being terminated"))
    }

    fn api_status(&self) -> Option<&Status> {
        let Self::Kubernetes { source, .. } = self else {
            return None;
        };
        match source.as_ref() {
            kube::Error::Api(status) => Some(status),
            _ => None,
        }
    }

    /// The reason and the message of the chain's condition.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Problem(problem) => problem.clone(),
            Self::CloudTasks(error) => Problem::from(error),
            Self::DeletionBlocked { error, .. } => {
                Problem::new(Problem::from(error).reason, self.to_string())
            }
            Self::Kubernetes { .. }
            | Self::TimedOut { .. }
            // These get into no status.
            | Self::NotLeader
            | Self::NoCluster(_)
            | Self::Admin { .. } => Problem::new(Reason::KubernetesError, self.to_string()),
        }
    }
}
