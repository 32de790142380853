//! What follows a run of the handler, and an attempt to create a task: rules B1 to B5.

use crate::answer::Answer;
use crate::delivery::Delivery;
use crate::policy::{Creation, Finish, Leave, Outcome, Owed, Policy};
use crate::verdict::Verdict;
use crate::words::Reason;

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
            return policy.end(
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
        return policy.route(delivery, target, leave(reason, Answer::Unknown));
    }
    match verdict {
        Some(Verdict::Escalate) => return policy.onward(delivery, leave(reason, Answer::Unknown)),
        Some(Verdict::Fail) => return policy.end(Outcome::Failed, leave(reason, Answer::Unknown)),
        Some(Verdict::Retry) | None => {}
    }

    // B3: the budget is used up. When the caller has hung up, 477 will never be counted; without
    // the second clause a task whose every run outlasts its caller would run for ever. It asks
    // for R as well, or one impatient proxy would cost a task its other attempts.
    let used_up = attempts >= n;
    let never_counted = caller_gone && dispatches >= n;
    if used_up || never_counted {
        return policy.onward(delivery, leave(reason, Answer::NotHandedOn));
    }

    // B2.
    Finish::Answer(Answer::Failed)
}

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
                policy.end(Outcome::Failed, leave)
            }
            // A notifier that refuses even the smallest event is set up wrongly: hold the task
            // until somebody mends it.
            Creation::Notification(_) => Finish::Answer(owed.until_then),
        },
    }
}
