//! What follows an attempt to create a task: rule B5.

use super::finish::{Creation, Finish, Owed};
use super::leave::{Leave, end_task};
use crate::stage::Policy;
use crate::values::{Answer, Outcome, Reason};

/// How an attempt to create a task ended, retries included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateEnd {
    /// It exists: it is new, or an earlier dispatch created it.
    Exists,
    /// Cloud Tasks refuses the task as it is.
    Refused,
    /// It may exist or not.
    Unknown,
}

/// Decides what an attempt to create what was owed means.
pub fn after_create(policy: &Policy, owed: Owed, end: CreateEnd) -> Finish {
    match end {
        CreateEnd::Exists => Finish::Answer(Answer::Done),
        CreateEnd::Unknown => Finish::Answer(owed.until_then),
        // B5: the ledger may have made the task too large: once more without its details.
        CreateEnd::Refused if !owed.folded => Finish::Create(Owed {
            folded: true,
            ..owed
        }),
        CreateEnd::Refused => match owed.creation {
            // B5: no next stage will ever take it. Silence would keep it here for ever.
            Creation::NextTask(_) => {
                let Owed {
                    attempts,
                    until_then,
                    ..
                } = owed;
                let leave = Leave {
                    reason: Reason::UNPASSABLE,
                    attempts,
                    until_then,
                };
                end_task(policy, Outcome::Failed, leave)
            }
            // A notifier that refuses even the smallest event is set up wrongly: hold the task
            // until somebody mends it.
            Creation::Notification(_) => Finish::Answer(owed.until_then),
        },
    }
}
