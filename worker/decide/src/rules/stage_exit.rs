//! How a task leaves its stage: to the next stage, by a route, or to its end.

use std::time::Duration;

use cloudtasks::QueuePath;

use super::finish::{Creation, Finish, PendingCreate};
use crate::headers::Delivery;
use crate::stage::{RouteTarget, StagePolicy};
use crate::task::MAX_HOPS;
use crate::values::{Answer, IsolationIndex, Outcome, TaskReason};

/// Why a task leaves its stage.
#[derive(Debug, Clone)]
pub(super) struct StageExit {
    pub reason: TaskReason,
    pub attempts: u32,
    pub answer_on_failure: Answer,
}

impl StageExit {
    /// A4. On failure 500 and not 596: the rule decides the same next time, and A3 would report used-up
    /// attempts.
    pub(super) fn expired(delivery: &Delivery) -> Self {
        Self {
            reason: TaskReason::EXPIRED,
            attempts: delivery.attempts(),
            answer_on_failure: Answer::Unknown,
        }
    }

    /// The task goes to the next stage; from the last stage it ends as Failed.
    pub(super) fn next_stage(self, delivery: &Delivery, policy: &StagePolicy) -> Finish {
        match &policy.downstream {
            Some(queue) => self.hand_over(delivery, policy, queue),
            None => self.end(policy, Outcome::Failed),
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
            RouteTarget::Fail => self.end(policy, Outcome::Failed),
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
            let reason = TaskReason::LOOP;
            return Self { reason, ..self }.end(policy, Outcome::Failed);
        }
        self.create(Creation::NextTask(queue.clone()))
    }

    /// The task ends. An outcome that `NOTIFY_ON` leaves out needs no notification.
    pub(super) fn end(self, policy: &StagePolicy, outcome: Outcome) -> Finish {
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
