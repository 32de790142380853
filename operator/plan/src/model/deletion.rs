//! How a chain is deleted.

use crds::DeletionPolicy;

/// How a chain is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// As its policy says.
    ByPolicy(DeletionPolicy),
    /// Its workers are deleted, and its queues stay as they are: Cloud Tasks has failed for too long.
    WithoutQueues,
}

impl Deletion {
    /// Whether it depends on the chain's queues.
    pub fn needs_queues(self) -> bool {
        match self {
            Self::ByPolicy(
                DeletionPolicy::Retain | DeletionPolicy::Drain | DeletionPolicy::Delete,
            ) => true,
            Self::ByPolicy(DeletionPolicy::Orphan) | Self::WithoutQueues => false,
        }
    }
}
