//! What a push means when it arrives: rules A1 to A6, in their order. (A0, a push that can't be
//! judged at all, is [`Delivery::parse`]'s.)
//!
//! R, E and P are Cloud Tasks' own counters: dispatches before this one, answers that counted
//! (no 5xx), the previous answer. The queue never gives up by itself; the budget of N attempts
//! is kept here.

use std::time::Duration;

use super::finish::Finish;
use super::leave::{Leave, end_task, onward, route};
use crate::headers::Delivery;
use crate::stage::Policy;
use crate::values::{Answer, Outcome, Reason};

/// Unanswered dispatches after which it is worth asking how long a task has been here.
pub const UNANSWERED_WORTH_ASKING: u32 = 10;

/// What the worker has found out so far, at the request of [`on_arrival`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// The answer to [`Question::Ends`].
    pub ends: Option<Ends>,
    /// The answer to [`Question::Age`].
    pub age: Option<Age>,
    /// The answer to [`Question::Room`].
    pub room: Option<Room>,
}

/// Whether an earlier dispatch has ended this stage for the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// The next task or the notification exists, or existed.
    Found,
    /// None of them does, as far as Cloud Tasks can tell.
    Nothing,
    /// Cloud Tasks could not be asked.
    Unknown,
}

/// How long ago the task came to this stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// So long.
    Known(Duration),
    /// Cloud Tasks could not be asked, or knows the task no more.
    Unknown,
}

/// Whether the handler can be run now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// It can.
    Free,
    /// As many runs are under way as the worker allows.
    Full,
    /// This very task was in work here when the push arrived.
    RunningHere,
}

/// A question that the rules need answered before they can decide. Asked only then: each look-up
/// is a call to Cloud Tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Look up [`Policy::ends_of`].
    Ends,
    /// Look up the task itself.
    Age,
    /// Take a place to run the handler.
    Room,
}

/// What to do with a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// Find this out and ask again.
    Ask(Question),
    /// Run the handler.
    Run,
    /// No run.
    Finish(Finish),
}

/// Decides about a push, or asks for a fact.
pub fn on_arrival(delivery: &Delivery, policy: &Policy, facts: &Facts) -> Arrival {
    let (r, e, n) = (
        delivery.retries,
        delivery.executions,
        policy.max_attempts.get(),
    );
    let p_is = |answer: Answer| delivery.previous == Some(answer.code());
    let leave = |reason, attempts, until_then| Leave {
        reason,
        attempts,
        until_then,
    };

    // A1: the handler has succeeded, only the notification is missing. Running it again would
    // do its work twice.
    if p_is(Answer::NotNotified) {
        let leave = leave(Reason::SUCCEEDED, e.saturating_add(1), Answer::NotNotified);
        return Arrival::Finish(end_task(policy, Outcome::Succeeded, leave));
    }

    // Only our own words count: a proxy's 404s may have raised E without a single run.
    let used_up = p_is(Answer::NotHandedOn) || (e >= n && p_is(Answer::Failed));

    // A2: an earlier dispatch may have created the next task or the notification, and its answer
    // got lost. Going on would give one task two lives. Nobody can have, where this is the first
    // dispatch, or every answer so far was ours and said "failed".
    let first = r == 0;
    let all_answered = r == e && p_is(Answer::Failed);
    if !(first || all_answered) {
        match facts.ends {
            None => return Arrival::Ask(Question::Ends),
            Some(Ends::Found) => return answer(Answer::Done),
            Some(Ends::Unknown) if used_up => return answer(Answer::NotHandedOn),
            Some(Ends::Unknown) => return answer(Answer::Unknown),
            Some(Ends::Nothing) => {}
        }
    }

    // A3: the attempts are used up, and the hand-over failed or its worker died before it. One
    // more run would be one too many; a 2xx without the hand-over would lose the task.
    if used_up {
        let attempts = if p_is(Answer::NotHandedOn) {
            e.saturating_add(1)
        } else {
            e
        };
        let leave = leave(Reason::EXHAUSTED, attempts, Answer::NotHandedOn);
        return Arrival::Finish(onward(policy, delivery, leave));
    }

    // A4: a task that kills its worker each time, or that nobody answers, never uses up its
    // attempts; Google deletes it, unsaid, after 31 days. Not knowing its age costs one more try.
    // Where it can't be carried out, 500 and not 596: this rule comes out the same next time, and
    // A3 would take the task for one whose attempts are used up.
    if delivery.unanswered() >= UNANSWERED_WORTH_ASKING {
        match facts.age {
            None => return Arrival::Ask(Question::Age),
            Some(Age::Known(age)) if age > policy.give_up_after => {
                let leave = leave(Reason::EXPIRED, e, Answer::Unknown);
                return Arrival::Finish(onward(policy, delivery, leave));
            }
            Some(Age::Known(_) | Age::Unknown) => {}
        }
    }

    // A route by header needs no run. After A3, whose 596 a failed create here would make the
    // queue forget; before A5, since it needs no room.
    if let Some(target) = &delivery.routed {
        let leave = leave(Reason::ROUTED, e, Answer::Unknown);
        return Arrival::Finish(route(policy, delivery, target, leave));
    }

    match facts.room {
        None => Arrival::Ask(Question::Room),
        // A5: a run too many could take the worker down with all the others; a second run of the
        // same task beside the first would work on the same things.
        Some(Room::Full | Room::RunningHere) => answer(Answer::NoRoom),
        // A6.
        Some(Room::Free) => Arrival::Run,
    }
}

fn answer(answer: Answer) -> Arrival {
    Arrival::Finish(Finish::Answer(answer))
}
