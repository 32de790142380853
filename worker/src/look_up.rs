//! What Cloud Tasks is asked before a decision.

use std::time::Duration;

use cloudtasks::{CloudTasks, Error, Sighting, TaskPath};
use decide::{Delivery, SuccessorLookup, TaskAge};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use tracing::{info, warn};

use crate::work::Worker;

/// How long the worker waits to learn when a task came, where only a record depends on it.
const FOR_THE_RECORD: Duration = Duration::from_secs(2);

impl Worker {
    /// Whether an earlier dispatch has finished this stage for the task. All names are asked for
    /// at once; the first that is or was there settles it.
    pub(crate) async fn look_up_successor(
        &self,
        delivery: &Delivery,
        cloud: &CloudTasks,
    ) -> SuccessorLookup {
        let names = self.config.policy.successor_tasks(&delivery.ledger);
        let mut answers: FuturesUnordered<_> = names
            .iter()
            .map(|name| async move { (name, cloud.get_task(name).await) })
            .collect();
        let mut ends = SuccessorLookup::NotFound;
        while let Some((name, answer)) = answers.next().await {
            match answer {
                Ok(Sighting::Live(_) | Sighting::Ended) => {
                    self.stats.found_done.inc();
                    info!(found = %name, "an earlier dispatch has finished this task here");
                    return SuccessorLookup::Found;
                }
                // A queue that is gone holds nothing.
                Ok(Sighting::Never) | Err(Error::Missing { .. }) => {}
                Err(error) => {
                    self.stats.look_ups_failed.inc();
                    warn!(name = %name, %error, "look-up failed");
                    ends = SuccessorLookup::Unknown;
                }
            }
        }
        ends
    }

    /// How long ago the task came to this stage.
    pub(crate) async fn look_up_age(
        &self,
        delivery: &Delivery,
        now: Timestamp,
        cloud: &CloudTasks,
    ) -> TaskAge {
        match cloud.get_task(&self.own_path(delivery)).await {
            // A clock that is behind Google's makes a task no older than it is.
            Ok(Sighting::Live(task)) => TaskAge::Known(
                Duration::try_from(now.duration_since(task.created)).unwrap_or_default(),
            ),
            Ok(Sighting::Ended | Sighting::Never) => TaskAge::Unknown,
            Err(error) => {
                self.stats.look_ups_failed.inc();
                warn!(%error, "look-up of the task's age failed");
                TaskAge::Unknown
            }
        }
    }

    /// When the task came to this stage, as well as it can be told: from the ledger, from Cloud
    /// Tasks, or else the time of this push.
    pub(crate) async fn came_at(
        &self,
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
        let path = self.own_path(delivery);
        match tokio::time::timeout(FOR_THE_RECORD, cloud.get_task(&path)).await {
            Ok(Ok(Sighting::Live(task))) => task.created,
            Ok(Ok(Sighting::Ended | Sighting::Never) | Err(_)) | Err(_) => now,
        }
    }

    fn own_path(&self, delivery: &Delivery) -> TaskPath {
        self.config.policy.queue.task(delivery.task.clone())
    }
}
