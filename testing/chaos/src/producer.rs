//! The producer: tasks are sent as fast as they go through, and waited for.

use std::time::{Duration, Instant};

use cloudtasks::CloudTasks;
use futures::{StreamExt, TryStreamExt, stream};

use crate::behavior;
use crate::chain::{self, STAGES};
use crate::seed::Seed;
use crate::tracker::Tracker;

const UNDER_WAY: usize = 1000;
/// How long queues may hold tasks while nothing moves.
const STILL: Duration = Duration::from_mins(1);
/// No task under way may take longer, however much moves.
const LAST: Duration = Duration::from_mins(5);

/// Sends tasks so that no more than [`UNDER_WAY`] are in the queues: those that are lost hold up
/// nothing.
pub async fn send(
    tasks: usize,
    seed: Seed,
    cloud: &CloudTasks,
    tracker: &Tracker,
) -> anyhow::Result<()> {
    let (mut next, mut still) = (0, Still::new(tracker));
    let mut sent_at = Instant::now();
    while next < tasks {
        let room = UNDER_WAY.saturating_sub(depth(cloud, UNDER_WAY).await?);
        let end = tasks.min(next + room);
        stream::iter(next..end)
            .map(|number| create(number, seed, cloud, tracker))
            .buffer_unordered(16)
            .try_collect::<()>()
            .await?;
        if end > next {
            sent_at = Instant::now();
        }
        next = end;
        // Full of tasks that never end: the tracker will say so.
        if still.since(tracker) > STILL || sent_at.elapsed() > LAST {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(())
}

async fn create(
    number: usize,
    seed: Seed,
    cloud: &CloudTasks,
    tracker: &Tracker,
) -> anyhow::Result<()> {
    let queue = STAGES[0].queue();
    let mut task = testkit::task(&queue, &chain::task_id(number), number.to_string());
    let tenant = behavior::tenant(seed, number);
    task.headers.insert(chain::TENANT.to_owned(), tenant);
    cloud.create_task(&queue, &task).await?;
    tracker.sent.add();
    Ok(())
}

/// Waits until the queues are empty and nothing has moved for a while, or until waiting is of no
/// use; how many tasks the queues still hold then.
pub async fn drain(cloud: &CloudTasks, tracker: &Tracker) -> anyhow::Result<usize> {
    let begin = Instant::now();
    let mut still = Still::new(tracker);
    loop {
        let depth = depth(cloud, UNDER_WAY).await?;
        let quiet = still.since(tracker);
        // Longer than a late duplicate, a worker's start, and its tries to create.
        if depth == 0 && quiet > Duration::from_secs(5) {
            return Ok(0);
        }
        if quiet > STILL || begin.elapsed() > LAST {
            return Ok(depth);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

async fn depth(cloud: &CloudTasks, limit: usize) -> anyhow::Result<usize> {
    let mut depth = 0;
    for queue in chain::queues() {
        depth += cloud.list_tasks(&queue, limit).await?.len();
    }
    Ok(depth)
}

struct Still {
    last: (u64, u64, u64, u64),
    at: Instant,
}

impl Still {
    fn new(tracker: &Tracker) -> Self {
        Self {
            last: tracker.movement(),
            at: Instant::now(),
        }
    }

    fn since(&mut self, tracker: &Tracker) -> Duration {
        let now = tracker.movement();
        if now != self.last {
            *self = Self::new(tracker);
        }
        self.at.elapsed()
    }
}
