//! The live numbers of a stage's queue. Metrics show them.

use cloudtasks::QueuePath;
use console::{Known, QueueNumbers};

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
    pub numbers: Known<QueueNumbers>,
}
