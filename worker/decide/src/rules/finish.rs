//! How the work on a push ends, and what may have to be created first.

use cloudtasks::QueuePath;

use crate::values::{Answer, Outcome, Reason};

/// How the work on a push ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// Answer so.
    Answer(Answer),
    /// Create this first.
    Create(Owed),
}

/// A task that must exist before Cloud Tasks hears a 2xx.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// What to create.
    pub creation: Creation,
    /// Why the task leaves the stage.
    pub reason: Reason,
    /// The attempts that it had there.
    pub attempts: u32,
    /// Whether to leave out all that can be left out, because the whole was refused.
    pub folded: bool,
    /// What Cloud Tasks is told while it can't be created.
    pub until_then: Answer,
}

/// What to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Creation {
    /// The same task, on this queue.
    NextTask(QueuePath),
    /// The notification that the task has ended.
    Notification(Outcome),
}
