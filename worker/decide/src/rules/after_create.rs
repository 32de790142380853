//! What follows an attempt to create a task: rule B5.

use super::finish::{Creation, Finish, PendingCreate};
use super::stage_exit::StageExit;
use crate::headers::Delivery;
use crate::stage::StagePolicy;
use crate::values::{Answer, EndCause, Outcome, TaskReason};

/// The result of a create, retries included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateResult {
    /// The task exists: this dispatch created it, or an earlier one did.
    Exists,
    /// Cloud Tasks refuses the task as it is.
    Refused,
    /// It is unknown whether the task exists.
    Unknown,
    /// The task doesn't exist: each try was refused for want of a quota.
    NotCreated,
    /// The task doesn't exist: there is no such queue, it takes no tasks, or not from this worker.
    NoQueue,
    /// Nothing was created: the task that was to be handed over is deleted.
    Deleted,
}

/// Decides what follows a create.
pub fn after_create(
    delivery: &Delivery,
    policy: &StagePolicy,
    pending: PendingCreate,
    result: CreateResult,
) -> Finish {
    if let Creation::Parked(cause) = pending.creation {
        return after_parking(policy, pending, cause, result);
    }
    match result {
        // A deleted task has an owner that wants no more of it, or another dispatch has ended it.
        CreateResult::Exists | CreateResult::Deleted => Finish::Answer(Answer::Done),
        CreateResult::NotCreated | CreateResult::NoQueue => {
            Finish::Answer(pending.answer_on_failure)
        }
        CreateResult::Unknown => match pending.creation {
            // It may exist. After a 477 the next dispatch would not look for it, and run beside it.
            Creation::Later(_) => Finish::Answer(Answer::Unknown),
            Creation::NextTask(_) | Creation::Parked(_) | Creation::Notification(_) => {
                Finish::Answer(pending.answer_on_failure)
            }
        },
        // B5: the ledger may have made the task too large. Try once more without its details.
        CreateResult::Refused if !pending.folded => Finish::Create(PendingCreate {
            folded: true,
            ..pending
        }),
        // It can't go, and none of its attempts are used up by that.
        CreateResult::Refused if pending.may_stay => Finish::Answer(Answer::NoCapacity),
        CreateResult::Refused => match pending.creation {
            // B5: no next stage will ever take the task. Retries would keep it here forever.
            Creation::NextTask(_) => {
                let exit = StageExit {
                    reason: TaskReason::UNPASSABLE,
                    cause: EndCause::Unpassable,
                    attempts: pending.attempts,
                    answer_on_failure: pending.answer_on_failure,
                };
                exit.fail(delivery, policy)
            }
            // Even the smallest event is refused, so the notifier is misconfigured. The task waits
            // until that is fixed. One that can't be put off comes again when its queue says.
            Creation::Notification(_) | Creation::Parked(_) | Creation::Later(_) => {
                Finish::Answer(pending.answer_on_failure)
            }
        },
    }
}

/// What follows the create of the parked task: the notification, unless it is unknown whether the task is
/// parked. A parking queue that is gone, or doesn't take the task, must not keep it from its end.
fn after_parking(
    policy: &StagePolicy,
    pending: PendingCreate,
    cause: EndCause,
    result: CreateResult,
) -> Finish {
    match result {
        CreateResult::Unknown | CreateResult::NotCreated => {
            Finish::Answer(pending.answer_on_failure)
        }
        CreateResult::Refused if !pending.folded => Finish::Create(PendingCreate {
            folded: true,
            ..pending
        }),
        CreateResult::Exists
        | CreateResult::Refused
        | CreateResult::NoQueue
        | CreateResult::Deleted => {
            let exit = StageExit {
                reason: pending.reason,
                cause,
                attempts: pending.attempts,
                answer_on_failure: pending.answer_on_failure,
            };
            exit.tell(policy, Outcome::Failed)
        }
    }
}
