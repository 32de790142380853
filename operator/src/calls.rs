//! Calls: the one way to Cloud Tasks' administration. A write is made for as long as we are the
//! leader.

use cloudtasks::{CloudTasks, LocationPath, Queue, QueuePath, QueueSettings};
use futures::TryFutureExt;

use crate::claim::Claim;
use crate::error::Error;

/// Cloud Tasks, as the operator may call it. Cheap to clone; clones share what they are bound by.
#[derive(Debug, Clone)]
pub struct Calls {
    cloud: CloudTasks,
    claim: Claim,
}

impl Calls {
    /// Calls that write while `claim` holds.
    pub fn new(cloud: CloudTasks, claim: Claim) -> Self {
        Self { cloud, claim }
    }

    /// `ListQueues`, all pages.
    pub async fn list_queues(
        &self,
        parent: &LocationPath,
    ) -> Result<Vec<Queue>, cloudtasks::Error> {
        self.cloud.list_queues(parent).await
    }

    /// `CreateQueue`.
    pub async fn create_queue(
        &self,
        path: &QueuePath,
        settings: &QueueSettings,
    ) -> Result<Queue, Error> {
        self.write(self.cloud.create_queue(path, settings)).await
    }

    /// `UpdateQueue`.
    pub async fn update_queue(
        &self,
        path: &QueuePath,
        settings: &QueueSettings,
    ) -> Result<Queue, Error> {
        self.write(self.cloud.update_queue(path, settings)).await
    }

    /// `PauseQueue`.
    pub async fn pause_queue(&self, path: &QueuePath) -> Result<(), Error> {
        self.write(self.cloud.pause_queue(path)).await
    }

    /// `ResumeQueue`.
    pub async fn resume_queue(&self, path: &QueuePath) -> Result<(), Error> {
        self.write(self.cloud.resume_queue(path)).await
    }

    /// `DeleteQueue`, with its tasks.
    pub async fn delete_queue(&self, path: &QueuePath) -> Result<(), Error> {
        self.write(self.cloud.delete_queue(path)).await
    }

    fn write<T>(
        &self,
        call: impl Future<Output = Result<T, cloudtasks::Error>>,
    ) -> impl Future<Output = Result<T, Error>> {
        self.claim.hold(call.map_err(Error::from))
    }
}
