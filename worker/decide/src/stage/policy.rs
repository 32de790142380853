//! The policy of a stage: its queues, its attempts, its notifier.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use cloudtasks::{QueuePath, TaskPath};

use super::isolation_rules::IsolationRules;
use super::routes::Routes;
use crate::task::{Ledger, RootId};
use crate::values::{EndCause, StageName};

/// The policy of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagePolicy {
    /// The chain's name.
    pub chain: String,
    /// The stage's name.
    pub stage: StageName,
    /// The queue that feeds the stage.
    pub queue: QueuePath,
    /// N: the attempts on this stage.
    pub max_attempts: NonZeroU32,
    /// The next stage's queue. None on the last stage.
    pub downstream: Option<QueuePath>,
    /// All queues on which an earlier worker may have created the next task: those of the chain's stages
    /// in order, and of stages that were removed less than a day ago.
    pub lookup_queues: Vec<QueuePath>,
    /// Where notifications go.
    pub notifier: Option<NotifierPolicy>,
    /// Where tasks are kept that ended without a success.
    pub parking: Option<ParkingPolicy>,
    /// Queues that kept the chain's tasks before: an earlier worker may have parked a task there and not told
    /// its end. Also if no task is parked any more.
    pub retired_parking: Vec<QueuePath>,
    /// How long a task may stay on the stage while its pushes get no answer, or while its handler asks for
    /// more time.
    pub give_up_after: Duration,
    /// Where tasks go by header, status or reason.
    pub routes: Routes,
    /// Which categories leave the stage while they hang or fail.
    pub isolation: IsolationRules,
    /// Whether the values of categories may be told. They are hashed otherwise.
    pub tell_categories: bool,
    /// How long a pod holds at most whose handler fails for nearly all tasks. None is not at all.
    pub hold_on_outage: Option<Duration>,
    /// Whether the handler says when a task comes again.
    pub retry_after: RetryAfter,
}

/// Whether the handler says when a task comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RetryAfter {
    /// By `Retry-After`.
    #[default]
    Follow,
    /// The header doesn't count, and the verdict `later` is one more failed attempt.
    Ignore,
}

/// Where notifications go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifierPolicy {
    /// The queue that carries the notifications.
    pub queue: QueuePath,
    /// The URL that they are sent to, by POST.
    pub url: String,
    /// Queues that carried the chain's notifications before.
    pub retired: Vec<QueuePath>,
    /// The outcomes to notify of.
    pub on: NotifyOn,
}

/// Where tasks are kept that ended without a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkingPolicy {
    /// The paused queue that keeps them.
    pub queue: QueuePath,
    /// The causes whose tasks are kept.
    pub keep: BTreeSet<EndCause>,
}

/// The outcomes to notify of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotifyOn {
    /// The handler succeeded.
    pub succeeded: bool,
    /// No stage succeeded.
    pub failed: bool,
}

impl StagePolicy {
    /// Whether a task with this ledger may have been handed over to this queue. Producers create tasks on
    /// the chain's first queue, and may write any ledger and any id. Until the stages are reordered, no
    /// task that began there comes back, so a producer can't pass its task off as one of those. It stays
    /// there if it is put off: then its ledger says so, and was never handed over. A redrive may create it
    /// there in a later life.
    pub fn is_handed(&self, ledger: &Ledger) -> bool {
        if !self.is_first() {
            return true;
        }
        let first = QueuePath {
            id: ledger.queue.clone(),
            ..self.queue.clone()
        };
        let began_here = first == self.queue;
        let root = RootId::of(&first.task(ledger.task.clone()));
        if let Some(life) = &ledger.life {
            return life.first == root;
        }
        let was_put_off = ledger.hop == 0 && ledger.stay.is_some();
        began_here == was_put_off && ledger.root == root
    }

    /// Whether a task that ends for this cause is parked. One that was redriven is always: a redrive counts
    /// what fails again in the parking queue.
    pub fn parks(&self, cause: EndCause, ledger: &Ledger) -> bool {
        let parking = self.parking.as_ref();
        parking.is_some_and(|parking| ledger.life.is_some() || parking.keep.contains(&cause))
    }

    /// The parked tasks of which one exists if this task has ended and was parked.
    pub fn parked_tasks(&self, ledger: &Ledger) -> Vec<TaskPath> {
        let parked = ledger.root.parked();
        let now = self.parking.iter().map(|parking| &parking.queue);
        let queues = now.chain(&self.retired_parking);
        queues.map(|queue| queue.task(parked.clone())).collect()
    }

    /// Whether producers create tasks on this stage's queue.
    fn is_first(&self) -> bool {
        self.lookup_queues.first() == Some(&self.queue)
    }

    /// The tasks of which one exists if this stage has finished with a task: its notification, its next
    /// hop on every queue where an earlier worker may have created it, and the task itself, put off.
    pub fn successor_tasks(&self, ledger: &Ledger) -> Vec<TaskPath> {
        let notification = ledger.root.notification();
        let next = ledger.next_task();
        let notifiers = self
            .notifier
            .iter()
            .flat_map(|n| std::iter::once(&n.queue).chain(&n.retired));
        // A producer may have used the name on the first queue, where no hand-over created it.
        let lookup_queues = match self.lookup_queues.split_first() {
            Some((first, later)) if first.id == ledger.queue => later,
            _ => &self.lookup_queues,
        };
        let stages = self
            .downstream
            .iter()
            .chain(lookup_queues)
            .chain(self.routes.queues())
            .chain(self.isolation.queues());
        // Also if no worker puts tasks off any more: before an edit one may have.
        let later = [self.queue.task(ledger.later_task())];
        let mut paths: Vec<TaskPath> = notifiers
            .map(|queue| queue.task(notification.clone()))
            .chain(stages.map(|queue| queue.task(next.clone())))
            .chain(later)
            .collect();
        paths.sort();
        paths.dedup();
        paths
    }
}
