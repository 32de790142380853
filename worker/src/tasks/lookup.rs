//! Task lookups: whether an earlier dispatch has created the successor, and how old the task is.

use std::time::{Duration, Instant};

use cloudtasks::{CloudTasks, Error, TaskPath, TaskState};
use decide::{Delivery, SuccessorLookup, TaskAge};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use tracing::{info, warn};
use worker_contract::limits;

use crate::state::Worker;

/// The time-out of a lookup that only the ledger depends on.
pub(crate) const RECORD_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether an earlier dispatch has finished this stage for the task. All names are looked up at once; the
/// first that exists or existed decides.
pub(crate) async fn look_up_successor(
    worker: &Worker,
    delivery: &Delivery,
    cloud: &CloudTasks,
) -> SuccessorLookup {
    let names = worker.config.policy.successor_tasks(&delivery.ledger);
    let mut lookups: FuturesUnordered<_> = names
        .iter()
        .map(|name| async move { (name, cloud.get_task(name).await) })
        .collect();
    let mut successor = SuccessorLookup::NotFound;
    while let Some((name, found)) = lookups.next().await {
        match found {
            Ok(TaskState::Exists(_) | TaskState::Ended) => {
                worker.metrics.found_done.inc();
                info!(found = %name, "an earlier dispatch has finished this task here");
                return SuccessorLookup::Found;
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
    successor
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
