//! What decides who sets the limits of a notifier's queue that several chains share.

use cloudtasks::QueuePath;
use jiff::Timestamp;

/// What the operator knows of a chain that uses, or has used, the same notifier's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownChain {
    /// It no longer exists.
    Gone,
    /// It exists.
    Exists(NotifierUse),
}

/// How a chain uses its notifier's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifierUse {
    /// The queue.
    pub queue: QueuePath,
    /// Whether its spec has limits for it.
    pub sets_limits: bool,
    /// Whether the chain is being deleted.
    pub is_deleted: bool,
    /// When the chain was created.
    pub created: Timestamp,
}

/// Who sets the limits of a chain's notifier's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitsHolder<'a> {
    /// This chain: its mark is on the queue, or will be when the queue is created.
    Ours,
    /// This chain from now on: nobody's mark is on the queue, or one that no longer counts.
    Follows,
    /// Another chain, as it is written on queues.
    Other(&'a str),
}
