//! Task lookups: whether an earlier dispatch has created the successor, and how old the task is.

use std::time::{Duration, Instant};

use cloudtasks::{CloudTasks, Error, TaskPath, TaskState};
use decide::task::LEDGER_HEADER;
use decide::{Delivery, Ledger, SuccessorLookup, TaskAge};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http::HeaderValue;
use jiff::Timestamp;
use tracing::{info, warn};
use worker_contract::limits;

use crate::state::Worker;

/// The time-out of a lookup that only the ledger depends on.
pub(crate) const RECORD_TIMEOUT: Duration = Duration::from_secs(2);

/// What an earlier dispatch has left of the task.
#[derive(Debug)]
pub(crate) struct FoundSuccessor {
    pub lookup: SuccessorLookup,
    /// The ledger of the parked task, if there is one that can be read: it knows why the task ended.
    pub parked: Option<Ledger>,
}

impl From<SuccessorLookup> for FoundSuccessor {
    fn from(lookup: SuccessorLookup) -> Self {
        Self {
            lookup,
            parked: None,
        }
    }
}

/// Whether an earlier dispatch has finished this stage for the task. All names are looked up at once; the
/// first that exists or existed decides, but for the parked task: its notification may be missing.
pub(crate) async fn look_up_successor(
    worker: &Worker,
    delivery: &Delivery,
    cloud: &CloudTasks,
) -> FoundSuccessor {
    let policy = &worker.config.policy;
    let successors = policy.successor_tasks(&delivery.ledger);
    let parked_tasks = policy.parked_tasks(&delivery.ledger);
    let mut lookups: FuturesUnordered<_> = successors
        .iter()
        .map(|name| (name, false))
        .chain(parked_tasks.iter().map(|name| (name, true)))
        .map(|(name, parks)| async move { (name, parks, cloud.get_task(name).await) })
        .collect();
    let mut successor = SuccessorLookup::NotFound;
    let mut parked = None;
    while let Some((name, parks, found)) = lookups.next().await {
        match found {
            Ok(state @ (TaskState::Exists(_) | TaskState::Ended)) if parks => {
                info!(found = %name, "an earlier dispatch has parked this task");
                if successor == SuccessorLookup::NotFound {
                    successor = SuccessorLookup::Parked;
                }
                if let TaskState::Exists(task) = state {
                    let value = task.headers.get(LEDGER_HEADER);
                    let value = value.and_then(|value| HeaderValue::from_str(value).ok());
                    parked = value.and_then(|it| Ledger::read_parked(&it, &name.id).ok());
                }
            }
            Ok(TaskState::Exists(_) | TaskState::Ended) => {
                worker.metrics.found_done.inc();
                info!(found = %name, "an earlier dispatch has finished this task here");
                return SuccessorLookup::Found.into();
            }
            // A queue that doesn't exist has no tasks.
            Ok(TaskState::Unknown) | Err(Error::Missing { .. }) => {}
            Err(error) => {
                worker.metrics.look_ups_failed.inc();
                warn!(name = %name, %error, "lookup failed");
                successor = SuccessorLookup::Unknown;
            }
        }
    }
    FoundSuccessor {
        lookup: successor,
        parked,
    }
}

/// How old the task is on this stage's queue.
pub(crate) async fn look_up_age(
    worker: &Worker,
    delivery: &Delivery,
    now: Timestamp,
    cloud: &CloudTasks,
) -> TaskAge {
    match cloud.get_task(&own_path(worker, delivery)).await {
        Ok(TaskState::Exists(task)) => {
            // If our clock is behind Google's, the age is zero.
            let since = |time| Duration::try_from(now.duration_since(time)).unwrap_or_default();
            TaskAge::Known {
                created: since(task.created),
                dispatched: since(task.first_dispatched.unwrap_or(task.created)),
            }
        }
        Ok(TaskState::Ended | TaskState::Unknown) => TaskAge::Unknown,
        Err(error) => {
            worker.metrics.look_ups_failed.inc();
            warn!(%error, "lookup of the task's age failed");
            TaskAge::Unknown
        }
    }
}

/// What the creates of one push share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Departure {
    /// When the task came to this stage.
    pub since: Timestamp,
    /// When it was first pushed on it, as far as that is known without a lookup for it alone. It may have
    /// been due long after it came.
    pub first_pushed: Option<Timestamp>,
    /// Whether the task is deleted, as far as a lookup was needed.
    pub deleted: bool,
    /// When the creates must be done.
    pub deadline: Instant,
}

/// When the task came to this stage: from the ledger or from Cloud Tasks, or else `now`. Only a task on
/// its first stage that was pushed before is looked up.
pub(crate) async fn look_up_departure(
    worker: &Worker,
    delivery: &Delivery,
    now: Timestamp,
    cloud: &CloudTasks,
) -> Departure {
    let first_time = (delivery.retry_count == 0).then_some(now);
    let (since, first_pushed, deleted) = if let Some(stay) = &delivery.ledger.stay {
        (stay.since, Some(stay.since), false)
    } else if let Some(before) = delivery.ledger.stages.last() {
        (before.until, first_time, false)
    } else if delivery.retry_count == 0 {
        (now, first_time, false)
    } else {
        let path = own_path(worker, delivery);
        match tokio::time::timeout(RECORD_TIMEOUT, cloud.get_task(&path)).await {
            Ok(Ok(TaskState::Exists(task))) => (task.created, task.first_dispatched, false),
            Ok(Ok(TaskState::Ended)) => (now, first_time, true),
            Ok(Ok(TaskState::Unknown) | Err(_)) | Err(_) => (now, first_time, false),
        }
    };
    Departure {
        since,
        first_pushed,
        deleted,
        deadline: Instant::now() + limits::CREATES,
    }
}

/// When the task was first pushed on this stage.
pub(super) async fn look_up_first_push(
    worker: &Worker,
    delivery: &Delivery,
    cloud: &CloudTasks,
) -> Option<Timestamp> {
    let path = own_path(worker, delivery);
    match tokio::time::timeout(RECORD_TIMEOUT, cloud.get_task(&path)).await {
        Ok(Ok(TaskState::Exists(task))) => task.first_dispatched,
        Ok(Ok(TaskState::Ended | TaskState::Unknown) | Err(_)) | Err(_) => None,
    }
}

fn own_path(worker: &Worker, delivery: &Delivery) -> TaskPath {
    worker.config.policy.queue.task(delivery.task.clone())
}
