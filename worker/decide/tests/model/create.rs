//! The worker creates tasks, as `create.rs` of the worker does.

use std::time::Duration;

use decide::{
    Answer, CreateResult, Creation, EndCause, Finish, Outcome, PendingCreate, TaskReason,
};

use crate::faults::Parking;
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
        let row = self.tables.row(push.pod.release, push.key);
        let parked = task.what == CreatedTask::Parked;
        let moves = matches!(task.what, CreatedTask::Next(_) | CreatedTask::Later(_));
        let refused = (moves && self.setting.refuses.refuse(task.folded))
            || (parked && self.setting.parking.refuses(task.folded));
        let created = LateCreate {
            what: task.what,
            id: match task.what {
                CreatedTask::Next(to) => row.next(to),
                CreatedTask::Later(_) => row.later,
                CreatedTask::Parked => row.parked,
                CreatedTask::Notification(outcome) => row.notification(outcome),
                CreatedTask::Redriven => unreachable!("a mover creates it"),
            },
            key: Self::place_of(&push, task.what),
        };
        // As the worker's `lookup.rs`: the record of a task on its first stage needs a lookup.
        let looked_up = (push.key.hop, push.key.later) == (0, 0) && push.r > 0;
        let deleted = looked_up && state.task(push.key).is_none();
        if deleted && moves {
            let pending = self.pending(task);
            let (delivery, policy) = (self.delivery(&push), self.policy(&push));
            let finish = self
                .rules
                .after_create(&delivery, policy, pending, CreateResult::Deleted);
            if finish != Finish::Answer(Answer::Done) {
                state.hands_over_deleted();
            }
            return self.goes_on(state, push, finish);
        }
        let end = match reply {
            Reply::Refuses => CreateResult::Refused,
            Reply::Fails => CreateResult::Unknown,
            _ if parked && self.setting.parking == Parking::Gone => CreateResult::NoQueue,
            _ if refused => CreateResult::Refused,
            Reply::IsLate => {
                state.late.push(created);
                CreateResult::Unknown
            }
            Reply::IsLost => {
                self.appears(state, created);
                CreateResult::Unknown
            }
            Reply::Arrives if self.appears(state, created) => CreateResult::Exists,
            Reply::Arrives => self.rules.already(),
        };
        let (delivery, policy) = (self.delivery(&push), self.policy(&push));
        let finish = self
            .rules
            .after_create(&delivery, policy, self.pending(task), end);
        if parked {
            let whole = end == CreateResult::Refused && !task.folded;
            let taken = whole || [CreateResult::Exists, CreateResult::Unknown].contains(&end);
            state.life(push.key.life).not_parked |= !taken;
        } else if moves && end == CreateResult::Refused {
            if task.may_stay && ends_failed(&finish) {
                state.used_up(&push, self.tables.least(push.key.queue), 0);
            }
            self.may_end_unparked(state, &push, EndCause::Unpassable);
        }
        // It has ended, and the client is not notified of failures.
        let ended = parked || (moves && end == CreateResult::Refused);
        if ended && finish == Finish::Answer(Answer::Done) && !on(policy).failed {
            self.ends_untold(state, &push);
        }
        // A verdict that couldn't be carried out: the handler is asked again. What was no attempt needs no
        // explanation, nor what Cloud Tasks refuses each time.
        let so_far = push.before + push.e;
        let no_attempt = matches!(task.what, CreatedTask::Later(after) if after == so_far);
        if finish == Finish::Answer(Answer::Unknown) && reply != Reply::Arrives && !no_attempt {
            state.explains_a_run(push.key);
        }
        self.goes_on(state, push, finish);
    }

    pub fn pending_task(&self, pending: PendingCreate) -> PendingTask {
        PendingTask {
            what: match pending.creation {
                Creation::NextTask(path) => CreatedTask::Next(self.tables.queue(&path)),
                // As the worker's `create.rs`.
                Creation::Later(_) => CreatedTask::Later(u8::try_from(pending.attempts).unwrap()),
                Creation::Parked(_) => CreatedTask::Parked,
                Creation::Notification(outcome) => CreatedTask::Notification(outcome),
            },
            folded: pending.folded,
            may_stay: pending.may_stay,
            answer_on_failure: pending.answer_on_failure,
        }
    }

    fn pending(&self, task: PendingTask) -> PendingCreate {
        PendingCreate {
            creation: match task.what {
                CreatedTask::Next(queue) => Creation::NextTask(self.tables.path(queue).clone()),
                CreatedTask::Later(_) => Creation::Later(Duration::ZERO),
                CreatedTask::Parked => Creation::Parked(EndCause::Exhausted),
                CreatedTask::Notification(outcome) => Creation::Notification(outcome),
                CreatedTask::Redriven => unreachable!("a mover creates it"),
            },
            // No rule reads these two, nor how long a task is put off, nor here why it is parked.
            reason: TaskReason::EXHAUSTED,
            attempts: match task.what {
                CreatedTask::Later(before) => before.into(),
                CreatedTask::Next(_)
                | CreatedTask::Parked
                | CreatedTask::Notification(_)
                | CreatedTask::Redriven => 0,
            },
            folded: task.folded,
            may_stay: task.may_stay,
            answer_on_failure: task.answer_on_failure,
        }
    }
}

fn ends_failed(finish: &Finish) -> bool {
    let Finish::Create(pending) = finish else {
        return false;
    };
    match pending.creation {
        Creation::Parked(_) | Creation::Notification(Outcome::Failed) => true,
        Creation::NextTask(_) | Creation::Later(_) | Creation::Notification(Outcome::Succeeded) => {
            false
        }
    }
}
