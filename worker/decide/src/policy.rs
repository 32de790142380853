//! What a stage is told about itself and its chain, and where a task goes from it.

use std::num::NonZeroU32;
use std::time::Duration;

use cloudtasks::{QueuePath, TaskPath};

use crate::answer::Answer;
use crate::delivery::Delivery;
use crate::ledger::Ledger;
use crate::routes::{Routes, Target};
use crate::words::{Reason, StageName};

/// Hand-overs before a task is taken for one that goes round in circles. A ladder has at most 16
/// stages; edits and routes can lead a task over some of them again.
pub const MAX_HOPS: u32 = 64;

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

/// How a task ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The handler has succeeded.
    Succeeded,
    /// The ladder has ended without a success.
    Failed,
}

impl Outcome {
    /// As it stands in an event.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

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

    /// The task leaves for the next stage; from the last one it goes to its end.
    pub(crate) fn onward(&self, delivery: &Delivery, leave: Leave) -> Finish {
        match &self.downstream {
            Some(queue) => self.hand_over(delivery, queue, leave),
            None => self.end(Outcome::Failed, leave),
        }
    }

    /// The task leaves for where a route leads.
    pub(crate) fn route(&self, delivery: &Delivery, target: &Target, leave: Leave) -> Finish {
        match target {
            Target::Queue(queue) => self.hand_over(delivery, queue, leave),
            Target::Fail => self.end(Outcome::Failed, leave),
        }
    }

    fn hand_over(&self, delivery: &Delivery, queue: &QueuePath, leave: Leave) -> Finish {
        // Two stages whose routes lead to each other would pass a task between them for ever.
        if delivery.ledger.hop >= MAX_HOPS {
            return self.end(
                Outcome::Failed,
                Leave {
                    reason: Reason::LOOP,
                    ..leave
                },
            );
        }
        leave.creating(Creation::NextTask(queue.clone()))
    }

    /// The task ends. What the client does not want to hear is not created, and then nothing is
    /// owed.
    pub(crate) fn end(&self, outcome: Outcome, leave: Leave) -> Finish {
        let wanted = self
            .notifier
            .as_ref()
            .is_some_and(|notifier| match outcome {
                Outcome::Succeeded => notifier.on.succeeded,
                Outcome::Failed => notifier.on.failed,
            });
        if wanted {
            leave.creating(Creation::Notification(outcome))
        } else {
            Finish::Answer(Answer::Done)
        }
    }
}

/// How a task leaves the stage.
#[derive(Debug, Clone)]
pub(crate) struct Leave {
    pub reason: Reason,
    pub attempts: u32,
    pub until_then: Answer,
}

impl Leave {
    fn creating(self, creation: Creation) -> Finish {
        let Self {
            reason,
            attempts,
            until_then,
        } = self;
        Finish::Create(Owed {
            creation,
            reason,
            attempts,
            folded: false,
            until_then,
        })
    }
}
