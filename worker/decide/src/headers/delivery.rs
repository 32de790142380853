//! A delivery: what Cloud Tasks' headers and our own say about one push, parsed once.

use cloudtasks::{QueueId, TaskId};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;

use crate::stage::{Policy, Target};
use crate::task::{LEDGER_HEADER, Ledger, Unusable};
use crate::values::Answer;

/// The queue's short id.
pub const QUEUE_NAME: &str = "x-cloudtasks-queuename";
/// The task's short id.
pub const TASK_NAME: &str = "x-cloudtasks-taskname";
/// Dispatches before this one, those included that never reached a worker.
pub const RETRY_COUNT: &str = "x-cloudtasks-taskretrycount";
/// Answers so far that were no 5xx.
pub const EXECUTION_COUNT: &str = "x-cloudtasks-taskexecutioncount";
/// The status that the previous dispatch got.
pub const PREVIOUS_RESPONSE: &str = "x-cloudtasks-taskpreviousresponse";

/// One push, as far as the rules look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The task's id on this queue.
    pub task: TaskId,
    /// R: dispatches before this one.
    pub retries: u32,
    /// E: answers before this one that counted.
    pub executions: u32,
    /// P: the status of the previous dispatch; none on the first, 0 where Cloud Tasks could not
    /// connect, 504 where it waited in vain.
    pub previous: Option<u16>,
    /// Where the task comes from.
    pub ledger: Ledger,
    /// Why a ledger that was there did not count, if so.
    pub ledger_ignored: Option<Unusable>,
    /// Where a route sends a task with these headers, without a run.
    pub routed: Option<Target>,
}

/// A push that the worker must not judge (A0), with what to answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refusal {
    /// Why.
    pub why: Why,
    /// What Cloud Tasks is told: 500, or again the 596 or 597 that it must not forget.
    pub answer: Answer,
}

/// Why a push can't be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// A header that Cloud Tasks always sends is missing.
    #[error("the header {0} is missing: is this a push of Cloud Tasks?")]
    Missing(&'static str),
    /// A header is there more than once, or isn't what it should be.
    #[error("the header {0} can't be read")]
    Unreadable(&'static str),
    /// The push comes from a queue that this worker does not serve.
    #[error("the push comes from the queue {got}, this worker serves {wanted}")]
    OtherQueue {
        /// The queue in the header.
        got: QueueId,
        /// The worker's.
        wanted: QueueId,
    },
    /// The ledger is of a newer form.
    #[error("{0}")]
    Ledger(Unusable),
}

impl Delivery {
    /// Reads the headers of a push to the stage of `policy`.
    ///
    /// `now` is when the ladder first sees the task, if this is its first stage.
    pub fn parse(headers: &HeaderMap, policy: &Policy, now: Timestamp) -> Result<Self, Refusal> {
        // A0 forgets nothing: the queue may be ours again after an edit.
        let previous = previous(headers);
        Self::read(headers, policy, previous, now).map_err(|why| Refusal {
            why,
            answer: Answer::Unknown.unless_remembered(previous),
        })
    }

    fn read(
        headers: &HeaderMap,
        policy: &Policy,
        previous: Option<u16>,
        now: Timestamp,
    ) -> Result<Self, Why> {
        let queue: QueueId = parsed(headers, QUEUE_NAME)?;
        if queue != policy.queue.id {
            return Err(Why::OtherQueue {
                got: queue,
                wanted: policy.queue.id.clone(),
            });
        }
        let task: TaskId = parsed(headers, TASK_NAME)?;
        let retries = count(headers, RETRY_COUNT)?;
        let executions = count(headers, EXECUTION_COUNT)?;
        let (ledger, ledger_ignored) = match read_ledger(headers, &task) {
            None => (None, None),
            Some(Ok(ledger)) => (Some(ledger), None),
            // Never "new": the task may be near its end, and would start over.
            Some(Err(newer @ Unusable::Newer(_))) => return Err(Why::Ledger(newer)),
            Some(Err(ignored)) => (None, Some(ignored)),
        };
        let ledger = ledger.unwrap_or_else(|| Ledger::first(&policy.queue.task(task.clone()), now));
        let routed = policy.routes.before_run(headers).cloned();
        Ok(Self {
            task,
            retries,
            executions,
            previous,
            ledger,
            ledger_ignored,
            routed,
        })
    }

    /// Dispatches that ended without an answer that counts: R − E.
    pub fn unanswered(&self) -> u32 {
        self.retries.saturating_sub(self.executions)
    }
}

/// The previous dispatch's status, or none on the first dispatch: Cloud Tasks sends no such header
/// then, so the value is the producer's, and 596 or 597 would end the task without a run.
///
/// One that can't be read is none: the rules then look up what became of the task, which costs
/// an extra run at worst.
pub fn previous(headers: &HeaderMap) -> Option<u16> {
    if count(headers, RETRY_COUNT) == Ok(0) {
        return None;
    }
    only(headers, PREVIOUS_RESPONSE)
        .ok()?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a HeaderValue, Why> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().ok_or(Why::Missing(name))?;
    if values.next().is_some() {
        Err(Why::Unreadable(name))
    } else {
        Ok(first)
    }
}

fn parsed<T: std::str::FromStr>(headers: &HeaderMap, name: &'static str) -> Result<T, Why> {
    let text = only(headers, name)?
        .to_str()
        .map_err(|_| Why::Unreadable(name))?;
    text.parse().map_err(|_| Why::Unreadable(name))
}

fn count(headers: &HeaderMap, name: &'static str) -> Result<u32, Why> {
    parsed(headers, name)
}

fn read_ledger(headers: &HeaderMap, task: &TaskId) -> Option<Result<Ledger, Unusable>> {
    match only(headers, LEDGER_HEADER) {
        Ok(value) => Some(Ledger::read(value, task)),
        Err(Why::Missing(_)) => None,
        Err(why) => Some(Err(Unusable::Damaged(why.to_string()))),
    }
}
