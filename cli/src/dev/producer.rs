//! Creates the tasks of `--tasks` and `--tasks-per-second`.

use std::sync::Arc;
use std::time::Duration;

use cloudtasks::{CloudTasks, QueuePath};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::dev::outcomes::TaskOutcomes;
use crate::error::Error;
use crate::send::{Content, ids, send};

/// Tasks of a rate are created this often, those of some time at once.
const TICK: Duration = Duration::from_millis(50);

/// How many tasks to create, and how fast.
#[derive(Debug, Clone, Copy)]
pub enum Production {
    /// So many, as fast as possible.
    AtOnce(usize),
    /// So many a second, until there are so many.
    Steady(f64, Option<usize>),
}

/// Creates tasks in the background.
pub struct Producer {
    queue: watch::Sender<QueuePath>,
    /// Returns how many it has created.
    creating: JoinHandle<Result<usize, Error>>,
}

impl Producer {
    /// Begins. The tasks that end are recorded, unless there is no end of them.
    pub fn start(
        production: Production,
        queues: CloudTasks,
        queue: QueuePath,
        outcomes: Arc<TaskOutcomes>,
    ) -> Self {
        let (sender, queue) = watch::channel(queue);
        let task = Task {
            queues,
            queue,
            outcomes,
            content: content(),
        };
        let creating = match production {
            Production::AtOnce(count) => tokio::spawn(async move {
                task.create(count, true).await?;
                Ok(count)
            }),
            Production::Steady(rate, most) => tokio::spawn(task.create_steadily(rate, most)),
        };
        Self {
            queue: sender,
            creating,
        }
    }

    /// From now on tasks are created here.
    pub fn follow(&self, queue: QueuePath) {
        self.queue.send_if_modified(|current| {
            let changes = *current != queue;
            *current = queue;
            changes
        });
    }

    /// Whether all tasks are created, or none can be any more.
    pub fn is_finished(&self) -> bool {
        self.creating.is_finished()
    }

    /// What to print at the end.
    pub async fn finish(self) -> Result<String, Error> {
        let count = self.creating.await.map_err(std::io::Error::other)??;
        let queue = self.queue.borrow();
        Ok(format!("sent {count} tasks to {}", queue.id))
    }
}

struct Task {
    queues: CloudTasks,
    queue: watch::Receiver<QueuePath>,
    outcomes: Arc<TaskOutcomes>,
    content: Content,
}

impl Task {
    async fn create(&self, count: usize, record: bool) -> Result<(), Error> {
        let ids = ids(count);
        if record {
            self.outcomes.send(&ids);
        }
        let queue = self.queue.borrow().clone();
        send(&self.queues, &queue, &ids, &self.content).await
    }

    async fn create_steadily(self, rate: f64, most: Option<usize>) -> Result<usize, Error> {
        let begin = Instant::now();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut created = 0;
        while most.is_none_or(|most| created < most) {
            ticks.tick().await;
            let due = due(begin.elapsed(), rate).min(most.unwrap_or(usize::MAX));
            if due > created {
                let sent = self.create(due - created, most.is_some()).await;
                // Without an end it follows the chain through all that happens to its queue.
                if most.is_some() {
                    sent?;
                }
                created = due;
            }
        }
        Ok(created)
    }
}

/// The tasks that are to exist after this time.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast saturates, and a rate is not negative"
)]
fn due(time: Duration, rate: f64) -> usize {
    (time.as_secs_f64() * rate) as usize
}

fn content() -> Content {
    let headers = [("content-type".to_owned(), "application/json".to_owned())];
    Content {
        body: br#"{"from":"executor-chain dev"}"#.to_vec(),
        headers: headers.into(),
    }
}
