//! Drift: how long it takes until a change outside the operator is corrected.

use std::time::{Duration, Instant};

use cloudtasks::{CloudTasks, QueuePath};
use testkit::CallProxy;
use tokio::time::sleep;

use crate::drift;

const PATIENCE: Duration = Duration::from_mins(1);
/// After a list the chains that it concerns are reconciled, which lists once more.
const STILL: Duration = Duration::from_millis(1500);
/// A list's second page comes right after its first one.
const A_LIST: Duration = Duration::from_millis(100);

/// Changes a queue right after its location was listed, so that this takes as long as it ever does;
/// from then until the queue is as it was.
pub async fn put_right(
    queues: &CloudTasks,
    proxy: &CallProxy,
    queue: &QueuePath,
) -> anyhow::Result<Duration> {
    listed(proxy, queue).await?;
    drift::put_right(queues, queue).await
}

/// Waits for the end of a list that nobody but the inventory has asked for.
async fn listed(proxy: &CallProxy, queue: &QueuePath) -> anyhow::Result<()> {
    let location = queue.parent.to_string();
    let location = location.rsplit('/').next().unwrap_or_default();
    let begin = Instant::now();
    let mut is_still = false;
    let mut seen = pages(proxy, location);
    let mut since = begin;
    while begin.elapsed() < PATIENCE {
        sleep(Duration::from_millis(5)).await;
        let now = pages(proxy, location);
        if now != seen {
            if is_still {
                sleep(A_LIST).await;
                return Ok(());
            }
            (seen, since) = (now, Instant::now());
        }
        is_still = since.elapsed() > STILL;
    }
    anyhow::bail!("the queues of {location} are listed no more")
}

fn pages(proxy: &CallProxy, location: &str) -> usize {
    proxy.lists().get(location).map_or(0, Vec::len)
}
