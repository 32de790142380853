//! Calls: the one way to Cloud Tasks' administration. Each waits for its turn, is made if we are the
//! leader still, where it writes, and is counted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cloudtasks::{CloudTasks, LocationPath, Queue, QueuePath, QueueSettings, TaskInfo};
use futures::TryFutureExt;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::claim::Claim;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::pace::{Pace, Rate, Ticket, Urgency};

/// A list takes well under a second. Two that fail are an outage, which chains have to tell of soon,
/// also where nobody answers.
const LIST_TIMEOUT: Duration = Duration::from_secs(3);

/// Cloud Tasks, as the operator may call it. Cheap to clone; clones share what they are bound by.
#[derive(Clone)]
pub struct Calls {
    cloud: CloudTasks,
    claim: Claim,
    metrics: Arc<Metrics>,
    turns: Arc<Turns>,
}

struct Turns {
    pace: Mutex<Pace>,
    /// Somebody has gone or left, and others have moved up.
    moved: Notify,
}

impl Calls {
    /// At most so many calls a second; writes while `claim` holds.
    pub fn new(cloud: CloudTasks, claim: Claim, metrics: Arc<Metrics>, most: Rate) -> Self {
        let pace = Pace::new(most, Instant::now());
        metrics.paced(pace.rate());
        let turns = Arc::new(Turns {
            pace: Mutex::new(pace),
            moved: Notify::new(),
        });
        Self {
            cloud,
            claim,
            metrics,
            turns,
        }
    }

    /// `ListQueues`, all pages. Counted as one call: a page holds 1000 queues, which is as many as a
    /// project may have by default. Urgent, since each edit is planned from one, and few, since a
    /// location has one at a time.
    pub async fn list_queues(
        &self,
        parent: &LocationPath,
    ) -> Result<Vec<Queue>, cloudtasks::Error> {
        self.turn(Urgency::Urgent).await;
        let list = async {
            let listed = timeout(LIST_TIMEOUT, self.cloud.list_queues(parent)).await;
            listed.unwrap_or_else(|_| {
                Err(cloudtasks::Error::TimedOut {
                    resource: parent.to_string(),
                    after: LIST_TIMEOUT,
                })
            })
        };
        self.made("ListQueues", list).await
    }

    /// `GetQueue`.
    pub async fn get_queue(&self, path: &QueuePath) -> Result<Queue, cloudtasks::Error> {
        self.turn(Urgency::Ordinary).await;
        self.made("GetQueue", self.cloud.get_queue(path)).await
    }

    /// `ListTasks`: at most `limit` tasks of the queue, in no particular order.
    pub async fn list_tasks(
        &self,
        queue: &QueuePath,
        limit: usize,
    ) -> Result<Vec<TaskInfo>, cloudtasks::Error> {
        self.turn(Urgency::Ordinary).await;
        self.made("ListTasks", self.cloud.list_tasks(queue, limit))
            .await
    }

    /// `CreateQueue`.
    pub async fn create_queue(
        &self,
        path: &QueuePath,
        settings: &QueueSettings,
    ) -> Result<Queue, Error> {
        self.turn(Urgency::Ordinary).await;
        let call = self.cloud.create_queue(path, settings);
        self.write("CreateQueue", call).await
    }

    /// `UpdateQueue`.
    pub async fn update_queue(
        &self,
        path: &QueuePath,
        settings: &QueueSettings,
    ) -> Result<Queue, Error> {
        self.turn(Urgency::Urgent).await;
        let call = self.cloud.update_queue(path, settings);
        self.write("UpdateQueue", call).await
    }

    /// `PauseQueue`.
    pub async fn pause_queue(&self, path: &QueuePath) -> Result<(), Error> {
        self.turn(Urgency::Urgent).await;
        self.write("PauseQueue", self.cloud.pause_queue(path)).await
    }

    /// `ResumeQueue`.
    pub async fn resume_queue(&self, path: &QueuePath) -> Result<(), Error> {
        self.turn(Urgency::Urgent).await;
        self.write("ResumeQueue", self.cloud.resume_queue(path))
            .await
    }

    /// `DeleteQueue`, with its tasks.
    pub async fn delete_queue(&self, path: &QueuePath) -> Result<(), Error> {
        self.turn(Urgency::Ordinary).await;
        self.write("DeleteQueue", self.cloud.delete_queue(path))
            .await
    }

    fn write<T>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<T, cloudtasks::Error>>,
    ) -> impl Future<Output = Result<T, Error>> {
        // Looked at after the turn, for which it may have waited long.
        self.claim
            .hold(self.made(method, call).map_err(Error::from))
    }

    /// Makes the call, and learns from its answer.
    fn made<T>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<T, cloudtasks::Error>>,
    ) -> impl Future<Output = Result<T, cloudtasks::Error>> {
        let call = Box::pin(call);
        async move {
            let made = call.await;
            self.metrics.called(method, made.as_ref().err());
            if let Err(cloudtasks::Error::Quota { .. }) = &made {
                self.turns.pace().used_up(Instant::now());
                let rate = self.turns.pace().rate();
                self.metrics.paced(rate);
                tracing::warn!(
                    method,
                    rate,
                    "a quota of Cloud Tasks is used up: calls go slower"
                );
            }
            made
        }
    }

    /// Waits until the call may go.
    async fn turn(&self, urgency: Urgency) {
        let waiting = Waiting {
            ticket: self.turns.pace().join(urgency),
            turns: &self.turns,
        };
        loop {
            // Before the look, or a move in between would be missed.
            let moved = self.turns.moved.notified();
            let wait = {
                let mut pace = self.turns.pace();
                let wait = pace.turn(waiting.ticket, Instant::now());
                self.metrics.paced(pace.rate());
                wait
            };
            let Some(wait) = wait else {
                return;
            };
            tokio::select! {
                () = sleep(wait) => {}
                () = moved => {}
            }
        }
    }
}

impl Turns {
    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those who wait, which is free when its round is cut off.
struct Waiting<'a> {
    ticket: Ticket,
    turns: &'a Turns,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.turns.pace().leave(self.ticket);
        self.turns.moved.notify_waiters();
    }
}
