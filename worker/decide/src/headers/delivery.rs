//! The headers of a push, parsed once: Cloud Tasks' counters, and our ledger.

use std::time::Duration;

use cloudtasks::{QueueId, TaskId};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::{SignedDuration, Timestamp};

use crate::stage::{RouteTarget, StagePolicy};
use crate::task::{Ledger, LedgerError};
use crate::values::{Answer, Category, TaskOrigin};

/// The queue's short id.
pub const QUEUE_NAME: &str = "x-cloudtasks-queuename";
/// The task's short id.
pub const TASK_NAME: &str = "x-cloudtasks-taskname";
/// The dispatches before this one, including those that reached no worker.
pub const RETRY_COUNT: &str = "x-cloudtasks-taskretrycount";
/// The answers before this one that were no 5xx.
pub const EXECUTION_COUNT: &str = "x-cloudtasks-taskexecutioncount";
/// The status of the previous dispatch.
pub const PREVIOUS_RESPONSE: &str = "x-cloudtasks-taskpreviousresponse";
/// When this dispatch was due, in seconds since 1970 with a fraction. On a retry, when the retry was due.
pub const TASK_ETA: &str = "x-cloudtasks-tasketa";

/// The names, ready to be looked up.
pub(super) mod names {
    use http::HeaderName;

    pub static QUEUE_NAME: HeaderName = HeaderName::from_static(super::QUEUE_NAME);
    pub static TASK_NAME: HeaderName = HeaderName::from_static(super::TASK_NAME);
    pub static RETRY_COUNT: HeaderName = HeaderName::from_static(super::RETRY_COUNT);
    pub static EXECUTION_COUNT: HeaderName = HeaderName::from_static(super::EXECUTION_COUNT);
    pub static PREVIOUS_RESPONSE: HeaderName = HeaderName::from_static(super::PREVIOUS_RESPONSE);
    pub static TASK_ETA: HeaderName = HeaderName::from_static(super::TASK_ETA);
    pub static LEDGER: HeaderName = HeaderName::from_static(crate::task::LEDGER_HEADER);
}

/// Cloud Tasks deletes a task this long after its creation, so no dispatch is later.
const RETENTION: Duration = Duration::from_hours(31 * 24);

/// One push, as the rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The task's id on this queue.
    pub task: TaskId,
    /// R: the dispatches before this one.
    pub retry_count: u32,
    /// E: the answers before this one that were counted.
    pub execution_count: u32,
    /// P: the status of the previous dispatch. None on the first; 0 if Cloud Tasks could not connect,
    /// 504 if it got no answer in time.
    pub previous_response: Option<u16>,
    /// When this dispatch was due. None if the header is missing or not valid. No rule depends on it.
    pub due_at: Option<Timestamp>,
    /// The task's history.
    pub ledger: Ledger,
    /// Why the ledger header doesn't count, if there was one that is not valid.
    pub ledger_error: Option<LedgerError>,
    /// Where a route by header sends the task without a run.
    pub header_route: Option<RouteTarget>,
    /// The categories that isolation rules know the task by.
    pub categories: Vec<Category>,
    /// How long the task has been on this stage if it was put off, by the worker's clock; else zero.
    pub stayed: Duration,
}

/// A push that the rules must not judge (A0), and the answer to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct RejectedPush {
    /// Why.
    pub reason: InvalidPush,
    /// 500, or the previous 596 or 597 again.
    pub answer: Answer,
}

/// Why the rules must not judge a push.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPush {
    /// A header that Cloud Tasks always sends is missing.
    #[error("the header {0} is missing: is this a push from Cloud Tasks?")]
    Missing(&'static str),
    /// A header occurs more than once, or its value is not valid.
    #[error("the header {0} can't be read")]
    Unreadable(&'static str),
    /// This worker serves another queue.
    #[error("the push comes from queue {got}, but this worker serves {wanted}")]
    OtherQueue {
        /// The queue in the header.
        got: QueueId,
        /// The worker's queue.
        wanted: QueueId,
    },
}

impl Delivery {
    /// Parses the headers of a push to the stage of `policy`. `now` becomes the ledger's `first_seen`
    /// if this is the task's first stage.
    pub fn parse(
        headers: &HeaderMap,
        policy: &StagePolicy,
        now: Timestamp,
    ) -> Result<Self, RejectedPush> {
        // A rejected push keeps its 596 or 597: after an edit the queue may be ours again.
        let previous = previous_response(headers);
        Self::read(headers, policy, previous, now).map_err(|reason| RejectedPush {
            reason,
            answer: Answer::Unknown.unless_pending(previous),
        })
    }

    fn read(
        headers: &HeaderMap,
        policy: &StagePolicy,
        previous_response: Option<u16>,
        now: Timestamp,
    ) -> Result<Self, InvalidPush> {
        let queue: QueueId = parsed(headers, &names::QUEUE_NAME)?;
        if queue != policy.queue.id {
            return Err(InvalidPush::OtherQueue {
                got: queue,
                wanted: policy.queue.id.clone(),
            });
        }
        let task: TaskId = parsed(headers, &names::TASK_NAME)?;
        let retry_count = parsed(headers, &names::RETRY_COUNT)?;
        let execution_count = parsed(headers, &names::EXECUTION_COUNT)?;
        let (ledger, ledger_error) = read_ledger(headers, &task, policy);
        let ledger = ledger.unwrap_or_else(|| Ledger::first(&policy.queue.task(task.clone()), now));
        let header_route = policy.routes.before_run(headers).cloned();
        let categories = policy.isolation.categories(headers, policy.tell_categories);
        let since = ledger.stay.as_ref().map(|stay| stay.since);
        let stayed = since.and_then(|since| Duration::try_from(now.duration_since(since)).ok());
        Ok(Self {
            task,
            retry_count,
            execution_count,
            previous_response,
            due_at: due_at(headers),
            ledger,
            ledger_error,
            header_route,
            categories,
            stayed: stayed.unwrap_or_default(),
        })
    }

    /// Whether the task must wait for a newer worker: to run it as new would start it over.
    pub fn awaits_newer_worker(&self) -> bool {
        matches!(self.ledger_error, Some(LedgerError::NewerVersion(_)))
    }

    /// Who created the task on this queue, if this is its first dispatch here. None on retries, and if the
    /// task was put off here.
    pub fn arrival(&self) -> Option<TaskOrigin> {
        if self.retry_count > 0 || self.ledger.stay.is_some() {
            return None;
        }
        // The hop of a newer ledger may be unknown.
        let handed_over = self.ledger.hop > 0 || self.awaits_newer_worker();
        Some(match (&self.ledger.life, self.ledger.hop) {
            (Some(_), 1) => TaskOrigin::Redrive,
            _ if handed_over => TaskOrigin::HandOver,
            _ => TaskOrigin::Producer,
        })
    }

    /// How late this dispatch came, by the worker's clock. 0 if it came early: clocks differ, and a task
    /// can be run before it is due. None if it isn't known when the dispatch was due.
    pub fn lag(&self, arrived_at: Timestamp) -> Option<Duration> {
        let lag = arrived_at.duration_since(self.due_at?);
        let lag = Duration::try_from(lag).unwrap_or_default();
        (lag <= RETENTION).then_some(lag)
    }

    /// The dispatches without a counted answer: R − E.
    pub fn unanswered(&self) -> u32 {
        self.retry_count.saturating_sub(self.execution_count)
    }

    /// The attempts on this stage before the task was put off.
    pub fn attempts_before_put_off(&self) -> u32 {
        self.ledger.stay.as_ref().map_or(0, |stay| stay.attempts)
    }

    /// The attempts on this stage before this dispatch: those of before the task was put off, and E.
    pub fn attempts(&self) -> u32 {
        self.attempts_before_put_off()
            .saturating_add(self.execution_count)
    }

    /// The dispatches on this stage before this one: those of before the task was put off, and R.
    pub fn dispatches(&self) -> u32 {
        let before = self.ledger.stay.as_ref().map_or(0, |stay| stay.dispatches);
        before.saturating_add(self.retry_count)
    }

    /// The attempts on all stages before this dispatch. A record that the ledger has left out counts as
    /// one, so that the number of a later stage is never 0.
    pub fn attempts_so_far(&self) -> u32 {
        let attempts = self.ledger.stages.iter().map(|record| record.attempts);
        attempts
            .chain([self.ledger.left_out, self.attempts()])
            .fold(0, u32::saturating_add)
    }
}

/// The status of the previous dispatch, or none on the first: Cloud Tasks does not send the header then,
/// so its value is the producer's, and 596 or 597 would skip the run.
///
/// A value that can't be read is none. The rules then look up the successor, which costs a run at most.
pub fn previous_response(headers: &HeaderMap) -> Option<u16> {
    if parsed(headers, &names::RETRY_COUNT) == Ok(0_u32) {
        return None;
    }
    parsed(headers, &names::PREVIOUS_RESPONSE).ok()
}

fn due_at(headers: &HeaderMap) -> Option<Timestamp> {
    let seconds = parsed::<f64>(headers, &names::TASK_ETA).ok()?;
    let since_1970 = SignedDuration::try_from_secs_f64(seconds).ok()?;
    Timestamp::from_duration(since_1970).ok()
}

fn only<'a>(
    headers: &'a HeaderMap,
    name: &'static HeaderName,
) -> Result<&'a HeaderValue, InvalidPush> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().ok_or(InvalidPush::Missing(name.as_str()))?;
    if values.next().is_some() {
        Err(InvalidPush::Unreadable(name.as_str()))
    } else {
        Ok(first)
    }
}

fn parsed<T: std::str::FromStr>(
    headers: &HeaderMap,
    name: &'static HeaderName,
) -> Result<T, InvalidPush> {
    let text = only(headers, name)?.to_str().ok();
    let value = text.and_then(|text| text.parse().ok());
    value.ok_or(InvalidPush::Unreadable(name.as_str()))
}

/// The task's ledger if it counts, and why not if there is one.
fn read_ledger(
    headers: &HeaderMap,
    task: &TaskId,
    policy: &StagePolicy,
) -> (Option<Ledger>, Option<LedgerError>) {
    let value = match only(headers, &names::LEDGER) {
        Ok(value) => value,
        Err(InvalidPush::Missing(_)) => return (None, None),
        Err(error) => return (None, Some(LedgerError::Damaged(error.to_string()))),
    };
    let (ledger, error) = match Ledger::read(value, task) {
        Ok(ledger) => (Some(ledger), None),
        Err(newer @ LedgerError::NewerVersion(_)) => (Ledger::read_ids(value, task), Some(newer)),
        Err(ignored) => (None, Some(ignored)),
    };
    match ledger {
        Some(ledger) if !policy.is_handed(&ledger) => (None, Some(LedgerError::OnFirstQueue)),
        ledger => (ledger, error),
    }
}
