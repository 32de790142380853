//! Task lookups: whether an earlier dispatch has created the successor, and how old the task is.

use std::time::Duration;

use cloudtasks::{CloudTasks, Error, TaskPath, TaskState};
use decide::{Delivery, SuccessorLookup, TaskAge};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use tracing::{info, warn};

use crate::state::Worker;

/// The time-out of a lookup that only the ledger depends on.
const RECORD_TIMEOUT: Duration = Duration::from_secs(2);

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

/// How long ago the task was created on this stage's queue.
pub(crate) async fn look_up_age(
    worker: &Worker,
    delivery: &Delivery,
    now: Timestamp,
    cloud: &CloudTasks,
) -> TaskAge {
    match cloud.get_task(&own_path(worker, delivery)).await {
        // If our clock is behind Google's, the age is zero.
        Ok(TaskState::Exists(task)) => {
            TaskAge::Known(Duration::try_from(now.duration_since(task.created)).unwrap_or_default())
        }
        Ok(TaskState::Ended | TaskState::Unknown) => TaskAge::Unknown,
        Err(error) => {
            worker.metrics.look_ups_failed.inc();
            warn!(%error, "lookup of the task's age failed");
            TaskAge::Unknown
        }
    }
}

/// When the task came to this stage: from the ledger or from Cloud Tasks, or else `now`.
pub(super) async fn look_up_arrival(
    worker: &Worker,
    delivery: &Delivery,
    now: Timestamp,
    cloud: &CloudTasks,
) -> Timestamp {
    if let Some(before) = delivery.ledger.stages.last() {
        return before.until;
    }
    if delivery.retry_count == 0 {
        return now;
    }
    let path = own_path(worker, delivery);
    match tokio::time::timeout(RECORD_TIMEOUT, cloud.get_task(&path)).await {
        Ok(Ok(TaskState::Exists(task))) => task.created,
        Ok(Ok(TaskState::Ended | TaskState::Unknown) | Err(_)) | Err(_) => now,
    }
}

fn own_path(worker: &Worker, delivery: &Delivery) -> TaskPath {
    worker.config.policy.queue.task(delivery.task.clone())
}
