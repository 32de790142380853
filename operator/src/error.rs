//! What can go wrong while a chain is reconciled.

use std::time::Duration;

use crds::conditions::Reason;
use plan::Problem;

/// Why a chain could not be reconciled, or why the operator could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The chain can't be served as it stands.
    #[error("{0}")]
    Problem(#[from] Problem),
    /// Cloud Tasks refused or failed a call.
    #[error("{0}")]
    CloudTasks(#[from] cloudtasks::Error),
    /// What a deleted chain's policy asks of its queues could not be done, yet.
    #[error(
        "the chain is deleted, and its queues must first be paused, or deleted, as its deletionPolicy says: {error}. From {until} on it goes without"
    )]
    NotEnded {
        /// What went wrong.
        error: cloudtasks::Error,
        /// When it goes all the same.
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
        /// How long we waited.
        after: Duration,
    },
    /// Somebody else is the leader, or may be soon.
    #[error("this operator is no longer the leader: the one that is will go on")]
    NotLeader,
    /// No way to the API server.
    #[error("no access to a cluster ({0}): set KUBECONFIG, or run in a pod with a service account")]
    NoCluster(String),
    /// The admin address can't be used.
    #[error("can't serve health and metrics on {address}: {source}; choose another --admin-addr")]
    Admin {
        /// The address.
        address: std::net::SocketAddr,
        /// The system's word.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// The reason and the sentence that the chain's condition gets.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Problem(problem) => problem.clone(),
            Self::CloudTasks(error) => Problem::from(error),
            Self::NotEnded { error, .. } => {
                Problem::new(Problem::from(error).reason, self.to_string())
            }
            Self::Kubernetes { .. }
            | Self::TimedOut { .. }
            // It stands in no status.
            | Self::NotLeader
            | Self::NoCluster(_)
            | Self::Admin { .. } => Problem::new(Reason::KubernetesError, self.to_string()),
        }
    }

    /// How long to wait before the next try, after `failures` in a row: what only a person can mend
    /// is looked at now and then, and a quota needs time.
    pub fn retry_after(&self, failures: u32) -> Duration {
        let exponential = |at_most: u32| Duration::from_secs(1 << failures.min(at_most));
        match self {
            // Whoever mends these mends them in the cluster, where looking costs little and nobody
            // tells us: a Deployment that isn't ours is gone, a right is given.
            Self::Problem(problem)
                if [
                    Reason::NameTaken,
                    Reason::GatewayApiMissing,
                    Reason::KubernetesError,
                ]
                .contains(&problem.reason) =>
            {
                Duration::from_secs(8)
            }
            Self::Kubernetes { .. } => exponential(3),
            Self::Problem(_) => Duration::from_secs(30),
            Self::CloudTasks(cloudtasks::Error::Quota { .. }) => {
                exponential(5).max(Duration::from_secs(15))
            }
            Self::CloudTasks(_)
            | Self::NotEnded { .. }
            | Self::TimedOut { .. }
            | Self::NotLeader
            | Self::NoCluster(_)
            | Self::Admin { .. } => exponential(5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mended_in_the_cluster_is_looked_at_again_soon() {
        let refused = Error::Kubernetes {
            action: "apply Deployment orders-fast".into(),
            source: Box::new(kube::Error::LinesCodecMaxLineLengthExceeded),
        };
        let taken = Problem::new(Reason::NameTaken, "Deployment orders-fast exists");
        for (error, seconds) in [
            (refused, [1, 2, 8, 8]),
            (taken.into(), [8, 8, 8, 8]),
            (Problem::invalid("no project").into(), [30, 30, 30, 30]),
        ] {
            let waits = [0, 1, 3, 9].map(|failures| error.retry_after(failures).as_secs());
            assert_eq!(waits, seconds, "{error}");
        }
    }
}
