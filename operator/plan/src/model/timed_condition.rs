//! What has to hold for a while before a step is safe. A plan is given how long each condition has
//! held; after a restart the wait begins again.

use cloudtasks::{OidcToken, QueuePath};

/// Something that holds now, and whose duration matters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimedCondition {
    /// No ready pod takes the pushes of this stage's queue, or they don't reach it. By child name, as
    /// the next two.
    Unserved(String),
    /// The stage is to have so many pods, more than before, and not all are ready yet.
    ScalesUp(String, i32),
    /// Some pods of the stage are not ready or not up to date.
    RolloutIncomplete(String),
    /// The queue pushes to the workers of the spec, and former workers exist.
    Readdressed(QueuePath),
    /// The queue sends this token, as the spec says.
    SendsToken(QueuePath, OidcToken),
    /// The route of this name exists, and no queue pushes to it any more.
    RouteUnused(String),
    /// The removed stage's queue has no tasks, and no worker hands any over to it.
    Drained(QueuePath),
    /// No queue of the chain has tasks.
    ChainIsEmpty,
}
