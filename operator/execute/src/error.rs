//! What can go wrong while a plan is carried out.

use plan::Problem;

/// Why a plan could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The chain can't be served as it is.
    #[error("{0}")]
    Problem(#[from] Problem),
    /// Cloud Tasks refused or failed a call.
    #[error("{0}")]
    CloudTasks(#[from] cloudtasks::Error),
    /// Another operator is the leader, or may be soon.
    #[error("this operator is no longer the leader: the new leader continues")]
    NotLeader,
}
