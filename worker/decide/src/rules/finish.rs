//! How the work on a push finishes: with an answer, or with a task to create before it.

use std::time::Duration;

use cloudtasks::QueuePath;

use crate::values::{Answer, EndCause, Outcome, TaskReason};

/// How the work on a push finishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// Send this answer.
    Answer(Answer),
    /// Create this first, then call [`after_create`](super::after_create).
    Create(PendingCreate),
}

/// A task that must exist before Cloud Tasks gets a 2xx.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingCreate {
    /// What to create.
    pub creation: Creation,
    /// Why the task leaves the stage, or is put off.
    pub reason: TaskReason,
    /// The attempts on the stage so far.
    pub attempts: u32,
    /// Whether to leave out the optional parts, because Cloud Tasks refused the whole.
    pub folded: bool,
    /// Whether the task can stay where it is if Cloud Tasks refuses it elsewhere: it leaves for the sake of
    /// others.
    pub may_stay: bool,
    /// The answer to Cloud Tasks if the create fails.
    pub answer_on_failure: Answer,
}

/// What to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Creation {
    /// The same task on this queue.
    NextTask(QueuePath),
    /// The same task on the same queue, due after this time.
    Later(Duration),
    /// The same task in the parking queue, because it ended for this cause. The notification follows.
    Parked(EndCause),
    /// The notification that the task has ended.
    Notification(Outcome),
}
