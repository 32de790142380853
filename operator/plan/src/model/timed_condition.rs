//! What has to hold for a while before something may be done. How long it has held is a value that a
//! plan is given; who forgets it, waits once more.

use cloudtasks::{OidcToken, QueuePath};

/// Something that holds now, and of which it matters for how long.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimedCondition {
    /// No ready pod takes the pushes of the queue of the stage with this child, or they don't come
    /// through to it.
    Unserved(String),
    /// The stage with this child is to have more pods than it had, and not so many are ready yet.
    Grows(String, i32),
    /// The stage with this child has some pods that are not ready, or not as its Deployment says now.
    Incomplete(String),
    /// The queue pushes to the workers that the spec gives it, and former ones are still there.
    Readdressed(QueuePath),
    /// The queue sends this token, which is what the spec says.
    Signs(QueuePath, OidcToken),
    /// The route of this name is there, and nothing is pushed to it any more.
    Bypassed(String),
    /// The removed stage's queue has no tasks, and nobody hands it any.
    Drained(QueuePath),
    /// No queue of the chain has tasks.
    ChainIsEmpty,
}
