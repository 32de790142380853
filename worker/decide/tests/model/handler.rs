//! The handler, and how its runs may end.

use std::time::Duration;

use decide::{FailedAttempt, RunResult, TaskReason, Verdict};

/// One way in which a run of the handler may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Handler {
    Succeeds,
    Fails,
    TimesOut,
    Says404,
    Escalates,
    GivesUp,
    AsksForTime,
    SaysRetryAfter,
}

impl Handler {
    pub fn run(self) -> RunResult {
        let mut retry_after = None;
        let (status, verdict, reason) = match self {
            Self::Succeeds => return RunResult::Succeeded { status: 200 },
            Self::Fails => (Some(500), None, TaskReason::STATUS),
            Self::TimesOut => (None, None, TaskReason::TIMEOUT),
            Self::Says404 => (Some(404), None, TaskReason::STATUS),
            Self::Escalates => (Some(500), Some(Verdict::Escalate), TaskReason::STATUS),
            Self::GivesUp => (Some(500), Some(Verdict::Fail), TaskReason::STATUS),
            Self::AsksForTime => (Some(429), Some(Verdict::Later), TaskReason::STATUS),
            Self::SaysRetryAfter => {
                retry_after = Some(Duration::from_secs(5));
                (Some(429), None, TaskReason::STATUS)
            }
        };
        RunResult::Failed(FailedAttempt {
            status,
            verdict,
            reason,
            retry_after,
        })
    }

    pub fn fails(self) -> bool {
        self != Self::Succeeds
    }
}
