//! What follows a run of the handler: rules B1 to B4.

use super::finish::Finish;
use super::stage_exit::StageExit;
use crate::headers::{Delivery, Verdict};
use crate::stage::StagePolicy;
use crate::values::{Answer, Outcome, TaskReason};

/// The result of a run of the handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunResult {
    /// The handler answered 2xx.
    Succeeded {
        /// The handler's status.
        status: u16,
    },
    /// The handler answered with another status, or did not answer.
    Failed(FailedAttempt),
    /// The handler accepted no connection, so it did not run.
    Unreachable,
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAttempt {
    /// The handler's status, if it answered.
    pub status: Option<u16>,
    /// The handler's verdict, if it gave one.
    pub verdict: Option<Verdict>,
    /// The handler's reason, or the worker's.
    pub reason: TaskReason,
}

/// Decides what follows a run of a task whose time is over (A4).
pub fn after_last_try(
    delivery: &Delivery,
    policy: &StagePolicy,
    run: &RunResult,
    caller_gone: bool,
) -> Finish {
    match run {
        RunResult::Unreachable => StageExit::expired(delivery).next_stage(delivery, policy),
        RunResult::Succeeded { .. } | RunResult::Failed(_) => {
            after_run(delivery, policy, run, caller_gone)
        }
    }
}

/// Decides what follows a run.
///
/// `caller_gone`: Cloud Tasks or a proxy has closed the connection, so the answer will reach nobody.
pub fn after_run(
    delivery: &Delivery,
    policy: &StagePolicy,
    run: &RunResult,
    caller_gone: bool,
) -> Finish {
    let n = policy.max_attempts.get();
    let attempts = delivery.execution_count.saturating_add(1);
    let dispatches = delivery.retry_count.saturating_add(1);
    let exit = |reason: &TaskReason, answer_on_failure| StageExit {
        reason: reason.clone(),
        attempts,
        answer_on_failure,
    };

    let failure = match run {
        // B1: a 2xx before the notification exists would lose the outcome. 597 keeps it.
        RunResult::Succeeded { .. } => {
            return exit(&TaskReason::SUCCEEDED, Answer::NotificationPending)
                .end(policy, Outcome::Succeeded);
        }
        // The handler never got the task. To count this would use up the attempts while a pod starts.
        RunResult::Unreachable => return Finish::Answer(Answer::NoCapacity),
        RunResult::Failed(failure) => failure,
    };
    let FailedAttempt {
        status,
        verdict,
        reason,
    } = failure;

    // B4: routes come before the handler's verdict. On failure 500 and not 596: from 596 the next
    // dispatch would know that the task has to leave, but not where to.
    if let Some(target) = policy.routes.after_failure(*status, reason) {
        return exit(reason, Answer::Unknown).by_route(delivery, policy, target);
    }
    match verdict {
        Some(Verdict::Escalate) => {
            return exit(reason, Answer::Unknown).next_stage(delivery, policy);
        }
        Some(Verdict::Fail) => return exit(reason, Answer::Unknown).end(policy, Outcome::Failed),
        Some(Verdict::Retry) | None => {}
    }

    // B3: the attempts are used up. If the caller has hung up, 477 is never counted; without the second
    // clause a task whose every run outlasts its caller would run forever. The clause needs R too, or
    // one impatient proxy would cost a task its other attempts.
    let used_up = attempts >= n;
    let never_counted = caller_gone && dispatches >= n;
    if used_up || never_counted {
        return exit(reason, Answer::HandOverPending).next_stage(delivery, policy);
    }

    // B2.
    Finish::Answer(Answer::Failed)
}
