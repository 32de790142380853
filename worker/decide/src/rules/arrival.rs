//! What to do with a push when it arrives: rules A0 to A6, in order. [`Delivery::parse`] is the other
//! part of rule A0.
//!
//! R, E and P are Cloud Tasks' headers: the dispatches before this one, the answers that were counted
//! (no 5xx), and the previous answer. The queue has unlimited attempts; the worker counts to N.

use std::time::Duration;

use super::finish::Finish;
use super::stage_exit::StageExit;
use crate::headers::Delivery;
use crate::stage::StagePolicy;
use crate::values::{Answer, EndCause, IsolationIndex, Outcome, TaskReason};

/// From this number of unanswered dispatches on, the worker looks up the task's age.
pub const AGE_LOOKUP_THRESHOLD: u32 = 10;
/// At this age a task ends, whatever is left to try: Cloud Tasks deletes it silently after 31 days, and may
/// push it once an hour or less often before.
pub const OLDEST: Duration = Duration::from_hours(30 * 24 + 12);

/// The inputs that the worker has looked up so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ArrivalInputs {
    /// [`RequiredInput::Successor`].
    pub successor: Option<SuccessorLookup>,
    /// [`RequiredInput::TaskAge`].
    pub age: Option<TaskAge>,
    /// [`RequiredInput::RunSlot`].
    pub run_slot: Option<RunSlot>,
    /// Whether the worker holds, and no run may begin now.
    pub must_wait: bool,
}

/// An input that the rules need before they can decide. They ask as late as possible, because each
/// lookup is a call to Cloud Tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequiredInput {
    /// Look up [`StagePolicy::successor_tasks`] and [`StagePolicy::parked_tasks`].
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
    /// The parked task exists, or existed, and nothing else does.
    Parked,
    /// None of them exists or existed.
    NotFound,
    /// Cloud Tasks did not answer.
    Unknown,
}

/// How old the task is on this stage's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskAge {
    /// Cloud Tasks knows the task.
    Known {
        /// The time since it was created. A task may be created long before it is due.
        created: Duration,
        /// The time since it was first dispatched.
        dispatched: Duration,
    },
    /// Cloud Tasks did not answer, or the task no longer exists.
    Unknown,
}

impl TaskAge {
    /// Whether the task has been pushed for longer than `limit`, or will soon be deleted.
    pub(super) fn exceeds(self, limit: Duration) -> bool {
        match self {
            Self::Known {
                created,
                dispatched,
            } => dispatched > limit || created > OLDEST,
            Self::Unknown => false,
        }
    }

    /// The age when this time has passed.
    pub(super) fn after(self, time: Duration) -> Self {
        match self {
            Self::Known {
                created,
                dispatched,
            } => Self::Known {
                created: created.saturating_add(time),
                dispatched: dispatched.saturating_add(time),
            },
            Self::Unknown => Self::Unknown,
        }
    }
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
    /// The handler fails for nearly all tasks, so the worker holds.
    Held,
    /// This rule isolates the task's category.
    Isolated(IsolationIndex),
}

/// What to do with a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArrivalDecision {
    /// Look this up and call [`on_arrival`] again.
    Needs(RequiredInput),
    /// Run the handler, and call [`after_run`](super::after_run).
    Run,
    /// Run the handler, and call [`after_last_try`](super::after_last_try).
    LastTry,
    /// Finish without a run.
    Finish(Finish),
}

/// Decides what to do with a push, or says which input it needs.
pub fn on_arrival(
    delivery: &Delivery,
    policy: &StagePolicy,
    inputs: &ArrivalInputs,
) -> ArrivalDecision {
    let (r, e) = (delivery.retry_count, delivery.execution_count);
    let (attempts, n) = (delivery.attempts(), policy.max_attempts.get());
    let p_is = |answer: Answer| delivery.previous_response == Some(answer.code());
    let exit = |reason, attempts, answer_on_failure| StageExit {
        reason,
        cause: EndCause::Exhausted,
        attempts,
        answer_on_failure,
    };

    if delivery.awaits_newer_worker() {
        return await_newer_worker(delivery, policy, inputs);
    }

    // A1: the handler has succeeded, only the notification is missing. Another run would do the work
    // twice.
    if p_is(Answer::NotificationPending) {
        let attempts = attempts.saturating_add(1);
        let exit = exit(TaskReason::SUCCEEDED, attempts, Answer::NotificationPending);
        return ArrivalDecision::Finish(exit.tell(policy, Outcome::Succeeded));
    }

    // Only our own codes count: a proxy's 404s can raise E without a single run, and the attempts of before
    // the task was put off as well.
    let used_up = p_is(Answer::HandOverPending) || (attempts >= n && p_is(Answer::Failed));

    // In an outage thousands of tasks are pushed again and again. One whose last answer was 503 only waits,
    // and is looked up on each tenth push alone: it may be done, or too old.
    let only_waits = p_is(Answer::Held);
    if inputs.must_wait && only_waits && !delivery.unanswered().is_multiple_of(AGE_LOOKUP_THRESHOLD)
    {
        return answer(Answer::Held);
    }

    // A2: an earlier dispatch may have created the next task or the notification, and its answer got
    // lost. To go on would duplicate the task. That is impossible on the first dispatch, and if every
    // answer so far was our own 477.
    let first = r == 0;
    let all_answered = r == e && p_is(Answer::Failed);
    if !(first || all_answered) {
        match inputs.successor {
            None => return ArrivalDecision::Needs(RequiredInput::Successor),
            Some(SuccessorLookup::Found) => return answer(Answer::Done),
            // It has ended, and only the notification is missing. A run could succeed, and the client
            // would be told so of a task that a redrive runs again.
            Some(SuccessorLookup::Parked) => {
                let exit = exit(TaskReason::EXHAUSTED, attempts, Answer::Unknown);
                return ArrivalDecision::Finish(exit.tell(policy, Outcome::Failed));
            }
            Some(SuccessorLookup::Unknown) if used_up => return answer(Answer::HandOverPending),
            Some(SuccessorLookup::Unknown) => return answer(Answer::Unknown),
            Some(SuccessorLookup::NotFound) => {}
        }
    }

    // A3: the attempts are used up, and the hand-over failed or its worker died before it. A run would
    // be one too many; a 2xx without the hand-over would lose the task.
    if used_up {
        let this = u32::from(p_is(Answer::HandOverPending));
        let attempts = attempts.saturating_add(this);
        let exit = exit(TaskReason::EXHAUSTED, attempts, Answer::HandOverPending);
        return ArrivalDecision::Finish(exit.next_stage(delivery, policy));
    }

    // A4: a task that kills its worker each time, or that nobody answers, never uses up its attempts;
    // Google deletes it silently after 31 days. An unknown age costs one more try.
    if delivery.unanswered() >= AGE_LOOKUP_THRESHOLD {
        match inputs.age {
            None => return ArrivalDecision::Needs(RequiredInput::TaskAge),
            Some(age) if age.exceeds(policy.give_up_after) => {
                return give_up(delivery, policy, age, inputs.run_slot);
            }
            Some(_) => {}
        }
    }

    // A route by header needs no run. After A3, because a failed create here would replace its 596;
    // before A5, because it needs no slot.
    if let Some(target) = &delivery.header_route {
        let exit = exit(TaskReason::ROUTED, attempts, Answer::Unknown);
        return ArrivalDecision::Finish(exit.by_route(delivery, policy, target));
    }

    match inputs.run_slot {
        None => ArrivalDecision::Needs(RequiredInput::RunSlot),
        // A5: one run too many can take the worker down with all other runs; two runs of one task at
        // once would work on the same things.
        Some(RunSlot::NoneFree | RunSlot::TaskInFlight) => answer(Answer::NoCapacity),
        // A handler that fails for nearly all tasks would use up their attempts. What has an end already,
        // or is too old, was decided above.
        Some(RunSlot::Held) => answer(Answer::Held),
        // Like a route by header. The category may be well again before the next stage runs the task.
        Some(RunSlot::Isolated(rule)) => {
            let exit = exit(TaskReason::ISOLATED, attempts, Answer::Unknown);
            ArrivalDecision::Finish(exit.isolated(delivery, policy, rule))
        }
        // A6.
        Some(RunSlot::Acquired) => ArrivalDecision::Run,
    }
}

/// A4, of a task that has been pushed for too long.
fn give_up(
    delivery: &Delivery,
    policy: &StagePolicy,
    age: TaskAge,
    run_slot: Option<RunSlot>,
) -> ArrivalDecision {
    // 503 is a worker's answer if the handler took no connection: the task may never have run, and gets
    // one more try. After any other answer it may have killed its worker. A proxy may say 503 of a dead
    // worker too, so twice the time is the end of it.
    let may_try = delivery.previous_response == Some(Answer::NoCapacity.code())
        && !age.exceeds(policy.give_up_after.saturating_mul(2));
    match run_slot {
        None => ArrivalDecision::Needs(RequiredInput::RunSlot),
        // It runs here at this moment, and may succeed.
        Some(RunSlot::TaskInFlight) => answer(Answer::NoCapacity),
        Some(RunSlot::NoneFree) if may_try => answer(Answer::NoCapacity),
        Some(RunSlot::Held) if may_try => answer(Answer::Held),
        Some(RunSlot::Acquired) if may_try => ArrivalDecision::LastTry,
        Some(RunSlot::NoneFree | RunSlot::Acquired | RunSlot::Held | RunSlot::Isolated(_)) => {
            ArrivalDecision::Finish(StageExit::expired(delivery).next_stage(delivery, policy))
        }
    }
}

/// A0, of a task whose ledger is of a newer version: it waits for a newer worker, and after A4's time it
/// ends, because after a rollback none may come. What its last answer says is kept as long.
fn await_newer_worker(
    delivery: &Delivery,
    policy: &StagePolicy,
    inputs: &ArrivalInputs,
) -> ArrivalDecision {
    let wait = Answer::Unknown.unless_pending(delivery.previous_response);
    if delivery.unanswered() < AGE_LOOKUP_THRESHOLD {
        return answer(wait);
    }
    match (inputs.age, inputs.successor) {
        (None, _) => ArrivalDecision::Needs(RequiredInput::TaskAge),
        (Some(age), _) if !age.exceeds(policy.give_up_after) => answer(wait),
        (Some(_), None) => ArrivalDecision::Needs(RequiredInput::Successor),
        (Some(_), Some(SuccessorLookup::Found)) => answer(Answer::Done),
        (Some(_), Some(SuccessorLookup::Unknown)) => answer(wait),
        (Some(_), Some(found @ (SuccessorLookup::NotFound | SuccessorLookup::Parked))) => {
            let exit = StageExit {
                answer_on_failure: wait,
                ..StageExit::expired(delivery)
            };
            let finish = if wait == Answer::NotificationPending {
                exit.tell(policy, Outcome::Succeeded)
            } else if found == SuccessorLookup::Parked {
                exit.tell(policy, Outcome::Failed)
            } else {
                exit.fail(delivery, policy)
            };
            ArrivalDecision::Finish(finish)
        }
    }
}

fn answer(answer: Answer) -> ArrivalDecision {
    ArrivalDecision::Finish(Finish::Answer(answer))
}
