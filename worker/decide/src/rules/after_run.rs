//! What follows a run of the handler: rules B1 to B4.

use super::finish::Finish;
use super::leave::{Leave, end_task, onward, route};
use crate::headers::{Delivery, Verdict};
use crate::stage::Policy;
use crate::values::{Answer, Outcome, Reason};

/// How a run of the handler ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// It answered 2xx.
    Succeeded {
        /// Its status.
        status: u16,
    },
    /// It answered anything else, or not at all.
    Failed(Failure),
    /// It could not be reached, so it did not run.
    NeverSent,
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The handler's status, if it answered.
    pub status: Option<u16>,
    /// What the handler wants to become of the task.
    pub verdict: Option<Verdict>,
    /// The handler's word, or the worker's.
    pub reason: Reason,
}

/// Decides what follows a run.
///
/// `caller_gone`: Cloud Tasks, or a proxy before us, has closed the connection, so that the
/// answer will reach nobody.
pub fn after_run(delivery: &Delivery, policy: &Policy, run: &Run, caller_gone: bool) -> Finish {
    let n = policy.max_attempts.get();
    let attempts = delivery.executions.saturating_add(1);
    let dispatches = delivery.retries.saturating_add(1);
    let leave = |reason: &Reason, until_then| Leave {
        reason: reason.clone(),
        attempts,
        until_then,
    };

    let failure = match run {
        // B1: a 2xx before the notification exists would lose the news; 597 keeps the success.
        Run::Succeeded { .. } => {
            return end_task(
                policy,
                Outcome::Succeeded,
                leave(&Reason::SUCCEEDED, Answer::NotNotified),
            );
        }
        // The handler never saw it: counting it would use up the budget while a pod starts.
        Run::NeverSent => return Finish::Answer(Answer::NoRoom),
        Run::Failed(failure) => failure,
    };
    let Failure {
        status,
        verdict,
        reason,
    } = failure;

    // B4: the chain's routes have the first word, then the handler's verdict. Where it can't be
    // carried out, 500 and not 596: the next dispatch would know that the task has to leave, but
    // not where to.
    if let Some(target) = policy.routes.after_failure(*status, reason) {
        return route(policy, delivery, target, leave(reason, Answer::Unknown));
    }
    match verdict {
        Some(Verdict::Escalate) => return onward(policy, delivery, leave(reason, Answer::Unknown)),
        Some(Verdict::Fail) => {
            return end_task(policy, Outcome::Failed, leave(reason, Answer::Unknown));
        }
        Some(Verdict::Retry) | None => {}
    }

    // B3: the budget is used up. When the caller has hung up, 477 will never be counted; without
    // the second clause a task whose every run outlasts its caller would run for ever. It asks
    // for R as well, or one impatient proxy would cost a task its other attempts.
    let used_up = attempts >= n;
    let never_counted = caller_gone && dispatches >= n;
    if used_up || never_counted {
        return onward(policy, delivery, leave(reason, Answer::NotHandedOn));
    }

    // B2.
    Finish::Answer(Answer::Failed)
}
