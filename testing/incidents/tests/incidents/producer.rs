//! A producer with a steady rate.

use std::time::Duration;

use cloudtasks::{CloudTasks, NewTask, QueuePath};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::handler::any_task;

/// The header that the chain's route matches, and the value that makes a category.
const ROUTED: (&str, &str) = ("x-kind", "bulk");
const TICK: Duration = Duration::from_millis(50);

/// What is sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traffic {
    /// Tasks a second.
    pub rate: f64,
    /// The share of them that has the header that the chain's route matches.
    pub routed: f64,
}

/// Sends tasks into a queue until it is dropped.
pub struct Producer {
    cloud: CloudTasks,
    queue: QueuePath,
    traffic: watch::Sender<Traffic>,
    sending: JoinHandle<()>,
}

impl Producer {
    /// One that sends nothing yet.
    pub fn new(cloud: CloudTasks, queue: QueuePath) -> Self {
        let (traffic, told) = watch::channel(Traffic::default());
        Self {
            sending: tokio::spawn(send(cloud.clone(), queue.clone(), told)),
            cloud,
            queue,
            traffic,
        }
    }

    /// From now on this is sent.
    pub fn send(&self, traffic: Traffic) {
        self.traffic.send_replace(traffic);
    }

    /// So many at once, with these IDs.
    pub async fn burst(&self, tasks: usize, id: fn() -> String) {
        for _ in 0..tasks {
            create(&self.cloud, &self.queue, &id(), false).await;
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

async fn send(cloud: CloudTasks, queue: QueuePath, told: watch::Receiver<Traffic>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut due = 0.0;
    loop {
        ticks.tick().await;
        let Traffic { rate, routed } = *told.borrow();
        due += rate * TICK.as_secs_f64();
        while due >= 1.0 {
            due -= 1.0;
            create(&cloud, &queue, &any_task(), fastrand::f64() < routed).await;
        }
    }
}

async fn create(cloud: &CloudTasks, queue: &QueuePath, id: &str, is_routed: bool) {
    let mut task: NewTask = testkit::task(queue, id, "{}");
    if is_routed {
        let (name, value) = ROUTED;
        task.headers.insert(name.to_owned(), value.to_owned());
    }
    let created = cloud.create_task(queue, &task).await;
    created.unwrap_or_else(|error| panic!("a task of the producer: {error}"));
}
