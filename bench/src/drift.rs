//! Drift: a queue is changed outside the operator; how long until it is as its chain says.

use std::time::{Duration, Instant};

use anyhow::ensure;
use cloudtasks::{CloudTasks, QueuePath, QueueSettings};
use tokio::time::sleep;

const PATIENCE: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(20);
/// No chain has it.
const BY_HAND: f64 = 0.5;

/// Changes a queue's rate; from the answer until it is as it was.
pub async fn put_right(queues: &CloudTasks, queue: &QueuePath) -> anyhow::Result<Duration> {
    let before = queues.get_queue(queue).await?.max_dispatches_per_second;
    let settings = QueueSettings {
        max_dispatches_per_second: Some(BY_HAND),
        ..QueueSettings::default()
    };
    queues.update_queue(queue, &settings).await?;
    let begin = Instant::now();
    loop {
        let now = queues.get_queue(queue).await?.max_dispatches_per_second;
        if (now - before).abs() < f64::EPSILON {
            return Ok(begin.elapsed());
        }
        ensure!(
            begin.elapsed() < PATIENCE,
            "{queue} was changed outside the operator {PATIENCE:?} ago, and was not corrected"
        );
        sleep(LOOK).await;
    }
}
