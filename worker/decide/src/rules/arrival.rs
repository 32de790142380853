//! What to do with a push when it arrives: rules A1 to A6, in order. [`Delivery::parse`] is rule A0.
//!
//! R, E and P are Cloud Tasks' headers: the dispatches before this one, the answers that were counted
//! (no 5xx), and the previous answer. The queue has unlimited attempts; the worker counts to N.

use std::time::Duration;

use super::finish::Finish;
use super::stage_exit::StageExit;
use crate::headers::Delivery;
use crate::stage::StagePolicy;
use crate::values::{Answer, Outcome, TaskReason};

/// From this number of unanswered dispatches on, the worker looks up the task's age.
pub const AGE_LOOKUP_THRESHOLD: u32 = 10;

/// The inputs that the worker has looked up so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ArrivalInputs {
    /// [`RequiredInput::Successor`].
    pub successor: Option<SuccessorLookup>,
    /// [`RequiredInput::TaskAge`].
    pub age: Option<TaskAge>,
    /// [`RequiredInput::RunSlot`].
    pub run_slot: Option<RunSlot>,
}

/// An input that the rules need before they can decide. They ask as late as possible, because each
/// lookup is a call to Cloud Tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequiredInput {
    /// Look up [`StagePolicy::successor_tasks`].
    Successor,
    /// Look up the task itself.
    TaskAge,
    /// Acquire a slot to run the handler.
    RunSlot,
}

/// Whether an earlier dispatch has created the task that follows this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SuccessorLookup {
    /// The next task or the notification exists, or existed.
    Found,
    /// Neither exists nor existed.
    NotFound,
    /// Cloud Tasks did not answer.
    Unknown,
}

/// How long ago the task was created on this stage's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskAge {
    /// This long ago.
    Known(Duration),
    /// Cloud Tasks did not answer, or the task no longer exists.
    Unknown,
}

/// Whether the handler can run now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunSlot {
    /// A slot is acquired.
    Acquired,
    /// The concurrency limit is reached.
    NoneFree,
    /// Another push of the same task was in flight here when this one arrived.
    TaskInFlight,
}

/// What to do with a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArrivalDecision {
    /// Look this up and call [`on_arrival`] again.
    Needs(RequiredInput),
    /// Run the handler.
    Run,
    /// Finish without a run.
    Finish(Finish),
}

/// Decides what to do with a push, or says which input it needs.
pub fn on_arrival(
    delivery: &Delivery,
    policy: &StagePolicy,
    inputs: &ArrivalInputs,
) -> ArrivalDecision {
    let (r, e, n) = (
        delivery.retry_count,
        delivery.execution_count,
        policy.max_attempts.get(),
    );
    let p_is = |answer: Answer| delivery.previous_response == Some(answer.code());
    let exit = |reason, attempts, answer_on_failure| StageExit {
        reason,
        attempts,
        answer_on_failure,
    };

    // A1: the handler has succeeded, only the notification is missing. Another run would do the work
    // twice.
    if p_is(Answer::NotificationPending) {
        let attempts = e.saturating_add(1);
        let exit = exit(TaskReason::SUCCEEDED, attempts, Answer::NotificationPending);
        return ArrivalDecision::Finish(exit.end(policy, Outcome::Succeeded));
    }

    // Only our own codes count: a proxy's 404s can raise E without a single run.
    let used_up = p_is(Answer::HandOverPending) || (e >= n && p_is(Answer::Failed));

    // A2: an earlier dispatch may have created the next task or the notification, and its answer got
    // lost. To go on would duplicate the task. That is impossible on the first dispatch, and if every
    // answer so far was our own 477.
    let first = r == 0;
    let all_answered = r == e && p_is(Answer::Failed);
    if !(first || all_answered) {
        match inputs.successor {
            None => return ArrivalDecision::Needs(RequiredInput::Successor),
            Some(SuccessorLookup::Found) => return answer(Answer::Done),
            Some(SuccessorLookup::Unknown) if used_up => return answer(Answer::HandOverPending),
            Some(SuccessorLookup::Unknown) => return answer(Answer::Unknown),
            Some(SuccessorLookup::NotFound) => {}
        }
    }

    // A3: the attempts are used up, and the hand-over failed or its worker died before it. A run would
    // be one too many; a 2xx without the hand-over would lose the task.
    if used_up {
        let attempts = if p_is(Answer::HandOverPending) {
            e.saturating_add(1)
        } else {
            e
        };
        let exit = exit(TaskReason::EXHAUSTED, attempts, Answer::HandOverPending);
        return ArrivalDecision::Finish(exit.next_stage(delivery, policy));
    }

    // A4: a task that kills its worker each time, or that nobody answers, never uses up its attempts;
    // Google deletes it silently after 31 days. An unknown age costs one more try. On failure 500 and
    // not 596: this rule decides the same next time, and A3 would report used-up attempts.
    if delivery.unanswered() >= AGE_LOOKUP_THRESHOLD {
        match inputs.age {
            None => return ArrivalDecision::Needs(RequiredInput::TaskAge),
            Some(TaskAge::Known(age)) if age > policy.give_up_after => {
                let exit = exit(TaskReason::EXPIRED, e, Answer::Unknown);
                return ArrivalDecision::Finish(exit.next_stage(delivery, policy));
            }
            Some(TaskAge::Known(_) | TaskAge::Unknown) => {}
        }
    }

    // A route by header needs no run. After A3, because a failed create here would replace its 596;
    // before A5, because it needs no slot.
    if let Some(target) = &delivery.header_route {
        let exit = exit(TaskReason::ROUTED, e, Answer::Unknown);
        return ArrivalDecision::Finish(exit.by_route(delivery, policy, target));
    }

    match inputs.run_slot {
        None => ArrivalDecision::Needs(RequiredInput::RunSlot),
        // A5: one run too many can take the worker down with all other runs; two runs of one task at
        // once would work on the same things.
        Some(RunSlot::NoneFree | RunSlot::TaskInFlight) => answer(Answer::NoCapacity),
        // A6.
        Some(RunSlot::Acquired) => ArrivalDecision::Run,
    }
}

fn answer(answer: Answer) -> ArrivalDecision {
    ArrivalDecision::Finish(Finish::Answer(answer))
}
