//! The live numbers of the queues of a chain's stages, and of those that keep its parked tasks. Metrics
//! show them.

use std::time::Duration;

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

/// The numbers of a queue that keeps parked tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct ParkingNumbers {
    /// The chain.
    pub chain: NamespacedName,
    /// The queue.
    pub queue: QueuePath,
    /// How many tasks it keeps.
    pub tasks: u64,
    /// How long it has kept the oldest.
    pub oldest: Option<Duration>,
}

/// What metrics show of queues.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AllNumbers {
    /// Of stages.
    pub stages: Vec<StageNumbers>,
    /// Of parking queues whose numbers are known.
    pub parking: Vec<ParkingNumbers>,
}
