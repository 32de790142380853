//! The handler, and how its runs may end.

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
}

impl Handler {
    pub fn run(self) -> RunResult {
        let (status, verdict, reason) = match self {
            Self::Succeeds => return RunResult::Succeeded { status: 200 },
            Self::Fails => (Some(500), None, TaskReason::STATUS),
            Self::TimesOut => (None, None, TaskReason::TIMEOUT),
            Self::Says404 => (Some(404), None, TaskReason::STATUS),
            Self::Escalates => (Some(500), Some(Verdict::Escalate), TaskReason::STATUS),
            Self::GivesUp => (Some(500), Some(Verdict::Fail), TaskReason::STATUS),
        };
        RunResult::Failed(FailedAttempt {
            status,
            verdict,
            reason,
        })
    }
}
