//! Drift: somebody else changes a queue; how long until it is as its chain says.

use std::time::{Duration, Instant};

use anyhow::ensure;
use cloudtasks::{CloudTasks, QueueSettings};
use futures::future::try_join_all;
use tokio::time::sleep;

use crate::chains::{self, STAGES};
use crate::edits::change::Ladders;
use crate::quantile::Sample;

const PATIENCE: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(20);
/// Within so long all are changed: neither operator should always have just looked.
const SPREAD: Duration = Duration::from_secs(5);
/// No chain has it.
const RATE: f64 = 0.5;

/// Changes queues of `count` different chains, or of all that there are.
pub async fn drift(
    queues: &CloudTasks,
    ladders: &Ladders,
    count: usize,
    random: &mut fastrand::Rng,
) -> anyhow::Result<Sample> {
    let spread = u64::try_from(SPREAD.as_millis()).unwrap_or(u64::MAX);
    let chains = random.choose_multiple(0..ladders.chains(), count);
    let drifts = chains.into_iter().map(|chain| {
        let (stage, after) = (random.usize(..STAGES), random.u64(..spread));
        let rate = f64::from(ladders.rate(chain, stage));
        change(queues, (chain, stage), rate, Duration::from_millis(after))
    });
    let drifts: Vec<_> = drifts.collect();
    Ok(Sample::new(try_join_all(drifts).await?))
}

async fn change(
    queues: &CloudTasks,
    (chain, stage): (usize, usize),
    rate: f64,
    after: Duration,
) -> anyhow::Result<Duration> {
    sleep(after).await;
    let path = chains::queue(chain, stage);
    let settings = QueueSettings {
        max_dispatches_per_second: Some(RATE),
        ..QueueSettings::default()
    };
    queues.update_queue(&path, &settings).await?;
    let begin = Instant::now();
    loop {
        let queue = queues.get_queue(&path).await?;
        if (queue.max_dispatches_per_second - rate).abs() < f64::EPSILON {
            return Ok(begin.elapsed());
        }
        ensure!(
            begin.elapsed() < PATIENCE,
            "{path} was changed by somebody else {PATIENCE:?} ago, and is so still"
        );
        sleep(LOOK).await;
    }
}
