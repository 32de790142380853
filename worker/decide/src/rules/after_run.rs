//! What follows a run of the handler: rules B1 to B4.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::finish::Finish;
use super::stage_exit::StageExit;
use crate::headers::{Delivery, Verdict};
use crate::stage::{RetryAfter, StagePolicy};
use crate::values::{Answer, EndCause, Outcome, Sign, TaskReason};

/// How long a task can be put off at once.
pub const LATER: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);
/// How long the verdict `later` puts a task off if the handler doesn't say.
pub const DEFAULT_LATER: Duration = Duration::from_mins(1);

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
    /// When the task shall come again, by the handler's `Retry-After`.
    pub retry_after: Option<Duration>,
}

/// What else is known when a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AfterRun {
    /// Cloud Tasks or a proxy has closed the connection, so the answer will reach nobody.
    pub caller_gone: bool,
    /// The worker holds, because the handler fails for nearly all tasks, or may be about to.
    pub holding: bool,
}

/// What a run says of the handler. A verdict shows that the handler has judged the task; what a route, the
/// verdict `later` or `Retry-After` takes care of may be either's fault.
pub fn sign_of(policy: &StagePolicy, run: &RunResult) -> Option<Sign> {
    match run {
        RunResult::Succeeded { .. } => Some(Sign::Well),
        RunResult::Unreachable => None,
        RunResult::Failed(failure) if is_routed(policy, failure) => None,
        RunResult::Failed(failure) => match failure.verdict {
            Some(Verdict::Fail | Verdict::Escalate) => Some(Sign::Well),
            _ if policy.retry_after == RetryAfter::Follow && failure.asks_for_time() => None,
            Some(Verdict::Retry | Verdict::Later) | None => Some(Sign::Ill),
        },
    }
}

impl FailedAttempt {
    fn asks_for_time(&self) -> bool {
        self.verdict == Some(Verdict::Later)
            || self.retry_after.is_some_and(|it| it >= *LATER.start())
    }
}

fn is_routed(policy: &StagePolicy, failure: &FailedAttempt) -> bool {
    let route = policy.routes.after_failure(failure.status, &failure.reason);
    route.is_some()
}

/// Decides what follows a run of a task whose time is over (A4).
pub fn after_last_try(
    delivery: &Delivery,
    policy: &StagePolicy,
    run: &RunResult,
    known: AfterRun,
) -> Finish {
    match run {
        RunResult::Unreachable => StageExit::expired(delivery).next_stage(delivery, policy),
        RunResult::Succeeded { .. } | RunResult::Failed(_) => {
            // The task is too old to be held, or put off.
            let known = AfterRun {
                holding: false,
                ..known
            };
            after_run(delivery, policy, &at_once(run), known)
        }
    }
}

/// The run, as if its handler had not asked for time.
fn at_once(run: &RunResult) -> RunResult {
    match run {
        RunResult::Failed(failure) => RunResult::Failed(FailedAttempt {
            verdict: failure.verdict.filter(|it| *it != Verdict::Later),
            retry_after: None,
            ..failure.clone()
        }),
        RunResult::Succeeded { .. } | RunResult::Unreachable => run.clone(),
    }
}

/// Decides what follows a run.
pub fn after_run(
    delivery: &Delivery,
    policy: &StagePolicy,
    run: &RunResult,
    known: AfterRun,
) -> Finish {
    let n = policy.max_attempts.get();
    let attempts = delivery.attempts().saturating_add(1);
    // Of before the task was put off, only the attempts: a dispatch that was put off was none.
    let dispatches = delivery
        .attempts_before_put_off()
        .saturating_add(delivery.retry_count)
        .saturating_add(1);
    let exit = |reason: &TaskReason, answer_on_failure| StageExit {
        reason: reason.clone(),
        cause: EndCause::Exhausted,
        attempts,
        answer_on_failure,
    };

    let failure = match run {
        // B1: a 2xx before the notification exists would lose the outcome. 597 keeps it.
        RunResult::Succeeded { .. } => {
            return exit(&TaskReason::SUCCEEDED, Answer::NotificationPending)
                .tell(policy, Outcome::Succeeded);
        }
        // The handler never got the task. To count this would use up the attempts while a pod starts.
        RunResult::Unreachable => return Finish::Answer(Answer::NoCapacity),
        RunResult::Failed(failure) => failure,
    };
    let FailedAttempt {
        status,
        verdict,
        reason,
        retry_after,
    } = failure;
    let follows = policy.retry_after == RetryAfter::Follow;

    // B4: routes come before the handler's verdict. On failure 500 and not 596: from 596 the next
    // dispatch would know that the task has to leave, but not where to.
    if let Some(target) = policy.routes.after_failure(*status, reason) {
        return exit(reason, Answer::Unknown).by_route(delivery, policy, target);
    }
    match verdict {
        Some(Verdict::Escalate) => {
            return exit(reason, Answer::Unknown).next_stage(delivery, policy);
        }
        Some(Verdict::Fail) => {
            let exit = StageExit {
                cause: EndCause::Fail,
                ..exit(reason, Answer::Unknown)
            };
            return exit.fail(delivery, policy);
        }
        Some(Verdict::Later) if follows => {
            return later(
                delivery,
                policy,
                reason,
                retry_after.unwrap_or(DEFAULT_LATER),
            );
        }
        Some(Verdict::Retry | Verdict::Later) | None => {}
    }

    // The handler fails for nearly all tasks: it is not this one's fault, and costs it no attempt.
    if known.holding {
        return Finish::Answer(Answer::Held);
    }

    // B3: the attempts are used up. If the caller has hung up, 477 is never counted; without the second
    // clause a task whose every run outlasts its caller would run forever. The clause needs R too, or
    // one impatient proxy would cost a task its other attempts.
    let used_up = attempts >= n;
    let never_counted = known.caller_gone && dispatches >= n;
    if used_up || never_counted {
        return exit(reason, Answer::HandOverPending).next_stage(delivery, policy);
    }

    // B2. If the task can't be put off, Cloud Tasks counts the attempt, and the queue's backoff decides.
    let delay = retry_after.filter(|delay| follows && delay >= LATER.start());
    match delay.map(|delay| delay.min(*LATER.end())) {
        Some(delay) if !ends_before(delivery, policy, delay) => {
            exit(reason, Answer::Failed).later(delay)
        }
        Some(_) | None => Finish::Answer(Answer::Failed),
    }
}

/// The verdict `later`: no attempt. A handler that says it for too long holds its task forever.
fn later(
    delivery: &Delivery,
    policy: &StagePolicy,
    reason: &TaskReason,
    delay: Duration,
) -> Finish {
    let delay = delay.clamp(*LATER.start(), *LATER.end());
    if ends_before(delivery, policy, delay) {
        return StageExit::expired(delivery).next_stage(delivery, policy);
    }
    let exit = StageExit {
        reason: reason.clone(),
        cause: EndCause::Expired,
        attempts: delivery.attempts(),
        // 500 and not 477: the run was no attempt.
        answer_on_failure: Answer::Unknown,
    };
    exit.later(delay)
}

/// Whether the task's time on the stage ends before it could come again.
fn ends_before(delivery: &Delivery, policy: &StagePolicy, delay: Duration) -> bool {
    delivery.stayed.saturating_add(delay) > policy.give_up_after
}
