//! The producer: some tasks at once, the others one by one while the chain is edited.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use cloudtasks::{CloudTasks, Error, QueuePath};
use futures::{StreamExt, TryStreamExt, stream};
use oracle::Tracker;
use tokio::task::JoinHandle;

use crate::handler::task_id;

/// A header that all tasks have, with one value: they are one category.
pub const KIND: &str = "X-Kind";

/// Between two tasks. A quarter of a thousand takes longer than most edits.
const PAUSE: Duration = Duration::from_millis(20);

/// Puts tasks into the first queue of a chain.
#[derive(Clone)]
pub struct Producer {
    cloud: CloudTasks,
    tracker: Arc<Tracker>,
    queue: Arc<Mutex<QueuePath>>,
}

impl Producer {
    /// A producer for `queue`.
    pub fn new(cloud: CloudTasks, tracker: Arc<Tracker>, queue: QueuePath) -> Self {
        Self {
            cloud,
            tracker,
            queue: Arc::new(Mutex::new(queue)),
        }
    }

    /// The stages' queues are these now. A producer goes on with its own for as long as it is among
    /// them, and with the first one then.
    pub fn learn(&self, queues: &[QueuePath]) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = queues.first().filter(|_| !queues.contains(&queue)) {
            *queue = first.clone();
        }
    }

    /// So many at once.
    pub async fn burst(&self, tasks: usize) -> anyhow::Result<()> {
        let queue = self.queue();
        self.burst_to(&queue, tasks).await
    }

    /// So many at once, into this queue.
    pub async fn burst_to(&self, queue: &QueuePath, tasks: usize) -> anyhow::Result<()> {
        stream::iter(0..tasks)
            .map(|_| self.create(queue, self.tracker.create()))
            .buffer_unordered(16)
            .try_collect::<()>()
            .await
            .context("sending tasks")
    }

    /// So many one by one.
    pub fn trickle(&self, tasks: usize) -> JoinHandle<Result<(), Error>> {
        let producer = self.clone();
        tokio::spawn(async move {
            for _ in 0..tasks {
                let task = producer.tracker.create();
                // A first queue that isn't made yet is tried again, as producers do.
                while let Err(error) = producer.create(&producer.queue(), task).await {
                    if !matches!(error, Error::Missing { .. }) {
                        return Err(error);
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                tokio::time::sleep(PAUSE).await;
            }
            Ok(())
        })
    }

    async fn create(&self, queue: &QueuePath, task: usize) -> Result<(), Error> {
        let mut task = testkit::task(queue, &task_id(task), task.to_string());
        task.headers.insert(KIND.to_owned(), "order".to_owned());
        self.cloud.create_task(queue, &task).await.map(drop)
    }

    fn queue(&self) -> QueuePath {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.clone()
    }
}
