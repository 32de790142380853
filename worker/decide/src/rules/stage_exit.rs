//! How a task leaves its stage: to the next stage, by a route, or to its end.

use std::time::Duration;

use cloudtasks::QueuePath;

use super::finish::{Creation, Finish, PendingCreate};
use crate::headers::Delivery;
use crate::stage::{RouteTarget, StagePolicy};
use crate::task::MAX_HOPS;
use crate::values::{Answer, EndCause, IsolationIndex, Outcome, TaskReason};

/// Why a task leaves its stage.
#[derive(Debug, Clone)]
pub(super) struct StageExit {
    pub reason: TaskReason,
    /// Why the task ends, if it can't go anywhere.
    pub cause: EndCause,
    pub attempts: u32,
    pub answer_on_failure: Answer,
}

impl StageExit {
    /// A4. On failure 500 and not 596: the rule decides the same next time, and A3 would report used-up
    /// attempts.
    pub(super) fn expired(delivery: &Delivery) -> Self {
        Self {
            reason: TaskReason::EXPIRED,
            cause: EndCause::Expired,
            attempts: delivery.attempts(),
            answer_on_failure: Answer::Unknown,
        }
    }

    /// The task goes to the next stage; from the last stage it ends as Failed.
    pub(super) fn next_stage(self, delivery: &Delivery, policy: &StagePolicy) -> Finish {
        match &policy.downstream {
            Some(queue) => self.hand_over(delivery, policy, queue),
            None => self.fail(delivery, policy),
        }
    }

    /// The task goes where a route leads.
    pub(super) fn by_route(
        self,
        delivery: &Delivery,
        policy: &StagePolicy,
        target: &RouteTarget,
    ) -> Finish {
        match target {
            RouteTarget::Queue(queue) => self.hand_over(delivery, policy, queue),
            RouteTarget::Fail => {
                let cause = EndCause::Route;
                Self { cause, ..self }.fail(delivery, policy)
            }
        }
    }

    /// The task goes where an isolation rule leads.
    pub(super) fn isolated(
        self,
        delivery: &Delivery,
        policy: &StagePolicy,
        rule: IsolationIndex,
    ) -> Finish {
        let finish = match policy.isolation.target(rule) {
            Some(queue) => self.hand_over(delivery, policy, queue),
            None => self.next_stage(delivery, policy),
        };
        match finish {
            Finish::Create(pending) => Finish::Create(PendingCreate {
                may_stay: true,
                ..pending
            }),
            answer @ Finish::Answer(_) => answer,
        }
    }

    /// The task comes again on this stage, after this time.
    pub(super) fn later(self, delay: Duration) -> Finish {
        self.create(Creation::Later(delay))
    }

    fn hand_over(self, delivery: &Delivery, policy: &StagePolicy, queue: &QueuePath) -> Finish {
        // Two stages whose routes lead to each other would pass a task back and forth forever.
        if delivery.ledger.hop >= MAX_HOPS {
            let (reason, cause) = (TaskReason::LOOP, EndCause::Loop);
            let exit = Self {
                reason,
                cause,
                ..self
            };
            return exit.fail(delivery, policy);
        }
        self.create(Creation::NextTask(queue.clone()))
    }

    /// The task ends without a success. It is parked first: once the notification exists, no later dispatch
    /// would know that it is not.
    pub(super) fn fail(self, delivery: &Delivery, policy: &StagePolicy) -> Finish {
        if policy.parks(self.cause, &delivery.ledger) {
            let cause = self.cause;
            return self.create(Creation::Parked(cause));
        }
        self.tell(policy, Outcome::Failed)
    }

    /// The task has ended, and is parked if it should be. An outcome that `NOTIFY_ON` leaves out needs no
    /// notification.
    pub(super) fn tell(self, policy: &StagePolicy, outcome: Outcome) -> Finish {
        let notify = policy
            .notifier
            .as_ref()
            .is_some_and(|notifier| match outcome {
                Outcome::Succeeded => notifier.on.succeeded,
                Outcome::Failed => notifier.on.failed,
            });
        if notify {
            self.create(Creation::Notification(outcome))
        } else {
            Finish::Answer(Answer::Done)
        }
    }

    fn create(self, creation: Creation) -> Finish {
        let Self {
            reason,
            cause: _,
            attempts,
            answer_on_failure,
        } = self;
        Finish::Create(PendingCreate {
            creation,
            reason,
            attempts,
            folded: false,
            may_stay: false,
            answer_on_failure,
        })
    }
}
