//! The worker creates what it task, as `create.rs` of the worker does.

use decide::{Answer, CreateResult, Creation, Finish, PendingCreate, TaskReason};

use crate::faults::Refuses;
use crate::rules::Rules;
use crate::state::{CreatedTask, LateCreate, PendingTask, Push, State};
use crate::worker::on;
use crate::world::World;

/// The result of an attempt to create.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reply {
    Arrives,
    /// The task exists, and the worker gets no reply.
    IsLost,
    /// The task will exist later, and the worker doesn't wait for it.
    IsLate,
    /// The task doesn't exist, and the reply says nothing about it.
    Fails,
    Refuses,
}

impl<R: Rules> World<R> {
    pub fn creates(&self, state: &mut State, push: Push, task: PendingTask, reply: Reply) {
        let row = self.tables.row(push.pod.release, push.queue, push.hop);
        let refused = match (task.what, self.setting.refuses) {
            (CreatedTask::Notification(_), _) | (_, Refuses::None) => false,
            (CreatedTask::Next(_), Refuses::Unfolded) => !task.folded,
            (CreatedTask::Next(_), Refuses::All) => true,
        };
        let created = LateCreate {
            what: task.what,
            id: match task.what {
                CreatedTask::Next(to) => row.next(to),
                CreatedTask::Notification(outcome) => row.notification(outcome),
            },
            hop: push.hop + 1,
        };
        // As the worker's `lookup.rs`: the record of a task on its first stage needs a lookup.
        let looked_up = push.hop == 0 && push.r > 0;
        let deleted = looked_up && state.task(push.queue, push.hop).is_none();
        if deleted && matches!(task.what, CreatedTask::Next(_)) {
            let pending = self.pending(task);
            let policy = self.policy(&push);
            let finish = self
                .rules
                .after_create(policy, pending, CreateResult::Deleted);
            if finish != Finish::Answer(Answer::Done) {
                state.hands_over_deleted();
            }
            return self.goes_on(state, push, finish);
        }
        let end = match reply {
            Reply::Refuses => CreateResult::Refused,
            Reply::Fails => CreateResult::Unknown,
            _ if refused => CreateResult::Refused,
            Reply::IsLate => {
                state.late.push(created);
                CreateResult::Unknown
            }
            Reply::IsLost => {
                Self::appears(state, created);
                CreateResult::Unknown
            }
            Reply::Arrives if Self::appears(state, created) => CreateResult::Exists,
            Reply::Arrives => self.rules.already(),
        };
        let policy = self.policy(&push);
        let finish = self.rules.after_create(policy, self.pending(task), end);
        // No stage accepts the task, and the client is not notified of failures.
        state.untold |= end == CreateResult::Refused
            && finish == Finish::Answer(Answer::Done)
            && !on(policy).failed;
        // A verdict that couldn't be carried out: the handler is asked again.
        if finish == Finish::Answer(Answer::Unknown) {
            state.explains_a_run(push.queue, push.hop);
        }
        self.goes_on(state, push, finish);
    }

    pub fn pending_task(&self, pending: PendingCreate) -> PendingTask {
        PendingTask {
            what: match pending.creation {
                Creation::NextTask(path) => CreatedTask::Next(self.tables.queue(&path)),
                Creation::Notification(outcome) => CreatedTask::Notification(outcome),
            },
            folded: pending.folded,
            answer_on_failure: pending.answer_on_failure,
        }
    }

    fn pending(&self, task: PendingTask) -> PendingCreate {
        PendingCreate {
            creation: match task.what {
                CreatedTask::Next(queue) => Creation::NextTask(self.tables.path(queue).clone()),
                CreatedTask::Notification(outcome) => Creation::Notification(outcome),
            },
            // No rule reads these two.
            reason: TaskReason::EXHAUSTED,
            attempts: 0,
            folded: task.folded,
            answer_on_failure: task.answer_on_failure,
        }
    }
}
