//! The worker creates what it owes, as `create.rs` of the worker does.

use decide::{Answer, CreateEnd, Creation, Finish, Owed, Reason};

use crate::faults::Refuses;
use crate::rules::Rules;
use crate::state::{Late, Owes, Push, State, What};
use crate::worker::on;
use crate::world::World;

/// What becomes of an attempt to create.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reply {
    Arrives,
    /// The task exists, and the worker doesn't hear it.
    IsLost,
    /// The task will exist later, and the worker doesn't wait for it.
    IsLate,
    /// The task doesn't exist, and the worker hears nothing of use.
    Fails,
    Refuses,
}

impl<R: Rules> World<R> {
    pub fn creates(&self, state: &mut State, push: Push, owes: Owes, reply: Reply) {
        let row = self.tables.row(push.pod.release, push.queue, push.hop);
        let refused = match (owes.what, self.setting.refuses) {
            (What::Notification(_), _) | (_, Refuses::None) => false,
            (What::Next(_), Refuses::Unfolded) => !owes.folded,
            (What::Next(_), Refuses::All) => true,
        };
        let created = Late {
            what: owes.what,
            id: match owes.what {
                What::Next(to) => row.next(to),
                What::Notification(outcome) => row.notification(outcome),
            },
            hop: push.hop + 1,
        };
        let end = match reply {
            Reply::Refuses => CreateEnd::Refused,
            Reply::Fails => CreateEnd::Unknown,
            _ if refused => CreateEnd::Refused,
            Reply::IsLate => {
                state.late.push(created);
                CreateEnd::Unknown
            }
            Reply::IsLost => {
                Self::appears(state, created);
                CreateEnd::Unknown
            }
            Reply::Arrives if Self::appears(state, created) => CreateEnd::Exists,
            Reply::Arrives => self.rules.already(),
        };
        let policy = self.policy(&push);
        let finish = self.rules.after_create(policy, self.owed(owes), end);
        // No stage takes the task, and nobody wants to be told.
        state.untold |= end == CreateEnd::Refused
            && finish == Finish::Answer(Answer::Done)
            && !on(policy).failed;
        // A verdict that couldn't be carried out: the handler is asked again.
        if finish == Finish::Answer(Answer::Unknown) {
            state.explains_a_run(push.queue, push.hop);
        }
        self.goes_on(state, push, finish);
    }

    pub fn owes(&self, owed: Owed) -> Owes {
        Owes {
            what: match owed.creation {
                Creation::NextTask(path) => What::Next(self.tables.queue(&path)),
                Creation::Notification(outcome) => What::Notification(outcome),
            },
            folded: owed.folded,
            until_then: owed.until_then,
        }
    }

    fn owed(&self, owes: Owes) -> Owed {
        Owed {
            creation: match owes.what {
                What::Next(queue) => Creation::NextTask(self.tables.path(queue).clone()),
                What::Notification(outcome) => Creation::Notification(outcome),
            },
            // No rule looks at these two.
            reason: Reason::EXHAUSTED,
            attempts: 0,
            folded: owes.folded,
            until_then: owes.until_then,
        }
    }
}
