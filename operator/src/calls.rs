//! Calls: the one way to Cloud Tasks' administration. Each waits for its turn, is made if we are the
//! leader still, where it writes, and is counted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cloudtasks::{LocationPath, Queue, QueuePath, QueueSettings};
use futures::TryFutureExt;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::claim::Claim;
use crate::connection::Connection;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::pace::{Bucket, Pace, Rate, Ticket, Urgency};

/// Lists have a quota of their own, 600 a minute in a region, of which the inventory needs some.
const COUNTS_PER_SECOND: f64 = 5.0;
/// So many queues may be counted at once, after a rest.
const MOST_COUNTS: f64 = 50.0;

/// A list takes well under a second. Two that fail are an outage, which chains have to tell of soon,
/// also where nobody answers.
const LIST_TIMEOUT: Duration = Duration::from_secs(3);

/// Cloud Tasks, as the operator may call it. Cheap to clone; clones share what they are bound by.
#[derive(Clone)]
pub struct Calls {
    connection: Connection,
    claim: Claim,
    metrics: Arc<Metrics>,
    turns: Arc<Turns>,
}

struct Turns {
    pace: Mutex<Pace>,
    counts: Mutex<Bucket>,
    /// Somebody has gone or left, and others have moved up.
    moved: Notify,
}

impl Calls {
    /// At most so many calls a second; writes while `claim` holds.
    pub fn new(connection: Connection, claim: Claim, metrics: Arc<Metrics>, most: Rate) -> Self {
        let pace = Pace::new(most, Instant::now());
        metrics.paced(pace.rate());
        let turns = Arc::new(Turns {
            pace: Mutex::new(pace),
            counts: Mutex::new(Bucket::full(COUNTS_PER_SECOND, MOST_COUNTS, Instant::now())),
            moved: Notify::new(),
        });
        Self {
            connection,
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
            let list = async { self.connection.get().await?.list_queues(parent).await };
            let listed = timeout(LIST_TIMEOUT, list).await;
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
        self.made("GetQueue", async {
            self.connection.get().await?.get_queue(path).await
        })
        .await
    }

    /// `ListTasks`: how many tasks the queue has, at most `limit`; `None` where too many queues were
    /// counted just now. It never waits: an edit is worth more than a count.
    pub async fn count_tasks(
        &self,
        queue: &QueuePath,
        limit: usize,
    ) -> Result<Option<usize>, cloudtasks::Error> {
        if !self.turns.counts().take(Instant::now()) {
            return Ok(None);
        }
        let call = async { self.connection.get().await?.list_tasks(queue, limit).await };
        let counted = self.made("ListTasks", call).await;
        counted.map(|tasks| Some(tasks.len()))
    }

    /// `CreateQueue`.
    pub async fn create_queue(
        &self,
        path: &QueuePath,
        settings: &QueueSettings,
    ) -> Result<Queue, Error> {
        self.turn(Urgency::Ordinary).await;
        let call = async {
            self.connection
                .get()
                .await?
                .create_queue(path, settings)
                .await
        };
        self.write("CreateQueue", call).await
    }

    /// `UpdateQueue`.
    pub async fn update_queue(
        &self,
        path: &QueuePath,
        settings: &QueueSettings,
    ) -> Result<Queue, Error> {
        self.turn(Urgency::Urgent).await;
        let call = async {
            self.connection
                .get()
                .await?
                .update_queue(path, settings)
                .await
        };
        self.write("UpdateQueue", call).await
    }

    /// `PauseQueue`.
    pub async fn pause_queue(&self, path: &QueuePath) -> Result<(), Error> {
        self.turn(Urgency::Urgent).await;
        self.write("PauseQueue", async {
            self.connection.get().await?.pause_queue(path).await
        })
        .await
    }

    /// `ResumeQueue`.
    pub async fn resume_queue(&self, path: &QueuePath) -> Result<(), Error> {
        self.turn(Urgency::Urgent).await;
        self.write("ResumeQueue", async {
            self.connection.get().await?.resume_queue(path).await
        })
        .await
    }

    /// `DeleteQueue`, with its tasks.
    pub async fn delete_queue(&self, path: &QueuePath) -> Result<(), Error> {
        self.turn(Urgency::Ordinary).await;
        self.write("DeleteQueue", async {
            self.connection.get().await?.delete_queue(path).await
        })
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
    fn counts(&self) -> MutexGuard<'_, Bucket> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

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
