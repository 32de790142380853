//! What a stage is told about itself and its chain.

use std::num::NonZeroU32;
use std::time::Duration;

use cloudtasks::{QueuePath, TaskPath};

use super::routes::Routes;
use crate::task::Ledger;
use crate::values::StageName;

/// What a stage is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The chain's name.
    pub chain: String,
    /// The stage's name.
    pub stage: StageName,
    /// The queue that feeds the stage.
    pub queue: QueuePath,
    /// N: how often the handler runs before the task moves on.
    pub max_attempts: NonZeroU32,
    /// The next stage's queue; none on the last stage.
    pub downstream: Option<QueuePath>,
    /// Every queue on which an earlier worker may have put the next task: all of the chain's
    /// stages, and those that it had until a day ago.
    pub lookup_queues: Vec<QueuePath>,
    /// Who is told how a task ended.
    pub notifier: Option<Notifier>,
    /// How long a task may stay on the stage while its pushes go unanswered.
    pub give_up_after: Duration,
    /// Where to go by header, status or reason.
    pub routes: Routes,
}

/// How the client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notifier {
    /// The queue that carries the notifications.
    pub queue: QueuePath,
    /// Where they are sent, by POST.
    pub url: String,
    /// Queues that carried them until a day ago.
    pub retired: Vec<QueuePath>,
    /// Which outcomes are told.
    pub on: NotifyOn,
}

/// The outcomes that the client wants to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotifyOn {
    /// The handler has succeeded.
    pub succeeded: bool,
    /// The ladder has ended without a success.
    pub failed: bool,
}

impl Policy {
    /// All names that say that this stage is done with a task: its notification, and its next
    /// hop on every queue that it may have been put on.
    pub fn ends_of(&self, ledger: &Ledger) -> Vec<TaskPath> {
        let notification = ledger.root.notification();
        let next = ledger.next_task();
        let notifiers = self
            .notifier
            .iter()
            .flat_map(|n| std::iter::once(&n.queue).chain(&n.retired));
        let stages = self
            .downstream
            .iter()
            .chain(&self.lookup_queues)
            .chain(self.routes.queues());
        let mut paths: Vec<TaskPath> = notifiers
            .map(|queue| queue.task(notification.clone()))
            .chain(stages.map(|queue| queue.task(next.clone())))
            .collect();
        paths.sort();
        paths.dedup();
        paths
    }
}
