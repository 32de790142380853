//! How a task leaves a stage: to the next one, by a route, or to its end.

use cloudtasks::QueuePath;

use super::finish::{Creation, Finish, Owed};
use crate::headers::Delivery;
use crate::stage::{Policy, Target};
use crate::values::{Answer, Outcome, Reason};

/// Hand-overs before a task is taken for one that goes round in circles. A ladder has at most 16
/// stages; edits and routes can lead a task over some of them again.
pub const MAX_HOPS: u32 = 64;

/// How a task leaves the stage.
#[derive(Debug, Clone)]
pub(super) struct Leave {
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

/// The task leaves for the next stage; from the last one it goes to its end.
pub(super) fn onward(policy: &Policy, delivery: &Delivery, leave: Leave) -> Finish {
    match &policy.downstream {
        Some(queue) => hand_over(policy, delivery, queue, leave),
        None => end_task(policy, Outcome::Failed, leave),
    }
}

/// The task leaves for where a route leads.
pub(super) fn route(policy: &Policy, delivery: &Delivery, target: &Target, leave: Leave) -> Finish {
    match target {
        Target::Queue(queue) => hand_over(policy, delivery, queue, leave),
        Target::Fail => end_task(policy, Outcome::Failed, leave),
    }
}

fn hand_over(policy: &Policy, delivery: &Delivery, queue: &QueuePath, leave: Leave) -> Finish {
    // Two stages whose routes lead to each other would pass a task between them for ever.
    if delivery.ledger.hop >= MAX_HOPS {
        return end_task(
            policy,
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
pub(super) fn end_task(policy: &Policy, outcome: Outcome, leave: Leave) -> Finish {
    let wanted = policy
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
